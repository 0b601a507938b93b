import type { Database } from '../../src/db.ts'
import type { Random } from '../../src/dev/random.ts'

const hashVerdicts = ['raw', 'jcs', 'mismatch', 'unavailable']

/** What the fetch queue does: some of the files that are asked for get their verdict. Returns how many. */
export async function answerFiles(db: Database, random: Random, share: number): Promise<number> {
  const waiting = await db<
    { key: string }[]
  >`select key from event_files where status = 'waiting' order by key`
  const answered = waiting.filter(() => random.next() < share)
  for (const { key } of answered) {
    const isFetched = random.next() < 0.7
    const content = random.pick([{ active: true }, { active: false }, { other: 1 }, null])
    await db.begin(async (tx) => {
      await tx`
        update event_files set status = ${isFetched ? 'fetched' : 'failed'}, error = ${isFetched ? null : 'the host did not answer'},
          hash_verdict = ${isFetched ? random.pick(hashVerdicts) : 'unavailable'},
          content = ${isFetched && content !== null ? tx.json(content) : null}, fetched_at = now()
        where key = ${key} and status = 'waiting'`
      await tx`select pg_notify('file_ready', chain::text) from event_files, unnest(chain_ids) as chain where key = ${key}`
    })
  }
  return waiting.length
}
