import { compileTrigger, type TriggerRow } from './conditions/compile-trigger.ts'
import type { CompiledTrigger } from './conditions/compiled-trigger.ts'
import type { Queryable } from './db.ts'
import type { Evidence } from './engine/evidence.ts'
import type { FoldedMatch } from './engine/fold.ts'
import { type Memory, ownPositions } from './engine/memory.ts'
import { replay } from './engine/replay.ts'
import { UserError } from './errors.ts'
import { type RenderedMatch, renderMatches } from './render-matches.ts'
import { createHistory, readBlockTimes, readChainEnd } from './store/history.ts'
import type { TriggerDocument } from './trigger-document.ts'

/** What is run: a stored trigger, or a document that was never stored. */
export type BacktestTrigger = Pick<
  TriggerDocument,
  'name' | 'chain_id' | 'registry' | 'warm_up' | 'cooldown' | 'max_fires' | 'conditions' | 'actions'
> & { id?: string | undefined; version?: number | undefined }

/** Blocks belong to the range with both ends; times from `from` on, and before `to`. */
export type WantedRange = {
  fromBlock?: number | undefined
  toBlock?: number | undefined
  from?: Date | undefined
  to?: Date | undefined
}

export type BacktestProgress = {
  events: number
  matches: number
  block_number: number
  /** How much of the range has been read, from 0 to 1. */
  share: number
}

export type BacktestMatch = Pick<FoldedMatch, 'kind' | 'occurrence' | 'event_id' | 'block_number'> & {
  block_time: Date
  evidence: readonly Evidence[]
} & Partial<RenderedMatch>

export type BacktestResult = {
  trigger: { id: string | null; name: string; version: number | null }
  range: {
    from_block: number | null
    to_block: number
    from: Date | null
    to: Date | null
  }
  /** Events that were read, and those of them for which the stateless conditions hold. */
  events: number
  candidates: number
  duration_ms: number
  matches: { total: number; event: number; absence: number; digest: number }
  /** Matches that a limit held back. */
  held_back: { cooldown: number; max_fires: number }
  /** Events about which the trigger could not decide, with the first reasons. */
  undecided: { total: number; first: { event_id: string; reason: string }[] }
  /** Events that were passed over, because the file that they name was never fetched. */
  unknown_files: number
  histogram: { unit: 'hour' | 'day'; buckets: { at: string; matches: number }[] }
  top_agents: { agent_id: string; matches: number }[]
  /** By condition (its position) and scope. */
  top_scopes: { position: number; condition_type: string; scope: string; matches: number }[]
  /** The first of them, in order. */
  first: BacktestMatch[]
}

const dayMs = 86_400_000
const defaultSpanMs = 30 * dayMs
/** A range of so much is counted by the hour. */
const hourlyMaxMs = 3 * dayMs
const topMax = 20
const reasonsMax = 10
/** So many different agents or scopes are counted; what comes later is left out of the lists. */
const countedMax = 200_000
/** Of `Memory.weight`: some hundred megabytes. */
const weightMax = 2_000_000
const progressMs = 200

/**
 * Runs a trigger over history with the production evaluator, stores nothing and sends nothing. Its own `from_block` and the time when it
 * was switched on do not count: it fires for the range. With `warm_up` its state is built from all history before that.
 *
 * @param db sees the events; `limit` of the matches come back with their evidence.
 * @throws UserError when there is no such history, or the trigger remembers more than a backtest may.
 */
