import { RateLimiterMemory, RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible'
import type { Database } from '../db.ts'
import { describeError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Rate } from '../parse-rate.ts'

export type Usage = { isAllowed: boolean; remaining: number; resetSeconds: number }
export type RateCounter = { name: string; rate: Rate; take(who: string): Promise<Usage> }

/** For so long other processes do not hear of what this one has let through: a write for each request would halve the speed of reads. */
const settleAfterMs = 250

/** What this process knows of one caller's window. */
type Count = { used: number; unsettled: number; resetAtMs: number; timer?: NodeJS.Timeout | undefined }

/**
 * Counts requests in windows that begin with a caller's first one, for all processes together. `isExact` asks the database before each; otherwise
 * each process counts for itself, and adds what it has counted to the database's sum 250 ms later. While the database cannot be asked,
 * each process goes on with what it knows.
 */
export function createRateCounter(
  db: Database,
  log: Log,
  options: { name: string; rate: Rate; isExact: boolean; onFailure: () => void },
): RateCounter {
  const { name, rate, isExact, onFailure } = options
  const window = { keyPrefix: name, points: rate.count, duration: rate.windowSeconds }
  const own = new RateLimiterMemory(window)
  const shared = new RateLimiterPostgres({
    ...window,
    storeType: 'client',
    storeClient: { query: (asked: { text: string; values?: never[] }) => ask(db, asked) },
    tableName: 'rate_limits',
    tableCreated: true,
  })
  let toldAtMs = 0
  const fail = (error: unknown) => {
    onFailure()
    if (Date.now() - toldAtMs < 60_000) return
    toldAtMs = Date.now()
    log.warn(
      { error: describeError(error), limit: name },
      'rate limits cannot be shared: this process counts for itself',
    )
  }
  const usage = (used: number, resetAtMs: number): Usage => ({
    isAllowed: used <= rate.count,
    remaining: Math.max(0, rate.count - used),
    resetSeconds: Math.max(0, Math.ceil((resetAtMs - Date.now()) / 1000)),
  })

  const takeExactly = async (who: string): Promise<Usage> => {
    const result = await consume(shared, who, 1).catch((error) => {
      fail(error)
      return consume(own, who, 1)
    })
    return usage(result.consumedPoints, Date.now() + result.msBeforeNext)
  }

  const counts = new Map<string, Count>()
  const settle = async (who: string, count: Count) => {
    const added = count.unsettled
    try {
      const result = await consume(shared, who, added)
      count.unsettled -= added
      count.used = result.consumedPoints
      count.resetAtMs = Date.now() + result.msBeforeNext
    } catch (error) {
      count.unsettled -= added
      count.used += added
      fail(error)
    }
    count.timer = undefined
    if (count.unsettled > 0) settleLater(who, count)
  }
  const settleLater = (who: string, count: Count) => {
    count.timer ??= setTimeout(() => void settle(who, count), settleAfterMs).unref()
  }
  const forgetOld = () => {
    for (const [who, { resetAtMs, timer }] of counts) {
      if (timer === undefined && resetAtMs <= Date.now()) counts.delete(who)
    }
  }
  setInterval(forgetOld, 30_000).unref()

  const take = (who: string): Usage => {
    let count = counts.get(who)
    if (count === undefined || (count.resetAtMs <= Date.now() && count.timer === undefined)) {
      count = { used: 0, unsettled: 0, resetAtMs: Date.now() + rate.windowSeconds * 1000 }
      counts.set(who, count)
    }
    const used = count.used + count.unsettled + 1
    if (used > rate.count) return usage(used, count.resetAtMs)
    count.unsettled += 1
    settleLater(who, count)
    return usage(used, count.resetAtMs)
  }
  return { name, rate, take: isExact ? takeExactly : async (who) => take(who) }
}

/** Too many is an answer as well, not an error. */
async function consume(
  limiter: RateLimiterMemory | RateLimiterPostgres,
  who: string,
  points: number,
): Promise<RateLimiterRes> {
  return limiter.consume(who, points).catch((result: unknown) => {
    if (result instanceof RateLimiterRes) return result
    throw result
  })
}

async function ask(db: Database, { text, values }: { text: string; values?: never[] }) {
  const rows = await db.unsafe(text, values ?? [], { prepare: true })
  return { rows: [...rows], rowCount: rows.count }
}
