import { openLane } from './lane.ts'
import { runSeed, type SeedResult } from './run-seed.ts'

/** Errors of each kind over all seeds, and how much was done. */
export type Summary = {
  seeds: number
  events: number
  forks: number
  kills: number
  lost: number
  duplicated: number
  falseRetractions: number
  stale: number
  wrong: number
  outOfOrder: number
  torn: number
  stuck: number
  databaseRestarts: number
  /** Rows of blocks that have left their chain. */
  retracted: number
  failedSeeds: number[]
}

/**
 * Runs seeds, several at a time: most of their time is waiting for processes to start, and for Ponder, which asks an endpoint no more
 * than 20 times a second. Each has chains and a database of its own, so no seed depends on another.
 */
export async function runSeeds(options: {
  seeds: readonly number[]
  /** How many Postgres servers, and seeds at a time. */
  lanes: number
  /** Instead of servers of our own, which can be ended and started again. */
  serverUrl?: string | undefined
  onResult?: (result: SeedResult) => unknown
  stepsMax?: number | undefined
  trace?: ((line: string) => void) | undefined
}): Promise<Summary> {
  const { seeds, lanes, serverUrl, onResult, stepsMax, trace } = options
  const waiting = [...seeds]
  const results: SeedResult[] = []
  const work = async () => {
    const lane = await openLane(serverUrl)
    try {
      for (let seed = waiting.shift(); seed !== undefined; seed = waiting.shift()) {
        const result = await runSeed(seed, lane, {
          stepsMax,
          trace: trace && ((line) => trace(`seed ${seed}, ${line}`)),
        })
        results.push(result)
        await onResult?.(result)
      }
    } finally {
      await lane.close()
    }
  }
  await Promise.all(Array.from({ length: Math.min(lanes, seeds.length) }, work))
  return summarise(results)
}

/** Whether the store was exact at every look. */
export function hasFailed(result: SeedResult): boolean {
  return result.stuck !== undefined || problemsOf(result).length > 0
}

/** The kinds of problem, with the rows that have them. */
export function problemsOf(result: SeedResult): [kind: string, rows: readonly string[]][] {
  const { lost, duplicated, falseRetractions, stale, wrong, outOfOrder, torn } = result
  const kinds = { lost, duplicated, falseRetractions, stale, wrong, outOfOrder, torn }
  return Object.entries(kinds).filter(([, rows]) => rows.length > 0)
}

function summarise(results: readonly SeedResult[]): Summary {
  const sum = (count: (result: SeedResult) => number) =>
    results.reduce((total, result) => total + count(result), 0)
  return {
    seeds: results.length,
    events: sum(({ events }) => events),
    forks: sum(({ forks }) => forks),
    kills: sum(({ kills }) => kills),
    lost: sum(({ lost }) => lost.length),
    duplicated: sum(({ duplicated }) => duplicated.length),
    falseRetractions: sum(({ falseRetractions }) => falseRetractions.length),
    stale: sum(({ stale }) => stale.length),
    wrong: sum(({ wrong }) => wrong.length),
    outOfOrder: sum(({ outOfOrder }) => outOfOrder.length),
    torn: sum(({ torn }) => torn.length),
    stuck: sum(({ stuck }) => (stuck === undefined ? 0 : 1)),
    databaseRestarts: sum(({ databaseRestarts }) => databaseRestarts),
    retracted: sum(({ rows, events }) => rows - events),
    failedSeeds: results
      .filter(hasFailed)
      .map(({ seed }) => seed)
      .sort((a, b) => a - b),
  }
}
