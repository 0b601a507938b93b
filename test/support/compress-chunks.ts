import { expect } from 'vitest'
import type { Database } from '../../src/db.ts'
import { readStorage } from '../../src/store/schema.ts'

/** Compresses all chunks of `events` now, as the policy does with what is older than a month. Nothing on native partitions. */
export async function compressChunks(db: Database): Promise<void> {
  const [storage] = await readStorage(db)
  if (storage?.storage !== 'hypertable') return
  await db`select compress_chunk(chunk, if_not_compressed => true) from show_chunks('events') as chunk`
  const chunks = await db`
    select is_compressed from timescaledb_information.chunks where hypertable_name = 'events'`
  expect(chunks.length).toBeGreaterThan(0)
  for (const chunk of chunks) expect(chunk).toEqual({ is_compressed: true })
}
