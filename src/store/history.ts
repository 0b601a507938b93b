import type { CompiledTrigger, FileVerdict } from '../conditions/compiled-trigger.ts'
import { fileNeedOf, noFile } from '../conditions/file-need.ts'
import type { Queryable } from '../db.ts'
import type { Position, ReplaySource } from '../engine/replay.ts'
import type { RegistryEvent } from '../event.ts'
import { fileKeyOf, readFiles } from './event-files.ts'
import { query } from './query.ts'

const eventsMax = 5_000

/** Files can be large, and all of a batch are in memory at once. */
const eventsWithFilesMax = 200

/** Which part of the history of its chain a trigger is run over. */
export type HistoryRange = {
  lastBlock: number
  /** Not older. */
  since: Date
  /** Older; `undefined`: up to the last block. */
  before?: Date | undefined
  /** Only these agents, beside those of the trigger. */
  agentIds?: readonly string[] | undefined
  /** Only what arrived later than `seq`, or is after that position. */
  own?: (Position & { seq: number }) | undefined
}

const selectHistory = query<RegistryEvent>('manage/read-history', { prepare: false })
const selectChainEnd = query<ChainEnd>('manage/read-chain-end')
const selectEvents = query<RegistryEvent>('deliver/read-events')

export type ChainEnd = { last_block_number: number; last_block_time: Date | null }

const selectBlockTimes = query<{ first: Date | null; last: Date | null }>('manage/read-block-times')

/** The times of the first and the last event of a chain up to a block. */
export async function readBlockTimes(
  db: Queryable,
  chainId: number,
  lastBlock: number,
): Promise<{ first: Date | null; last: Date | null }> {
  const [times] = await selectBlockTimes(db, [chainId, 0, lastBlock])
  return times ?? { first: null, last: null }
}

/** How far a chain is known. `undefined`: nothing of it has been indexed. */
export async function readChainEnd(db: Queryable, chainId: number): Promise<ChainEnd | undefined> {
  const [end] = await selectChainEnd(db, [chainId])
  return end
}

/** What a replay of a trigger reads: batches of canonical events without their arguments, and the verdicts on files that are stored. */
export function createHistory(db: Queryable, trigger: CompiledTrigger, range: HistoryRange): ReplaySource {
  const { agentIds } = trigger
  const agents = range.agentIds?.filter((id) => agentIds === undefined || agentIds.includes(id)) ?? agentIds
  return {
    read: (after) =>
      selectHistory(db, [
        trigger.chain_id,
        after.block_number,
        after.log_index,
        range.lastBlock,
        range.since,
        range.before,
        trigger.registry,
        trigger.eventTypes,
        agents,
        trigger.readsFiles ? eventsWithFilesMax : eventsMax,
        range.own?.block_number,
        range.own?.log_index,
        range.own?.seq,
      ]),
    filesOf: (events) => readVerdicts(db, events),
  }
}

/** What is known of the files that events name. Nothing is fetched. */
export async function readVerdicts(
  db: Queryable,
  events: readonly RegistryEvent[],
): Promise<(event: RegistryEvent) => FileVerdict | undefined> {
  const keyOf = (event: RegistryEvent) => {
    const need = fileNeedOf(event)
    return need && fileKeyOf(need, event.occurrence)
  }
  const keys = new Set(events.map(keyOf).filter((key) => key !== undefined))
  const files = await readFiles(db, [...keys])
  return (event) => {
    const key = keyOf(event)
    if (key === undefined) return noFile
    const known = files.get(key)
    return known === 'waiting' ? undefined : known
  }
}

/** Events with their arguments, by id. */
export async function readWholeEvents(
  db: Queryable,
  events: readonly { id: string; block_time: Date }[],
): Promise<Map<string, RegistryEvent>> {
  if (events.length === 0) return new Map()
  const rows = await selectEvents(db, [
    events.map(({ id }) => id),
    events.map(({ block_time }) => block_time.toISOString()),
  ])
  return new Map(rows.map((row) => [row.id, row]))
}
