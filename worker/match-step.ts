import type { Database, Transaction } from '../src/db.ts'
import { type Folded, type FoldedMatch, foldHits, type Hit } from '../src/engine/fold.ts'
import { selectHits } from '../src/engine/select-hits.ts'
import type { RegistryEvent } from '../src/event.ts'
import {
  confirmMatches,
  firstLateBlock,
  goBack,
  insertMatches,
  insertUndecided,
  type MatcherPosition,
  type NewMatch,
  type Position,
  pauseTriggers,
  readEvents,
  readEventsOfTrigger,
  readPosition,
  releaseDeliveries,
  settleMatches,
  writeCursor,
  writeProgress,
} from '../src/store/matching.ts'
import { readFilesOf, readyFiles } from './match-files.ts'
import { loadDue, loadSlots, saveMemory } from './match-memory.ts'
import {
  endOfBlock,
  forgetSteps,
  isItsOwn,
  type LoadedTrigger,
  oldestOf,
  refreshTriggers,
  setBehind,
  type TriggerCache,
  type Unusable,
} from './trigger-cache.ts'

export type { TriggerCache } from './trigger-cache.ts'

export type StepResult = {
  /** `busy`: another matcher holds the chain. `idle`: nothing is left to do. `more`: call again at once. */
  outcome: 'busy' | 'idle' | 'more'
  events: number
  matches: number
  deliveries: number
  /** Matches that do not stand any more. */
  retracted: number
  /** Triggers that were switched off because they cannot be evaluated. */
  paused: Unusable[]
  cache: TriggerCache | undefined
}

/** A trigger that could not decide so often in a row is switched off. */
const errorsMax = 20

/** How many triggers that are behind their chain get a turn in one step. */
const behindMax = 8

/** Of `Memory.weight`: some tens of megabytes. */
const memoryMax = 300_000

type Reached = {
  /** Everything up to here is folded. */
  position: Position
  /** The latest block time that deadlines were compared with, ms. `undefined`: none is known. */
  clock: number | undefined
  more: boolean
}

type Sums = Pick<StepResult, 'events' | 'matches' | 'deliveries' | 'retracted'>

/**
 * One bounded step of matching on one chain, in one transaction: go back if something late arrived, read the next canonical
 * events up to the checkpoint, fold them over the triggers and their state, store matches with their deliveries, move the
 * cursor. Safe to repeat: whatever was not committed is read again, and an occurrence that fired never fires twice.
 *
 * @param cache what the step before returned. It is changed at once: after an error it is of no use any more.
 */
export async function matchStep(
  db: Database,
  chainId: number,
  cache: TriggerCache | undefined,
  options: { eventsMax: number },
): Promise<StepResult> {
  // One snapshot for checkpoint, events and triggers: a step sees one moment.
  return (await db.begin('isolation level repeatable read', (tx) =>
    step(tx, chainId, cache, options.eventsMax),
  )) as StepResult
}

async function step(
  tx: Transaction,
  chainId: number,
  known: TriggerCache | undefined,
  eventsMax: number,
): Promise<StepResult> {
  const nothing = { events: 0, matches: 0, deliveries: 0, retracted: 0, paused: [] }
  const [at] = await readPosition(tx, [chainId])
  if (at === undefined) return { ...nothing, outcome: 'idle', cache: known }
  if (!at.locked) return { ...nothing, outcome: 'busy', cache: undefined }

  const { cache, unusable } = await refreshTriggers(tx, chainId, known, at)
  if (cache.memoryStep !== at.step) await forgetSteps(tx, chainId, cache)
  if (cache.memory.weight() > memoryMax) cache.memory.clear()
  const moves = cache.moves
  const sums: Sums = { events: 0, matches: 0, deliveries: 0, retracted: 0 }

  const from = await startOf(tx, chainId, at, cache)
  const reached = await foldChain(tx, chainId, cache, at, from, eventsMax, sums)
  const moreBehind = await foldBehind(tx, chainId, cache, at, reached, eventsMax, sums)

  const paused = [...unusable, ...tooManyErrors(cache)]
  if (paused.length > 0) await pauseTriggers(tx, [paused])
  const wroteState = await saveMemory(tx, chainId, cache.memory, at)
  if (at.has_questions || from.wentBack) {
    // A block that is cut in two by the size of a batch is not yet decided.
    const { block_number, log_index } = reached.position
    const settledTo = log_index === endOfBlock ? block_number : block_number - 1
    const [settled] = await settleMatches(tx, [chainId, settledTo])
    sums.retracted += settled?.retracted ?? 0
  }
  await releaseDeliveries(tx, [chainId, at.last_block_number, at.finalized_block_number])

  const changed = wroteState || from.wentBack || cache.moves !== moves || isNews(at, reached)
  const stepNumber = changed ? at.step + 1 : at.step
  if (changed) {
    const { block_number, log_index } = reached.position
    await writeCursor(tx, [
      chainId,
      block_number,
      log_index,
      at.newest_event_seq,
      at.newest_status_id,
      at.finalized_block_number,
      reached.clock === undefined ? null : new Date(reached.clock),
      stepNumber,
    ])
  }
  cache.revision = at.trigger_revision
  cache.confirmedAt = Date.now()
  cache.memoryStep = stepNumber
  for (const { trigger_id } of paused) cache.errors.delete(trigger_id)
  return { ...sums, paused, outcome: reached.more || moreBehind ? 'more' : 'idle', cache }
}

