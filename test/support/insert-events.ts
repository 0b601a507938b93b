import type { Database } from '../../src/db.ts'
import type { RegistryEvent } from '../../src/event.ts'

/** Writes events as the ingest would, in the given order of arrival, and moves the checkpoint to `lastBlock`. */
export async function insertEvents(
  db: Database,
  events: readonly RegistryEvent[],
  { chainId, lastBlock, finalizedBlock = 0 }: { chainId: number; lastBlock: number; finalizedBlock?: number },
): Promise<void> {
  await db.begin(async (tx) => {
    for (const { seq: _, ...event } of events) {
      const row = { ...event, topics: [], data: '0x' }
      await tx`insert into events ${tx(row as never)} on conflict do nothing`
    }
    await tx`
      insert into checkpoints (chain_id, last_block_number, finalized_block_number)
      values (${chainId}, ${lastBlock}, ${finalizedBlock})
      on conflict (chain_id) do update set last_block_number = excluded.last_block_number,
        finalized_block_number = excluded.finalized_block_number
    `
    await tx`select pg_notify('new_event', ${String(chainId)})`
  })
}

/** Records that an event left the canonical chain, or came back. */
export async function setEventStatus(
  db: Database,
  event: RegistryEvent,
  status: 'retracted' | 'reinstated',
): Promise<void> {
  const { id, chain_id, block_number, block_time } = event
  await db`
    insert into event_status (event_id, chain_id, block_number, block_time, status, reason)
    values (${id}, ${chain_id}, ${block_number}, ${block_time}, ${status}, 'test')
  `
}
