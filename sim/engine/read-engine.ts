import type { TriggerRow } from '../../src/conditions/compile-trigger.ts'
import type { FileVerdict } from '../../src/conditions/compiled-trigger.ts'
import type { Database } from '../../src/db.ts'
import type { RegistryEvent } from '../../src/event.ts'
import { readFiles } from '../../src/store/event-files.ts'
import { readEnabledTriggers } from '../../src/store/triggers.ts'
import type { Finality } from '../../test/support/reference/trigger.ts'

export type StoredMatch = {
  id: number
  trigger_id: string | null
  generation: number
  kind: 'event' | 'absence' | 'digest'
  occurrence: string
  event_id: string
  block_number: number
  status: 'standing' | 'retracted'
  in_question: boolean
  retractions: number
  evidence: readonly { position: number; scope?: string; seen?: unknown; held_back?: { events: string[] } }[]
}

export type StoredDelivery = {
  id: string
  match_id: number
  kind: 'match' | 'retraction' | 'reinstatement'
  original_id: string | null
  action_id: number | null
  occurrence: string
  state: string
  attempts: number
  waits_on: 'head' | 'finalized' | null
  waits_for: number | null
}

export type StoredTrigger = TriggerRow & {
  finality: Finality
  actions: readonly { id: number; finality: Finality | null; on_retraction: 'ignore' | 'notify' }[]
  /** What had arrived at or before this was not for this generation. `undefined`: it has not begun. */
  start: { block_number: number; log_index: number; seq: number } | undefined
  /** It is not where its chain is. */
  isBehind: boolean
}

export type StoredState = {
  trigger_id: string
  generation: number
  position: number
  scope: string
  state: unknown
}

/** What the matcher made of the chains. */
export type EngineStore = {
  /** Those that are switched on. */
  triggers: readonly StoredTrigger[]
  matches: readonly StoredMatch[]
  deliveries: readonly StoredDelivery[]
  states: readonly StoredState[]
  undecided: readonly { trigger_id: string; event_id: string }[]
  files: ReadonlyMap<string, FileVerdict | 'waiting'>
  /** Every event that ever was, but those of legacy registries. */
  events: readonly RegistryEvent[]
}

export async function readEngine(db: Database, chainIds: readonly number[]): Promise<EngineStore> {
  const rows = (await Promise.all(chainIds.map((id) => readEnabledTriggers(db, id)))).flat()
  const options = await db<{ id: string; finality: Finality; actions: StoredTrigger['actions'] }[]>`
    select t.id, t.finality,
      (select coalesce(json_agg(json_build_object('id', a.id, 'finality', a.finality, 'on_retraction', a.on_retraction)
        order by a.position), '[]') from trigger_actions a where a.trigger_id = t.id) as actions
    from triggers t`
  const progress = await db`select * from trigger_progress`
  const keys = await db<{ key: string }[]>`select key from event_files`
  return {
    triggers: rows.map((row) => {
      const { finality = 'latest', actions = [] } = options.find(({ id }) => id === row.id) ?? {}
      const at = progress.find(
        (one) =>
          one.trigger_id === row.id && one.generation === row.generation && one.chain_id === row.chain_id,
      )
      const start = at && { block_number: at.start_block, log_index: at.start_log, seq: at.start_seq }
      return { ...row, finality, actions, start, isBehind: at !== undefined && at.block_number !== null }
    }),
    matches: await db<StoredMatch[]>`
      select id, trigger_id, generation, kind, occurrence, event_id, block_number, status, in_question, retractions, evidence
      from matches order by id`,
    deliveries: await db<StoredDelivery[]>`
      select id, match_id, kind, original_id, action_id, occurrence, state, attempts, waits_on, waits_for
      from deliveries where kind in ('match', 'retraction', 'reinstatement') order by created_at, id`,
    states: await db<StoredState[]>`select trigger_id, generation, position, scope, state from trigger_state`,
    undecided: await db<
      { trigger_id: string; event_id: string }[]
    >`select trigger_id, event_id from undecided_events`,
    files: await readFiles(
      db,
      keys.map(({ key }) => key),
    ),
    events: await db<RegistryEvent[]>`
      select e.* from events e
      where not exists (select from legacy_registries l where (l.chain_id, l.contract_address) = (e.chain_id, e.contract_address))
      order by e.chain_id, e.block_number, e.log_index`,
  }
}