type Start = { position: Position; clock: number | undefined; wentBack: boolean }

/** Where to read on: before the first block in which something late happened, or where the cursor is. */
async function startOf(
  tx: Transaction,
  chainId: number,
  at: MatcherPosition,
  cache: TriggerCache,
): Promise<Start> {
  const here = { block_number: at.block_number, log_index: at.log_index }
  if (at.newest_event_seq !== at.event_seq || at.newest_status_id !== at.status_id) {
    const [late] = await firstLateBlock(tx, [
      chainId,
      at.event_seq,
      at.status_id,
      at.block_number,
      at.log_index,
      at.matched_finalized_block,
    ])
    if (typeof late?.block_number === 'number') return goBackTo(tx, chainId, cache, late.block_number - 1)
  }
  const clockWentBack = at.clock !== null && at.last_block_time !== null && at.last_block_time < at.clock
  if (clockWentBack && at.last_block_number >= at.block_number) {
    // A block passed deadlines, and another one that has not takes its place.
    return goBackTo(tx, chainId, cache, at.matched_finalized_block)
  }
  return { position: here, clock: at.clock?.getTime(), wentBack: false }
}

async function goBackTo(
  tx: Transaction,
  chainId: number,
  cache: TriggerCache,
  block_number: number,
): Promise<Start> {
  await goBack(tx, [chainId, block_number])
  cache.memory.clear()
  const position = { block_number, log_index: endOfBlock }
  for (const loaded of cache.behind.values()) {
    if (loaded.behind !== undefined && loaded.behind.block_number > block_number) loaded.behind = position
    // The event that it waited with may have gone.
    loaded.waitsFor = undefined
  }
  return { position, clock: undefined, wentBack: true }
}

/** Folds the next events of the chain over the triggers that go with it. */
async function foldChain(
  tx: Transaction,
  chainId: number,
  cache: TriggerCache,
  at: MatcherPosition,
  start: Start,
  eventsMax: number,
  sums: Sums,
): Promise<Reached> {
  const read = ({ position }: Start) =>
    readEvents(tx, [
      chainId,
      position.block_number,
      position.log_index,
      at.last_block_number,
      cache.oldestOfInterest,
      eventsMax,
    ])
  let from = start
  let events = await read(from)
  const [first] = events
  if (first !== undefined && from.clock !== undefined && first.block_time.getTime() < from.clock) {
    // Deadlines were compared with the time of a block that another has replaced.
    from = await goBackTo(tx, chainId, cache, at.matched_finalized_block)
    start.wentBack = true
    events = await read(from)
  }

  const isFull = events.length === eventsMax
  const endTime = isFull ? events.at(-1)?.block_time.getTime() : headTime(at, from, events)
  let clock = latest(from.clock, endTime)
  const due =
    clock === undefined ? { slots: [], isCut: false } : await loadDue(tx, chainId, cache, clock, null)
  if (due.isCut) {
    // As many deadlines as a step takes: it ends with the last of them.
    const last = due.slots.at(-1)?.wakeAt ?? 0
    events = events.filter(({ block_time }) => block_time.getTime() <= last)
    clock = last + 1
  }
  sums.events += events.length

  const more = isFull || due.isCut
  const position = more
    ? (events.at(-1) ?? from.position)
    : laterOf(from.position, { block_number: at.last_block_number, log_index: endOfBlock })
  const hits = events.flatMap((event) => selectHits(event, candidatesOf(cache, event), cache.errors))
  await loadSlots(tx, cache.memory, hits)
  const files = await readFilesOf(tx, chainId, hits)
  const folded = foldHits(hits, {
    memory: cache.memory,
    fileOf: files.verdictOf,
    due: due.slots,
    triggerOf: ({ trigger_id, generation }) => {
      const trigger = cache.loaded.get(trigger_id)?.trigger
      return trigger?.generation === generation ? trigger : undefined
    },
    end: { clock: clock ?? Number.NEGATIVE_INFINITY, block_number: Math.max(position.block_number, 0) },
  })
  await store(tx, chainId, at, folded, sums)
  await fallBehind(tx, chainId, cache, folded, files.keyOf)
  return { position: { block_number: position.block_number, log_index: position.log_index }, clock, more }
}

