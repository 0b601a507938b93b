import { setTimeout as delay } from 'node:timers/promises'
import type { Database, Queryable } from './db.ts'
import { describeError } from './errors.ts'
import type { Log } from './log.ts'
import type { Shutdown } from './shutdown.ts'
import {
  applyEventsRetention,
  cleanupActionResults,
  cleanupEventFiles,
  ensurePartitions,
  foldEventCounts,
  forgetAudit,
  forgetIdempotencyKeys,
  forgetOldState,
  keepStream,
  refreshActionMetrics,
  takeTurn,
} from './store/maintenance.ts'

/** For how many days events (`undefined`: for ever), results, what streams resume from, and the audit log (0: for ever) are kept. */
export type Retention = {
  eventDays: number | undefined
  resultDays: number
  streamDays?: number | undefined
  auditDays?: number | undefined
}

/** How much was done; `more` when a bounded step left something to do. */
type Step = { done: number; more?: boolean }

type Task = {
  /** What a step counts: its name in the log. */
  counts: string
  everyMs: number
  run(tx: Queryable): Promise<Step>
}

const minuteMs = 60_000

/** Small enough that a batch holds its locks for well under a second. */
const resultsMax = 10_000

/** The verdict on a file is needed again while the event that named it can still be replaced: hours, at most. */
const fileDays = 30
/** Each may be a quarter of a megabyte. */
const filesMax = 1_000

/**
 * Looks after the database until shutdown: partitions, retention, hourly views. Each step is one transaction under an advisory lock, so
 * it may run in several processes; a step whose turn it is not, or that fails, waits for its next time.
 */
export function runMaintenance(common: {
  db: Database
  log: Log
  shutdown: Shutdown
  retention: Retention
}): void {
  const done = maintain(common)
  common.shutdown.add(() => done)
}

/** Every task once, in order, however many steps it takes. */
export async function maintainOnce(db: Database, retention: Retention): Promise<void> {
  for (const task of listTasks(retention)) {
    while ((await runStep(db, task)).more === true) {}
  }
}

async function maintain({
  db,
  log,
  shutdown,
  retention,
}: Parameters<typeof runMaintenance>[0]): Promise<void> {
  const { signal } = shutdown
  const tasks = listTasks(retention).map((task) => ({ ...task, dueAt: 0 }))
  while (!signal.aborted) {
    for (const task of tasks) {
      if (signal.aborted || task.dueAt > Date.now()) continue
      task.dueAt = Date.now() + task.everyMs
      try {
        for (let more = true; more && !signal.aborted; ) {
          const step = await runStep(db, task)
          more = step.more === true
          if (step.done > 0) log.debug({ [task.counts]: step.done }, 'maintained')
        }
      } catch (error) {
        log.warn({ task: task.counts, error: describeError(error) }, 'could not maintain; tried again later')
      }
    }
    const nextAt = Math.min(...tasks.map(({ dueAt }) => dueAt))
    await delay(Math.max(nextAt - Date.now(), 0), undefined, { signal }).catch(() => {})
  }
}

function runStep(db: Database, task: Task): Promise<Step> {
  return db.begin(async (tx): Promise<Step> => {
    const [turn] = await takeTurn(tx)
    return turn?.mine === true ? task.run(tx) : { done: 0 }
  }) as Promise<Step>
}

function listTasks({ eventDays, resultDays, streamDays = 3, auditDays = 0 }: Retention): Task[] {
  return [
    {
      counts: 'partitions_made',
      everyMs: 60 * minuteMs,
      run: async (tx) => ({ done: (await ensurePartitions(tx, [eventDays]))[0]?.made ?? 0 }),
    },
    {
      counts: 'partitions_dropped',
      everyMs: 60 * minuteMs,
      run: async (tx) => ({ done: (await applyEventsRetention(tx, [eventDays]))[0]?.dropped.length ?? 0 }),
    },
    {
      counts: 'event_counts_folded',
      everyMs: minuteMs,
      run: async (tx) => ({ done: (await foldEventCounts(tx))[0]?.folded ?? 0 }),
    },
    {
      counts: 'action_hours_computed',
      // At a thousand attempts a second an hour has millions of them to sort: not every minute.
      everyMs: 5 * minuteMs,
      run: async (tx) => ({ done: (await refreshActionMetrics(tx))[0]?.hours ?? 0 }),
    },
    {
      counts: 'action_results_deleted',
      everyMs: 60 * minuteMs,
      run: async (tx) => {
        const deleted = (await cleanupActionResults(tx, [resultDays, resultsMax]))[0]?.deleted ?? 0
        return { done: deleted, more: deleted === resultsMax }
      },
    },
    {
      counts: 'states_forgotten',
      everyMs: 60 * minuteMs,
      run: async (tx) => {
        const [forgotten] = await forgetOldState(tx, [resultsMax, resultDays])
        return { done: forgotten?.deleted ?? 0, more: forgotten?.more === true }
      },
    },
    {
      counts: 'idempotency_keys_forgotten',
      everyMs: 60 * minuteMs,
      run: async (tx) => {
        const deleted = (await forgetIdempotencyKeys(tx, [resultsMax]))[0]?.deleted ?? 0
        return { done: deleted, more: deleted === resultsMax }
      },
    },
    {
      counts: 'event_files_deleted',
      everyMs: 60 * minuteMs,
      run: async (tx) => {
        const deleted = (await cleanupEventFiles(tx, [fileDays, filesMax]))[0]?.deleted ?? 0
        return { done: deleted, more: deleted === filesMax }
      },
    },
    {
      counts: 'stream_changes_deleted',
      everyMs: 5 * minuteMs,
      run: async (tx) => {
        const deleted = (await keepStream(tx, [streamDays, resultsMax]))[0]?.deleted ?? 0
        return { done: deleted, more: deleted === resultsMax }
      },
    },
    {
      counts: 'audit_rows_forgotten',
      everyMs: 60 * minuteMs,
      run: async (tx) => {
        const deleted = (await forgetAudit(tx, [auditDays, resultsMax]))[0]?.deleted ?? 0
        return { done: deleted, more: deleted === resultsMax }
      },
    },
  ]
}
