import type { EventField } from '../event.ts'

/** What a condition can look at: a decoded column of `events`, or the type of the event itself. */
export type ConditionField = EventField | 'event_type'

export const operators = [
  ...(['=', '!=', '<', '<=', '>', '>=', 'in', 'not_in', 'contains', 'exists'] as const),
  /** Only of `file_json`. */
  'changed',
] as const

export type Operator = (typeof operators)[number]

/** What a condition type looks at, and how it compares. */
export type StatelessType = {
  /** The default is the first one that an event of the trigger fills. */
  fields: readonly [ConditionField, ...ConditionField[]]
  operators: readonly [Operator, ...Operator[]]
  /** Left out where no operator is more likely meant than another: the trigger has to say. */
  defaultOperator?: Operator
}

const equality = ['=', '!=', 'in', 'not_in'] as const
const text = [...equality, 'contains', 'exists'] as const
const order = ['<', '<=', '>', '>=', '=', '!='] as const

/**
 * The condition types that need nothing but the event and compare one field. They differ only in what they look at and how: what a value must
 * look like follows from the kind of the field (`eventFields`), what an operator does is the same for all.
 */
export const conditionTypes = {
  event_type_equals: { fields: ['event_type'], operators: equality, defaultOperator: '=' },
  agent_id_equals: { fields: ['agent_id'], operators: equality, defaultOperator: '=' },
  owner_equals: { fields: ['owner', 'previous_owner'], operators: equality, defaultOperator: '=' },
  metadata_key_equals: { fields: ['metadata_key'], operators: text, defaultOperator: '=' },
  score_threshold: { fields: ['score'], operators: order },
  tag_equals: { fields: ['tag1', 'tag2', 'tag'], operators: text, defaultOperator: '=' },
  client_whitelist: {
    fields: ['client_address'],
    operators: ['in', 'not_in', '=', '!='],
    defaultOperator: 'in',
  },
  response_threshold: { fields: ['response'], operators: order },
  validator_whitelist: {
    fields: ['validator_address'],
    operators: ['in', 'not_in', '=', '!='],
    defaultOperator: 'in',
  },
  file_uri_exists: {
    fields: ['file_uri', 'token_uri', 'request_uri', 'response_uri'],
    operators: ['exists', 'contains'],
    defaultOperator: 'exists',
  },
} as const satisfies Record<string, StatelessType>

export type StatelessConditionType = keyof typeof conditionTypes

/** All types, in the order in which a trigger asks them: stateless, expressions, content, stateful. */
export const conditionTypeNames = [
  ...(Object.keys(conditionTypes) as StatelessConditionType[]),
  'expression',
  'file_fetched',
  'file_hash',
  'file_json',
  'ema_threshold',
  'distinct_count',
  'sum_threshold',
  'change',
  'sequence',
  'absence',
  'rate_limit',
] as const

export type ConditionType = (typeof conditionTypeNames)[number]

/** The row of a stateless type, or `undefined` for a name that is not in the table. */
export function findStatelessType(
  name: string,
): (StatelessType & { name: StatelessConditionType }) | undefined {
  if (!Object.hasOwn(conditionTypes, name)) return undefined
  const known = name as StatelessConditionType
  return { ...conditionTypes[known], name: known }
}

export function isConditionType(name: string): name is ConditionType {
  return (conditionTypeNames as readonly string[]).includes(name)
}