/** Lets triggers that are behind their chain come nearer, each by its own events. Returns whether one of them can go on at once. */
async function foldBehind(
  tx: Transaction,
  chainId: number,
  cache: TriggerCache,
  at: MatcherPosition,
  chain: Reached,
  eventsMax: number,
  sums: Sums,
): Promise<boolean> {
  const waiting = [...cache.behind.values()].flatMap(({ waitsFor }) => waitsFor ?? [])
  const ready = waiting.length === 0 ? new Set<string>() : await readyFiles(tx, waiting)
  const able = [...cache.behind.values()].filter(
    ({ waitsFor }) => waitsFor === undefined || ready.has(waitsFor),
  )
  let isMore = able.length > behindMax
  for (const loaded of able.slice(0, behindMax)) {
    if (await foldOne(tx, chainId, cache, loaded, at, chain, eventsMax, sums)) isMore = true
  }
  return isMore
}

async function foldOne(
  tx: Transaction,
  chainId: number,
  cache: TriggerCache,
  loaded: LoadedTrigger,
  at: MatcherPosition,
  chain: Reached,
  eventsMax: number,
  sums: Sums,
): Promise<boolean> {
  const { trigger, behind } = loaded
  if (behind === undefined) return false
  const read = await readEventsOfTrigger(tx, [
    chainId,
    behind.block_number,
    behind.log_index,
    chain.position.block_number,
    new Date(oldestOf(trigger)),
    eventsMax,
    trigger.registry,
    trigger.eventTypes,
    trigger.agentIds ?? null,
  ])
  const events = read.filter(
    (event) => laterOf(event, chain.position) !== event || isSame(event, chain.position),
  )
  const isFull = events.length === eventsMax
  const lastTime = events.at(-1)?.block_time.getTime()
  let clock = isFull ? lastTime : latest(chain.clock, lastTime)
  const due =
    clock === undefined ? { slots: [], isCut: false } : await loadDue(tx, chainId, cache, clock, trigger.id)
  let taken = events
  if (due.isCut) {
    const last = due.slots.at(-1)?.wakeAt ?? 0
    taken = events.filter(({ block_time }) => block_time.getTime() <= last)
    clock = last + 1
  }
  sums.events += taken.length

  const end = isFull || due.isCut ? (taken.at(-1) ?? behind) : chain.position
  const own = taken.filter((event) => isItsOwn(loaded, event))
  const hits = own.flatMap((event) => selectHits(event, [trigger], cache.errors))
  await loadSlots(tx, cache.memory, hits)
  const files = await readFilesOf(tx, chainId, hits)
  const folded = foldHits(hits, {
    memory: cache.memory,
    fileOf: files.verdictOf,
    due: due.slots,
    triggerOf: ({ generation }) => (trigger.generation === generation ? trigger : undefined),
    end: { clock: clock ?? Number.NEGATIVE_INFINITY, block_number: Math.max(end.block_number, 0) },
  })
  await store(tx, chainId, at, folded, sums)
  const waiting = folded.waiting.get(trigger.id)
  const caughtUp = waiting === undefined && isSame(end, chain.position)
  const position = waiting !== undefined ? before(waiting.event) : caughtUp ? undefined : end
  await writeProgress(tx, [chainId, [progressOf(loaded, position)]])
  loaded.waitsFor = waiting && files.keyOf(waiting.event)
  setBehind(cache, loaded, position && { block_number: position.block_number, log_index: position.log_index })
  return waiting === undefined && !caughtUp
}

/** The triggers that an event may concern now: not those that are elsewhere, nor those for which it was another generation's. */
function* candidatesOf(cache: TriggerCache, event: RegistryEvent) {
  for (const trigger of cache.index.candidates(event)) {
    const loaded = cache.loaded.get(trigger.id)
    if (loaded !== undefined && loaded.behind === undefined && isItsOwn(loaded, event)) yield trigger
  }
}

