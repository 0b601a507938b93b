import type { RegistryEventRow } from '../indexer/decode.ts'
import type { Database, Queryable } from '../src/db.ts'
import { contentOf } from './expected-rows.ts'
import type { StoredRow } from './judge.ts'

type EventRow = RegistryEventRow & {
  seq: number
  occurrence: string
  canonical: boolean
}

/** Every row of `events`, and whether events_canonical shows it, in one snapshot. */
export async function readStoredRows(db: Database): Promise<StoredRow[]> {
  const rows = await db<EventRow[]>`
    select e.*, extract(epoch from e.block_time)::bigint as block_timestamp, c.id is not null as canonical
    from events e
    left join events_canonical c on c.id = e.id and c.block_time = e.block_time
    order by e.seq`
  return rows.map(({ seq, occurrence, canonical, ...row }) => {
    const { block_time, created_at, ...columns } = row as typeof row &
      Record<'block_time' | 'created_at', Date>
    return {
      id: row.id,
      chainId: row.chain_id,
      blockHash: row.block_hash,
      logIndex: row.log_index,
      content: contentOf(columns),
      ...{ seq, occurrence, canonical },
    }
  })
}

export type Checkpoint = { chain_id: number; last_block_number: number; last_block_hash: string | null }

/** How far the chains are indexed. */
export function readCheckpoints(db: Queryable): Promise<Checkpoint[]> {
  return db<
    Checkpoint[]
  >`select chain_id, last_block_number, last_block_hash from checkpoints order by chain_id`
}

/** What is called complete, and the canonical events up to there, in one snapshot. */
export async function readComplete(
  db: Database,
): Promise<{ checkpoint: Checkpoint; events: { block_hash: string; log_index: number }[] }[]> {
  return db.begin('isolation level repeatable read read only', async (tx) => {
    const checkpoints = await readCheckpoints(tx)
    return Promise.all(
      checkpoints.map(async (checkpoint) => ({
        checkpoint,
        events: await tx<{ block_hash: string; log_index: number }[]>`
          select block_hash, log_index
          from events_canonical
          where chain_id = ${checkpoint.chain_id} and block_number <= ${checkpoint.last_block_number}
          order by block_number, log_index`,
      })),
    )
  })
}

/** Rows that a reader finds who looks for what lies above the highest `seq` it knows. */
export function readAfter(db: Database, seq: number): Promise<{ id: string; seq: number }[]> {
  return db<{ id: string; seq: number }[]>`select id, seq from events where seq > ${seq} order by seq`
}
