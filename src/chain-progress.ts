import { knownChains } from './chains.ts'
import type { ChainProgressRow } from './store/chains.ts'

export const chainStates = ['backfilling', 'live', 'stuck', 'silent'] as const

/**
 * backfilling: history is being read. live: new blocks are followed. stuck: blocks come and we do not get further. silent: there is no word
 * of the chain, since its endpoint does not answer or no indexer looks at it.
 */
export type ChainState = (typeof chainStates)[number]

/** How far a chain has been indexed. Null: not known. */
export type ChainProgress = {
  chain_id: number
  name: string
  state: ChainState
  start_block: number | null
  head_block: number | null
  head_time: Date | null
  last_block: number | null
  finalized_block: number | null
  matched_block: number | null
  /** How much has been read of the blocks from the start to the head, to hundredths; 100 only when there is none left. */
  percent: number | null
  blocks_per_second: number | null
  /** While it is backfilling, at the speed of the last minute. */
  seconds_left: number | null
  lag_blocks: number | null
  /** By the times of the blocks. */
  lag_seconds: number | null
  /** The kinds of its open alerts. */
  alerts: string[]
}

/** The indexer looks every five seconds, and gives an endpoint four of them to answer. */
const silentMs = 30_000

/** What the rows say of a chain, in numbers that people ask for. */
export function describeProgress(row: ChainProgressRow): ChainProgress {
  const { chain_id, start_block, head_block, head_time, last_block, last_block_time, finalized_block } = row
  // An endpoint can be behind the one that Ponder has just asked.
  const behind = (block: number | null) =>
    head_block === null || block === null ? null : Math.max(head_block - block, 0)
  const lag = behind(last_block)
  const state = stateOf(row, lag)
  // Known history can be read again, for a new schema of Ponder's: then it is that which people wait for.
  const read = state === 'backfilling' ? (row.read_block ?? last_block) : last_block
  const left = behind(read)
  const speed = row.blocks_per_second
  return {
    chain_id,
    name: nameOf(chain_id),
    state,
    start_block,
    head_block,
    head_time,
    last_block,
    finalized_block,
    matched_block: row.matched_block,
    percent: percentOf(start_block, head_block, read),
    blocks_per_second: speed === null ? null : Math.round(speed * 10) / 10,
    seconds_left: state === 'backfilling' && left !== null && speed ? Math.ceil(left / speed) : null,
    lag_blocks: lag,
    lag_seconds:
      lag === 0
        ? 0
        : head_time === null || last_block_time === null
          ? null
          : Math.max(Math.round((head_time.getTime() - last_block_time.getTime()) / 1000), 0),
    alerts: row.alerts,
  }
}

function stateOf(
  { alerts, answered_at, last_block, finalized_block, now }: ChainProgressRow,
  lag: number | null,
) {
  if (answered_at === null || now.getTime() - answered_at.getTime() > silentMs) return 'silent'
  if (alerts.includes('chain_stuck')) return 'stuck'
  // While Ponder reads history, the last block that it names is the one that it calls final; from then on there are newer ones.
  return last_block === null || (last_block === finalized_block && lag !== 0) ? 'backfilling' : 'live'
}

function percentOf(start: number | null, head: number | null, read: number | null): number | null {
  if (start === null || head === null) return null
  if (read === null || read < start) return 0
  if (read >= head) return 100
  return Math.min(Math.floor(((read - start + 1) / (head - start + 1)) * 10_000) / 100, 99.99)
}

function nameOf(chainId: number): string {
  return knownChains.find(({ id }) => id === chainId)?.name ?? String(chainId)
}

/** One chain in a few words: `base 43.2 %, 1,234 blocks/s, 2 min left`. */
export function describeChain(progress: ChainProgress): string {
  const { name, state, percent, blocks_per_second: speed, seconds_left, last_block, lag_blocks } = progress
  if (state !== 'backfilling') {
    const behind = lag_blocks ? `, ${count(lag_blocks)} blocks behind` : ''
    return `${name} ${state} at block ${last_block ?? '–'}${behind}`
  }
  return [
    `${name} ${(percent ?? 0).toFixed(1)} %`,
    ...(speed === null ? [] : [`${count(speed)} blocks/s`]),
    ...(seconds_left === null ? [] : [`${describeDuration(seconds_left)} left`]),
  ].join(', ')
}

/** The two largest units, of which people speak. */
export function describeDuration(seconds: number): string {
  if (seconds < 90) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 90) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}

function count(value: number): string {
  return (value < 10 ? value : Math.round(value)).toLocaleString('en')
}