export async function backtest(
  db: Queryable,
  trigger: BacktestTrigger,
  options: {
    range: WantedRange
    limit: number
    render: boolean
    signal: AbortSignal
    onProgress?: ((progress: BacktestProgress) => void) | undefined
  },
): Promise<BacktestResult> {
  const began = performance.now()
  const { limit, signal } = options
  const range = await resolveRange(db, trigger, options.range)
  const compiled = compileTrigger(rowOf(trigger, range))
  const sums = createSums(compiled, range, limit)
  const history = createHistory(db, compiled, {
    lastBlock: range.lastBlock,
    since: trigger.warm_up || range.since === undefined ? new Date(0) : range.since,
    before: range.before,
  })
  let toldAt = began
  let isTooMuch = false
  const { events, memory } = await replay(compiled, history, {
    from: { block_number: trigger.warm_up ? 0 : (range.fromBlock ?? 0), log_index: -1 },
    endClock: range.endClock,
    onDecision: sums.decided,
    onMatch: sums.matched,
    onBatch: ({ events, last, lastTime, weight }) => {
      isTooMuch = weight > weightMax
      const now = performance.now()
      if (now - toldAt >= progressMs) {
        toldAt = now
        options.onProgress?.({
          events,
          matches: sums.result.matches.total,
          block_number: last.block_number,
          share: shareOf(range, lastTime),
        })
      }
      return !signal.aborted && !isTooMuch
    },
  })
  signal.throwIfAborted()
  if (isTooMuch) {
    throw new UserError(
      'The trigger remembers more than a backtest may hold in memory. Try a shorter range, a shorter time_window, or a scope with fewer values.',
    )
  }
  const first: BacktestMatch[] = options.render
    ? await renderMatches(db, trigger, sums.result.first, signal)
    : sums.result.first
  return {
    trigger: { id: trigger.id ?? null, name: trigger.name, version: trigger.version ?? null },
    range: {
      from_block: range.fromBlock ?? null,
      to_block: range.lastBlock,
      from: range.since ?? null,
      to: range.before ?? null,
    },
    ...sums.result,
    events,
    duration_ms: Math.round(performance.now() - began),
    held_back: sums.heldBack(memory),
    ...sums.lists(),
    first,
  }
}

type Range = {
  fromBlock: number | undefined
  since: Date | undefined
  lastBlock: number
  before: Date | undefined
  /** Deadlines before it have passed, ms. */
  endClock: number | undefined
  /** Of the first and the last event, ms: what progress is measured by. */
  startTime: number
  endTime: number
}

async function resolveRange(db: Queryable, trigger: BacktestTrigger, wanted: WantedRange): Promise<Range> {
  const { chain_id: chainId } = trigger
  const end = await readChainEnd(db, chainId)
  if (end === undefined) throw new UserError(`Nothing of chain ${chainId} has been indexed yet.`)
  const lastBlock = Math.min(wanted.toBlock ?? end.last_block_number, end.last_block_number)
  const times = await readBlockTimes(db, chainId, lastBlock)
  const isCut = lastBlock < end.last_block_number
  const reached = (isCut ? times.last : (end.last_block_time ?? times.last))?.getTime()
  const endClock =
    reached === undefined || wanted.to === undefined ? reached : Math.min(reached, wanted.to.getTime())
  const isBounded = wanted.from !== undefined || wanted.fromBlock !== undefined
  const since =
    wanted.from ?? (isBounded || endClock === undefined ? undefined : new Date(endClock - defaultSpanMs))
  const firstTime = times.first?.getTime() ?? 0
  return {
    fromBlock: wanted.fromBlock,
    since,
    lastBlock,
    before: wanted.to,
    endClock,
    startTime: trigger.warm_up ? firstTime : Math.max(firstTime, since?.getTime() ?? 0),
    endTime: endClock ?? firstTime,
  }
}

function shareOf({ startTime, endTime }: Range, time: number): number {
  if (endTime <= startTime) return 1
  return Math.round(1000 * Math.min(1, Math.max(0, (time - startTime) / (endTime - startTime)))) / 1000
}

