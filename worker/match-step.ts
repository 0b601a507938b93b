import { type CompiledTrigger, compileTrigger } from '../src/conditions/compile-trigger.ts'
import { evaluateTrigger } from '../src/conditions/evaluate-trigger.ts'
import { createTriggerIndex, type TriggerIndex } from '../src/conditions/trigger-index.ts'
import type { Database, Transaction } from '../src/db.ts'
import { describeError } from '../src/errors.ts'
import type { RegistryEvent } from '../src/event.ts'
import {
  firstLateBlock,
  insertMatches,
  type MatcherPosition,
  type NewMatch,
  type Position,
  readEvents,
  readPosition,
  writeCursor,
} from '../src/store/matching.ts'
import { readEnabledTriggers } from '../src/store/triggers.ts'

/** The enabled triggers of one chain, as they were at a revision of `trigger_revisions`. */
export type TriggerCache = {
  revision: number
  index: TriggerIndex
  oldestActiveSince: Date
  /** Triggers that cannot be evaluated, with the reason: they fire nothing, and must not keep the others from it. */
  unusable: { trigger_id: string; reason: string }[]
}

export type StepResult = {
  /** `busy`: another matcher holds the chain. `idle`: nothing is left to do. `more`: call again at once. */
  outcome: 'busy' | 'idle' | 'more'
  events: number
  matches: number
  deliveries: number
  cache: TriggerCache | undefined
}

/** Past any log of a block. */
const endOfBlock = 2_147_483_647

/** Past any block's time, and still a time that Postgres understands. */
const endOfTime = Date.UTC(9999, 0)

/**
 * One bounded step of matching on one chain, in one transaction: go back if something late arrived, read the next
 * canonical events up to the checkpoint, evaluate the triggers, store matches with their deliveries, move the cursor.
 * Safe to repeat: whatever was not committed is read again, and an occurrence that fired never fires twice.
 *
 * @param cache what the step before returned; triggers are read again only when their revision has changed.
 */
export function matchStep(
  db: Database,
  chainId: number,
  cache: TriggerCache | undefined,
  options: { eventsMax: number },
): Promise<StepResult> {
  // One snapshot for checkpoint, events and triggers: a step sees one moment.
  return db.begin('isolation level repeatable read', async (tx): Promise<StepResult> => {
    const [at] = await readPosition(tx, [chainId])
    if (at === undefined) return { outcome: 'idle', events: 0, matches: 0, deliveries: 0, cache }
    if (!at.locked) return { outcome: 'busy', events: 0, matches: 0, deliveries: 0, cache: undefined }

    const triggers =
      cache?.revision === at.trigger_revision ? cache : await readTriggers(tx, chainId, at.trigger_revision)
    const from = await stepBack(tx, chainId, at)
    const events = await readEvents(tx, [
      chainId,
      from.block_number,
      from.log_index,
      at.last_block_number,
      triggers.oldestActiveSince,
      options.eventsMax,
    ])
    const found = events.flatMap((event) => matchesOf(event, triggers.index))
    const [stored] = found.length === 0 ? [] : await insertMatches(tx, [found])

    const last = events.length < options.eventsMax ? undefined : events.at(-1)
    const to = last ?? laterOf(from, { block_number: at.last_block_number, log_index: endOfBlock })
    if (isNews(at, to)) {
      await writeCursor(tx, [
        chainId,
        to.block_number,
        to.log_index,
        at.newest_event_seq,
        at.newest_status_id,
        at.finalized_block_number,
      ])
    }
    return {
      outcome: last === undefined ? 'idle' : 'more',
      events: events.length,
      matches: stored?.matches ?? 0,
      deliveries: stored?.deliveries ?? 0,
      cache: triggers,
    }
  }) as Promise<StepResult>
}

/** The position to read on from: before the first block in which something late happened, or where the cursor is. */
async function stepBack(tx: Transaction, chainId: number, at: MatcherPosition): Promise<Position> {
  if (at.newest_event_seq === at.event_seq && at.newest_status_id === at.status_id) return at
  const [late] = await firstLateBlock(tx, [
    chainId,
    at.event_seq,
    at.status_id,
    at.block_number,
    at.log_index,
    at.matched_finalized_block,
  ])
  if (typeof late?.block_number !== 'number') return at
  return { block_number: late.block_number - 1, log_index: endOfBlock }
}

async function readTriggers(tx: Transaction, chainId: number, revision: number): Promise<TriggerCache> {
  const compiled: CompiledTrigger[] = []
  const unusable: TriggerCache['unusable'] = []
  for (const row of await readEnabledTriggers(tx, chainId)) {
    try {
      compiled.push(compileTrigger(row))
    } catch (error) {
      unusable.push({ trigger_id: row.id, reason: describeError(error) })
    }
  }
  // History older than every trigger is skipped rather than read; without triggers that is all of it.
  const oldest = compiled.reduce((time, trigger) => Math.min(time, trigger.active_since.getTime()), endOfTime)
  return { revision, index: createTriggerIndex(compiled), oldestActiveSince: new Date(oldest), unusable }
}

function matchesOf(event: RegistryEvent, index: TriggerIndex): NewMatch[] {
  const matches: NewMatch[] = []
  for (const trigger of index.candidates(event)) {
    if (isHistory(event, trigger)) continue
    const { fires, evidence } = evaluateTrigger(trigger, event)
    if (!fires) continue
    matches.push({
      trigger_id: trigger.id,
      trigger_version: trigger.version,
      chain_id: event.chain_id,
      occurrence: event.occurrence,
      event_id: event.id,
      block_number: event.block_number,
      block_time: event.block_time,
      evidence,
    })
  }
  return matches
}

/** Events of blocks from before a trigger was switched on fire nothing, however late they are indexed. */
function isHistory(event: RegistryEvent, trigger: CompiledTrigger): boolean {
  return event.block_time < trigger.active_since
}

function laterOf(a: Position, b: Position): Position {
  const difference = a.block_number - b.block_number || a.log_index - b.log_index
  return difference >= 0 ? a : b
}

function isNews(at: MatcherPosition, to: Position): boolean {
  return (
    at.block_number !== to.block_number ||
    at.log_index !== to.log_index ||
    at.event_seq !== at.newest_event_seq ||
    at.status_id !== at.newest_status_id ||
    at.matched_finalized_block !== at.finalized_block_number
  )
}
