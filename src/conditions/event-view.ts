import { type EventField, eventFields, type RegistryEvent } from '../event.ts'

/** What expressions see of any event, beside its decoded fields. */
const commonFields = {
  id: 'string',
  event_type: 'string',
  registry: 'string',
  chain_id: 'int',
  contract_address: 'string',
  block_number: 'int',
  block_time: 'google.protobuf.Timestamp',
  transaction_hash: 'string',
  log_index: 'int',
} as const

/** Numbers that measure. No number of a stranger can make arithmetic with doubles fail. */
const measures: readonly EventField[] = ['score', 'value', 'response']

export type ViewField = EventField | keyof typeof commonFields

/** All that an expression can name as `event.<name>`, with its type in CEL. */
export const viewFields: Readonly<Record<ViewField, string>> = {
  ...(Object.fromEntries(
    (Object.keys(eventFields) as EventField[]).map((name) => [name, typeOf(name)]),
  ) as Record<EventField, string>),
  ...commonFields,
}

/** An expression sees so many characters of a text: some URIs hold whole files. */
export const textLengthMax = 2048

/** Thrown where a field is read that the event does not have. Always this one: to make an error each time is slow. */
export const missing = new Error('The event does not have this field')

/** An event as expressions see it. Of each field there are two: `score` throws {@link missing}, `score?` may be undefined. */
export class EventView {
  event: RegistryEvent | undefined
}

/** The name under which a field may be undefined. No expression can write it. */
export const optional = (name: ViewField) => `${name}?`

for (const name of Object.keys(viewFields) as ViewField[]) {
  const convert = converterOf(viewFields[name])
  const read = ({ event }: EventView) => {
    const value = event?.[name]
    return value === null || value === undefined ? undefined : convert(value)
  }
  Object.defineProperty(EventView.prototype, optional(name), {
    get(this: EventView) {
      return read(this)
    },
  })
  Object.defineProperty(EventView.prototype, name, {
    get(this: EventView) {
      const value = read(this)
      if (value === undefined) throw missing
      return value
    },
  })
}

function converterOf(type: string): (value: string | number | Date) => unknown {
  // Exact for any number of digits, as token ids have them.
  if (type === 'int') return (value) => BigInt(value as string | number)
  if (type === 'double') return Number
  return (value) =>
    typeof value === 'string' && value.length > textLengthMax ? value.slice(0, textLengthMax) : value
}

function typeOf(name: EventField): string {
  if (measures.includes(name)) return 'double'
  return eventFields[name].kind === 'integer' ? 'int' : 'string'
}