/** The trigger as if it had been switched on where the range begins. */
function rowOf(trigger: BacktestTrigger, { fromBlock, since }: Range): TriggerRow {
  const { chain_id, registry, warm_up, cooldown, max_fires, conditions } = trigger
  return {
    id: trigger.id ?? 'backtest',
    version: trigger.version ?? 1,
    generation: 1,
    chain_id,
    registry,
    active_since: since ?? new Date(0),
    from_block: since === undefined ? (fromBlock ?? 0) : null,
    warm_up,
    cooldown,
    max_fires,
    conditions: conditions.map((condition, position) => ({ ...condition, position })),
  }
}

function createSums(trigger: CompiledTrigger, range: Range, limit: number) {
  const isHourly = range.endTime - Math.max(range.startTime, range.since?.getTime() ?? 0) <= hourlyMaxMs
  const unitMs = isHourly ? dayMs / 24 : dayMs
  const buckets = new Map<number, number>()
  const agents = new Map<string, number>()
  const scopes = new Map<
    string,
    { position: number; condition_type: string; scope: string; matches: number }
  >()
  const limitScopes = trigger.limits.map(() => new Set<string>())
  const result = {
    candidates: 0,
    matches: { total: 0, event: 0, absence: 0, digest: 0 },
    undecided: { total: 0, first: [] as BacktestResult['undecided']['first'] },
    unknown_files: 0,
    first: [] as BacktestMatch[],
  }
  const countAgent = (id: string) => {
    if (agents.has(id) || agents.size < countedMax) agents.set(id, (agents.get(id) ?? 0) + 1)
  }

  return {
    result,
    decided: (({ event }, decision) => {
      result.candidates += 1
      for (const [index, limit] of trigger.limits.entries()) limitScopes[index]?.add(limit.scopeOf(event))
      if (decision.outcome === 'fired') {
        if (event.agent_id !== null) countAgent(event.agent_id)
      } else if (decision.outcome === 'waiting') {
        result.unknown_files += 1
      } else if (decision.outcome === 'undecided') {
        result.undecided.total += 1
        if (result.undecided.first.length < reasonsMax) {
          result.undecided.first.push({ event_id: event.id, reason: decision.reason })
        }
      }
    }) satisfies NonNullable<Parameters<typeof replay>[2]['onDecision']>,
    matched: ({ kind, occurrence, event_id, block_number, block_time, evidence }: FoldedMatch) => {
      result.matches.total += 1
      result.matches[kind] += 1
      const bucket = block_time - (block_time % unitMs)
      buckets.set(bucket, (buckets.get(bucket) ?? 0) + 1)
      for (const { position, condition_type, scope } of evidence) {
        if (scope === undefined || scope === '') continue
        const key = `${position} ${scope}`
        const known = scopes.get(key)
        if (known !== undefined) known.matches += 1
        else if (scopes.size < countedMax) scopes.set(key, { position, condition_type, scope, matches: 1 })
      }
      if (result.first.length < limit) {
        result.first.push({
          kind,
          occurrence,
          event_id,
          block_number,
          block_time: new Date(block_time),
          evidence,
        })
      }
    },
    /** What the limits remember of it: that counts what the clock brought, too. */
    heldBack: (memory: Memory) => {
      const held = { cooldown: 0, max_fires: 0 }
      for (const [index, { kind }] of trigger.limits.entries()) {
        for (const scope of limitScopes[index] ?? []) {
          held[kind] += Number(memory.get(trigger, ownPositions[kind], scope).state?.held_in_all ?? 0)
        }
      }
      return held
    },
    lists: () => ({
      histogram: {
        unit: isHourly ? ('hour' as const) : ('day' as const),
        buckets: [...buckets]
          .sort(([a], [b]) => a - b)
          .map(([at, matches]) => ({ at: new Date(at).toISOString(), matches })),
      },
      top_agents: [...agents]
        .sort(([, a], [, b]) => b - a)
        .slice(0, topMax)
        .map(([agent_id, matches]) => ({ agent_id, matches })),
      top_scopes: [...scopes.values()].sort((a, b) => b.matches - a.matches).slice(0, topMax),
    }),
  }
}
