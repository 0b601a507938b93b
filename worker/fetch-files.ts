import type { Database } from '../src/db.ts'
import { describeError, RetryableError } from '../src/errors.ts'
import type { Log } from '../src/log.ts'
import type { Shutdown } from '../src/shutdown.ts'
import {
  type ClaimedFile,
  claimFiles,
  type FetchedContent,
  fileWantedChannel,
  finishFile,
  giveUpFiles,
  nextDueFile,
  putBackFile,
} from '../src/store/event-files.ts'
import { createWake } from '../src/wake.ts'
import type { FileTools } from './files/fetch-file.ts'
import { failed, readEventFile } from './files/read-event-file.ts'

/** NOTIFY wakes at once; the poll is for a notification that was missed. */
const pollMs = 5_000
/** Other workers fetch from the host of the next file. */
const crowdedMs = 200

export type FetchPace = {
  concurrency: number
  /** From one host at once, over all workers. */
  perHostMax: number
  timeoutMs: number
  /** How long to wait after each failed try but the last. With the tries themselves about a minute. */
  backoffMs: readonly number[]
  /** After so long a file is anybody's again: longer than a try can take. */
  leaseMs: number
}

const pace: FetchPace = {
  concurrency: 16,
  perHostMax: 4,
  timeoutMs: 10_000,
  backoffMs: [2_000, 6_000, 15_000],
  leaseMs: 30_000,
}

type Common = {
  db: Database
  log: Log
  shutdown: Shutdown
  files: FileTools
  workerId: string
  pace?: FetchPace
}

/** Fetches the files that triggers wait for, until shutdown. Several processes share the work. */
export async function runFileFetcher(common: Common): Promise<void> {
  const wake = createWake()
  const { unlisten } = await common.db.listen(fileWantedChannel, wake.wake, wake.wake)
  const done = fetchFiles(common, wake)
  common.shutdown.add(async () => {
    await done
    await unlisten().catch(() => {})
  })
}

async function fetchFiles(common: Common, wake: ReturnType<typeof createWake>): Promise<void> {
  const { db, log, shutdown, workerId } = common
  const { concurrency, perHostMax, backoffMs, leaseMs } = common.pace ?? pace
  const tries = backoffMs.length + 1
  const running = new Set<Promise<void>>()
  while (!shutdown.signal.aborted) {
    try {
      const room = concurrency - running.size
      const claimed =
        room > 0 ? await claimFiles(db, { max: room, perHostMax, tries, workerId, leaseMs }) : []
      for (const file of claimed) {
        const done = fetchOne(common, file).finally(() => {
          running.delete(done)
          // There may be room for another one, of the same host.
          wake.wake()
        })
        running.add(done)
      }
      if (claimed.length > 0) continue
      await giveUpFiles(db, [tries])
      const dueInMs = (await nextDueFile(db))[0]?.due_in_ms ?? pollMs
      // What is due and was not claimed became so this moment, or waits for its host. A fetch that ends wakes, where there is no room.
      const waitMs = room > 0 ? Math.min(Math.max(dueInMs, crowdedMs), pollMs) : pollMs
      await wake.wait(waitMs, shutdown.signal)
    } catch (error) {
      log.error({ error: describeError(error) }, 'could not look for files to fetch; trying again')
      await wake.wait(1_000, shutdown.signal)
    }
  }
  await Promise.all(running)
}

/** One try. Never throws. */
async function fetchOne(
  { db, log, shutdown, files, workerId, pace: own }: Common,
  file: ClaimedFile,
): Promise<void> {
  const { timeoutMs, backoffMs } = own ?? pace
  const { key, uri, attempts } = file
  const finish = async ({ status, error, hash_verdict, content, size_bytes }: FetchedContent) => {
    await finishFile(db, [key, workerId, attempts, status, error, hash_verdict, content, size_bytes])
    log.debug({ file: key, status, ...(error === null ? {} : { error }) }, 'fetched a file')
  }
  try {
    try {
      // Some time for a fetch to end by itself, and say why.
      const signal = AbortSignal.any([shutdown.signal, AbortSignal.timeout(timeoutMs + 2_000)])
      await finish(await readEventFile({ uri, hash: file.expected_hash }, files, { signal, timeoutMs }))
    } catch (error) {
      if (shutdown.signal.aborted) {
        await putBackFile(db, [key, workerId, attempts, 0, null])
        return
      }
      const said = failed(describeError(error))
      const waitMs = backoffMs[attempts - 1]
      if (!(error instanceof RetryableError) || waitMs === undefined) {
        await finish(said)
        return
      }
      const longestMs = Math.max(...backoffMs)
      const dueInMs = Math.min(Math.max(waitMs, error.retryAfterMs ?? 0), longestMs)
      await putBackFile(db, [key, workerId, attempts, dueInMs, said.error])
    }
  } catch (error) {
    // Its lease runs out.
    log.error({ file: key, error: describeError(error) }, 'could not keep what became of a file')
  }
}
