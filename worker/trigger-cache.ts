import { compileTrigger, type TriggerRow } from '../src/conditions/compile-trigger.ts'
import type { CompiledTrigger } from '../src/conditions/compiled-trigger.ts'
import { createTriggerIndex, type TriggerIndex } from '../src/conditions/trigger-index.ts'
import type { Transaction } from '../src/db.ts'
import { createMemory, type Memory } from '../src/engine/memory.ts'
import type { ErrorCounts } from '../src/engine/select-hits.ts'
import { describeError } from '../src/errors.ts'
import type { RegistryEvent } from '../src/event.ts'
import {
  type MatcherPosition,
  type Position,
  type ProgressRow,
  readBehind,
  readProgress,
  readTriggerChanges,
  writeProgress,
} from '../src/store/matching.ts'
import { readEnabledTriggers } from '../src/store/triggers.ts'

export type LoadedTrigger = {
  trigger: CompiledTrigger
  /** What had arrived by then, at or before this position, was not for this generation of the trigger to decide. */
  start: Position & { seq: number }
  /** Where it is, while it reads history or waits for a file. `undefined`: it goes with the chain. */
  behind: Position | undefined
  /** The file without which it cannot go on. */
  waitsFor: string | undefined
}

/** The enabled triggers of one chain as they were at a revision, and what they remember as of a step. */
export type TriggerCache = {
  revision: number
  index: TriggerIndex
  loaded: Map<string, LoadedTrigger>
  /** Those that are behind, the one that waited longest for its turn first. */
  behind: Map<string, LoadedTrigger>
  /** No trigger that goes with the chain can use anything older. */
  oldestOfInterest: Date
  memory: Memory
  /** The step after which the memory is as the database is. */
  memoryStep: number
  errors: ErrorCounts
  /** Counts how often a trigger fell behind, came nearer or caught up. */
  moves: number
  /** When it was last found current, ms. */
  confirmedAt: number
}

/** A trigger that could not be compiled, with the reason. */
export type Unusable = { trigger_id: string; version: number; reason: string }

/** Past any log of a block. */
export const endOfBlock = 2_147_483_647

/** Triggers that are read at once: a hundred thousand would be held three times over while they are compiled. */
const pageMax = 2_000

/** Past any block's time, and still a time that Postgres understands. */
const endOfTime = Date.UTC(9999, 0)

/** Changes are remembered for a day (`trigger_changes`): a cache that slept for longer than this is read anew. */
const confirmedForMs = 3_600_000

/**
 * Brings a cache to the revision of the chain: reads what has changed, or everything into a new one. A trigger that is seen for the
 * first time in its generation begins at the matcher's position, or in the past if it asks for that.
 */
export async function refreshTriggers(
  tx: Transaction,
  chainId: number,
  known: TriggerCache | undefined,
  at: MatcherPosition,
): Promise<{ cache: TriggerCache; unusable: Unusable[] }> {
  const fresh = known !== undefined && Date.now() - known.confirmedAt < confirmedForMs ? known : undefined
  if (fresh?.revision === at.trigger_revision) return { cache: fresh, unusable: [] }

  const cache = fresh ?? emptyCache()
  const ids =
    fresh && (await readTriggerChanges(tx, [chainId, fresh.revision])).map(({ trigger_id }) => trigger_id)
  for (const id of ids ?? []) remove(cache, id)

  const unusable: Unusable[] = []
  for (let after: string | undefined; ; ) {
    const rows = await readEnabledTriggers(tx, chainId, ids, { after, limit: pageMax })
    unusable.push(...(await putAll(tx, chainId, cache, rows, at)))
    after = rows.at(-1)?.id
    if (rows.length < pageMax) break
  }

  // History older than every trigger is skipped rather than read; without triggers that is all of it.
  let oldest = endOfTime
  for (const { trigger } of cache.loaded.values()) oldest = Math.min(oldest, oldestOf(trigger))
  cache.oldestOfInterest = new Date(oldest)
  return { cache, unusable }
}