async function store(
  tx: Transaction,
  chainId: number,
  at: MatcherPosition,
  { matches, undecided }: Folded,
  sums: Sums,
): Promise<void> {
  if (matches.length > 0) {
    // An occurrence is on a chain once. Should the store ever say otherwise, the later one counts, and the chain goes on.
    const rows = new Map(
      matches.map((match) => [`${match.trigger.id} ${match.occurrence}`, rowOf(chainId, match)]),
    )
    const [stored] = await insertMatches(tx, [
      [...rows.values()],
      at.last_block_number,
      at.finalized_block_number,
    ])
    sums.matches += stored?.matches ?? 0
    sums.deliveries += stored?.deliveries ?? 0
    const confirmed = stored?.confirmed ?? []
    if (confirmed.length > 0) {
      await confirmMatches(tx, [confirmed.map(String), at.last_block_number, at.finalized_block_number])
    }
  }
  if (undecided.length > 0) {
    await insertUndecided(tx, [
      undecided.map(({ trigger, event, error }) => ({
        trigger_id: trigger.id,
        trigger_version: trigger.version,
        chain_id: chainId,
        event_id: event.id,
        block_number: event.block_number,
        block_time: event.block_time,
        reason: error,
      })),
    ])
  }
}

function rowOf(chainId: number, match: FoldedMatch): NewMatch {
  const { trigger, kind, occurrence, event_id, block_number, block_time, evidence } = match
  return {
    trigger_id: trigger.id,
    trigger_version: trigger.version,
    generation: trigger.generation,
    kind,
    chain_id: chainId,
    occurrence,
    event_id,
    block_number,
    block_time: new Date(block_time),
    evidence,
  }
}

/** Triggers that wait for a file leave the others, and go on from there when it has come. */
async function fallBehind(
  tx: Transaction,
  chainId: number,
  cache: TriggerCache,
  { waiting }: Folded,
  keyOf: (event: RegistryEvent) => string | undefined,
): Promise<void> {
  if (waiting.size === 0) return
  const fallen = [...waiting.values()].flatMap((hit: Hit) => {
    const loaded = cache.loaded.get(hit.trigger.id)
    return loaded === undefined ? [] : [{ loaded, event: hit.event, position: before(hit.event) }]
  })
  await writeProgress(tx, [chainId, fallen.map(({ loaded, position }) => progressOf(loaded, position))])
  for (const { loaded, event, position } of fallen) {
    loaded.waitsFor = keyOf(event)
    setBehind(cache, loaded, position)
  }
}

function progressOf({ trigger, start }: LoadedTrigger, position: Position | undefined) {
  return {
    trigger_id: trigger.id,
    generation: trigger.generation,
    start_block: start.block_number,
    start_log: start.log_index,
    start_seq: start.seq,
    block_number: position?.block_number ?? null,
    log_index: position?.log_index ?? null,
  }
}

function tooManyErrors(cache: TriggerCache): Unusable[] {
  return [...cache.errors].flatMap(([id, errors]) => {
    const trigger = cache.loaded.get(id)?.trigger
    if (errors < errorsMax || trigger === undefined) return []
    const reason = `its expression could not be evaluated for ${errors} events in a row. GET /v1/triggers/${id}/decisions says why`
    return [{ trigger_id: id, version: trigger.version, reason }]
  })
}

/** The time of the chain's last block, where that is not behind what was folded already. */
function headTime(at: MatcherPosition, from: Start, events: readonly RegistryEvent[]): number | undefined {
  const head = at.last_block_number >= from.position.block_number ? at.last_block_time?.getTime() : undefined
  return latest(head, events.at(-1)?.block_time.getTime())
}

function latest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.max(a, b)
}

function before({ block_number, log_index }: Position): Position {
  return { block_number, log_index: log_index - 1 }
}

function laterOf<P extends Position>(a: P, b: P): P
function laterOf(a: Position, b: Position): Position
function laterOf(a: Position, b: Position): Position {
  const difference = a.block_number - b.block_number || a.log_index - b.log_index
  return difference >= 0 ? a : b
}

function isSame(a: Position, b: Position): boolean {
  return a.block_number === b.block_number && a.log_index === b.log_index
}

function isNews(at: MatcherPosition, { position, clock }: Reached): boolean {
  return (
    !isSame(at, position) ||
    at.event_seq !== at.newest_event_seq ||
    at.status_id !== at.newest_status_id ||
    at.matched_finalized_block !== at.finalized_block_number ||
    at.clock?.getTime() !== clock
  )
}
