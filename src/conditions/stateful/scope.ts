import type { EventField, EventType, RegistryEvent } from '../../event.ts'
import { fills, oneOf, show } from '../check-parts.ts'
import type { Setting } from './definition.ts'
import { shortKey } from './short-key.ts'

const dimensions = {
  agent: ['agent_id'],
  client: ['client_address'],
  validator: ['validator_address'],
  tag: ['tag1', 'tag'],
} as const satisfies Record<string, readonly EventField[]>

type Dimension = keyof typeof dimensions

export const scopeNames = ['trigger', ...(Object.keys(dimensions) as Dimension[])] as const

/**
 * Whose state a condition keeps: one for the trigger, or one for each agent, client, validator, tag, or combination of these.
 * A single name stands for the list of it. The order of the names means nothing, and is always the same in what is stored.
 */
export const scopeSetting: Setting = (given, { possible }) => checkScope(given, possible)

/** @returns the scope as it is stored, or what was expected instead. */
export function checkScope(
  given: unknown,
  possible: readonly EventType[],
): { ok: string[] } | { expected: string } {
  const asked: unknown[] = Array.isArray(given) ? given : [given ?? 'agent']
  const names = scopeNames.filter((name) => asked.includes(name))
  if (
    asked.length === 0 ||
    names.length !== asked.length ||
    (names.length > 1 && names.includes('trigger'))
  ) {
    const list = Object.keys(dimensions).slice(0, 2)
    return {
      expected: `expected ${oneOf(scopeNames)}, or a list of those beside trigger, such as ${show(list)}`,
    }
  }
  for (const name of names) {
    if (name === 'trigger') continue
    const fields: readonly EventField[] = dimensions[name]
    if (possible.some((eventType) => fields.some((field) => fills(eventType, field)))) continue
    return {
      expected: `expected another scope: no ${possible.join(' or ')} event fills ${fields.join(' or ')}`,
    }
  }
  return { ok: names }
}

/** The key of the state for an event: at most 200 characters. What the event does not have is an empty text. */
export function compileScope(scope: unknown): (event: RegistryEvent) => string {
  const names = (Array.isArray(scope) ? scope : ['agent']) as readonly (typeof scopeNames)[number][]
  const [first, ...others] = names.flatMap((name) => (name === 'trigger' ? [] : [readers[name]]))
  if (first === undefined) return () => ''
  if (others.length === 0) return (event) => shortKey(first(event))
  return (event) => shortKey(JSON.stringify([first(event), ...others.map((read) => read(event))]))
}

const readers: Record<Dimension, (event: RegistryEvent) => string> = {
  agent: ({ agent_id }) => agent_id ?? '',
  client: ({ client_address }) => client_address ?? '',
  validator: ({ validator_address }) => validator_address ?? '',
  tag: ({ tag1, tag }) => tag1 ?? tag ?? '',
}