async function putAll(
  tx: Transaction,
  chainId: number,
  cache: TriggerCache,
  rows: readonly TriggerRow[],
  at: MatcherPosition,
): Promise<Unusable[]> {
  const ids = rows.map(({ id }) => id)
  const progress = new Map(
    (await readProgress(tx, [chainId, ids])).map((row) => [row.trigger_id, row] as const),
  )
  const unusable: Unusable[] = []
  const begun: ProgressRow[] = []
  for (const row of rows) {
    try {
      const trigger = compileTrigger(row)
      const stored = progress.get(trigger.id)
      const current = stored?.generation === trigger.generation ? stored : beginAt(trigger, at)
      if (current !== stored) begun.push(current)
      put(cache, trigger, current)
    } catch (error) {
      unusable.push({ trigger_id: row.id, version: row.version, reason: describeError(error) })
    }
  }
  if (begun.length > 0) await writeProgress(tx, [chainId, begun])
  return unusable
}

/** The time before which nothing is of interest to a trigger, in ms. */
export function oldestOf(trigger: CompiledTrigger): number {
  return trigger.warm_up || trigger.from_block !== undefined ? 0 : trigger.active_since.getTime()
}

/** Whether an event is for this generation of a trigger to decide. */
export function isItsOwn({ start }: LoadedTrigger, event: RegistryEvent): boolean {
  const after = event.block_number - start.block_number || event.log_index - start.log_index
  return after > 0 || event.seq > start.seq
}

/** Puts a trigger behind its chain, or (without a position) back to it. */
export function setBehind(cache: TriggerCache, loaded: LoadedTrigger, position: Position | undefined): void {
  cache.moves += 1
  loaded.behind = position
  cache.behind.delete(loaded.trigger.id)
  if (position !== undefined) cache.behind.set(loaded.trigger.id, loaded)
}

/** Another matcher has made a step meanwhile: nothing that this one remembers need be so any more, nor where its triggers are. */
export async function forgetSteps(tx: Transaction, chainId: number, cache: TriggerCache): Promise<void> {
  cache.memory.clear()
  const rows = new Map((await readBehind(tx, [chainId])).map((row) => [row.trigger_id, row] as const))
  for (const loaded of [...cache.behind.values()]) {
    if (!rows.has(loaded.trigger.id)) setBehind(cache, loaded, undefined)
  }
  for (const { trigger_id, generation, block_number, log_index } of rows.values()) {
    const loaded = cache.loaded.get(trigger_id)
    if (loaded?.trigger.generation !== generation) continue
    loaded.waitsFor = undefined
    setBehind(cache, loaded, { block_number, log_index })
  }
}

function emptyCache(): TriggerCache {
  return {
    revision: -1,
    index: createTriggerIndex(),
    loaded: new Map(),
    behind: new Map(),
    oldestOfInterest: new Date(endOfTime),
    memory: createMemory(),
    memoryStep: -1,
    errors: new Map(),
    moves: 0,
    confirmedAt: Date.now(),
  }
}

function put(cache: TriggerCache, trigger: CompiledTrigger, row: ProgressRow): void {
  const loaded: LoadedTrigger = {
    trigger,
    start: { block_number: row.start_block, log_index: row.start_log, seq: row.start_seq },
    behind: undefined,
    waitsFor: undefined,
  }
  cache.index.put(trigger)
  cache.loaded.set(trigger.id, loaded)
  const { block_number, log_index } = row
  if (block_number !== null && log_index !== null) setBehind(cache, loaded, { block_number, log_index })
}

function remove(cache: TriggerCache, id: string): void {
  cache.index.remove(id)
  cache.loaded.delete(id)
  cache.behind.delete(id)
  cache.errors.delete(id)
}

function beginAt(trigger: CompiledTrigger, at: MatcherPosition): ProgressRow {
  const common = { trigger_id: trigger.id, generation: trigger.generation }
  const first = trigger.warm_up ? 0 : trigger.from_block
  if (first === undefined || first > at.block_number) {
    const start = { start_block: at.block_number, start_log: at.log_index, start_seq: at.event_seq }
    return { ...common, ...start, block_number: null, log_index: null }
  }
  return {
    ...common,
    start_block: first - 1,
    start_log: endOfBlock,
    start_seq: 0,
    block_number: first - 1,
    log_index: endOfBlock,
  }
}
