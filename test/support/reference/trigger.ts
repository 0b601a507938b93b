import type { TriggerRow } from '../../../src/conditions/compile-trigger.ts'
import type { FileVerdict } from '../../../src/conditions/compiled-trigger.ts'
import type { RegistryEvent } from '../../../src/event.ts'

export type ReferenceCondition = TriggerRow['conditions'][number]

export type Finality = 'latest' | 'finalized' | { confirmations: number }

/** A trigger as it is stored, with what the reference reads of its actions. */
export type ReferenceTrigger = TriggerRow & {
  finality: Finality
  /** Each action's own finality, or `null`: the trigger's. */
  actions: readonly { finality: Finality | null }[]
}

/** A whole canonical chain, from its beginning. */
export type Chain = {
  /** In chain order. */
  events: readonly RegistryEvent[]
  /** The last complete block; `time` is that block's, in ms, if it is known. */
  head: { block_number: number; time?: number | undefined }
  finalized: number
  /** What is known of the file that an event names. */
  fileOf?: (event: RegistryEvent) => FileVerdict
}

export function timeOf({ block_time }: RegistryEvent): number {
  return block_time.getTime()
}

/** A span of time such as `30s`, in ms. */
export function spanOf(text: unknown): number {
  const [, count, unit] = /^(\d+)([smhd])$/.exec(String(text)) ?? []
  const seconds = { s: 1, m: 60, h: 3600, d: 86_400 }[String(unit)]
  if (seconds === undefined) throw new Error(`${text} is no span of time`)
  return Number(count) * seconds * 1000
}

/** Whose state an event concerns: one value for each name of a scope. */
export function scopeOf(scope: unknown, event: RegistryEvent): string[] {
  const names = scope === undefined || scope === null ? ['agent'] : [scope].flat()
  const values: Record<string, string | null> = {
    agent: event.agent_id,
    client: event.client_address,
    validator: event.validator_address,
    tag: event.tag1 ?? event.tag,
  }
  // One order, whatever order the trigger names them in.
  return Object.keys(values)
    .filter((name) => names.includes(name))
    .map((name) => values[name] ?? '')
}
