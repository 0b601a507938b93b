import { openLane } from '../lane.ts'
import { type EngineSeedResult, runEngineSeed } from './run-engine-seed.ts'

export type EngineSummary = {
  seeds: number
  missing: number
  doubled: number
  wrongState: number
  unretracted: number
  events: number
  forks: number
  kills: number
  triggers: number
  changes: number
  exact: number
  matches: number
  retractions: number
  failedSeeds: number[]
}

export const engineProblems = ['missing', 'doubled', 'wrongState', 'unretracted'] as const

export function hasEngineFailed(result: EngineSeedResult): boolean {
  return engineProblems.some((kind) => result[kind].length > 0)
}

/** Runs seeds of the engine's simulator, several at a time. */
export async function runEngineSeeds(options: {
  seeds: readonly number[]
  lanes: number
  serverUrl?: string | undefined
  onResult?: (result: EngineSeedResult) => unknown
  trace?: ((line: string) => void) | undefined
}): Promise<EngineSummary> {
  const { seeds, lanes, serverUrl, onResult, trace } = options
  const waiting = [...seeds]
  const results: EngineSeedResult[] = []
  const lane = await openLane(serverUrl)
  const work = async () => {
    for (let seed = waiting.shift(); seed !== undefined; seed = waiting.shift()) {
      const result = await runEngineSeed(seed, lane, {
        ...(trace && { trace: (line: string) => trace(`seed ${seed}, ${line}`) }),
      }).catch((error: unknown) => {
        throw new Error(`Seed ${seed} could not be run`, { cause: error })
      })
      results.push(result)
      await onResult?.(result)
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: Math.min(lanes, seeds.length) }, work))
  await lane.close()
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  const sum = (count: (result: EngineSeedResult) => number) =>
    results.reduce((total, result) => total + count(result), 0)
  return {
    seeds: results.length,
    missing: sum(({ missing }) => missing.length),
    doubled: sum(({ doubled }) => doubled.length),
    wrongState: sum(({ wrongState }) => wrongState.length),
    unretracted: sum(({ unretracted }) => unretracted.length),
    events: sum(({ events }) => events),
    forks: sum(({ forks }) => forks),
    kills: sum(({ kills }) => kills),
    triggers: sum(({ triggers }) => triggers),
    changes: sum(({ changes }) => changes),
    exact: sum(({ exact }) => exact),
    matches: sum(({ matches }) => matches),
    retractions: sum(({ retractions }) => retractions),
    failedSeeds: results
      .filter(hasEngineFailed)
      .map(({ seed }) => seed)
      .sort((a, b) => a - b),
  }
}
