import { writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { EngineSeedResult } from './engine/run-engine-seed.ts'
import { engineProblems, hasEngineFailed, runEngineSeeds } from './engine/run-engine-seeds.ts'
import type { SeedResult } from './run-seed.ts'
import { hasFailed, problemsOf, runSeeds } from './run-seeds.ts'

const usage = `npm run sim -- [--engine] [--seeds <count>] [--from <seed>] [--seed <seed>] [--repeat <count>] [--lanes <count>] [--steps <count>] [--server <url>] [--trace] [--json]`

const { values } = parseArgs({
  options: {
    /** The trigger engine instead of the event store. */
    engine: { type: 'boolean', default: false },
    seeds: { type: 'string', default: '20' },
    from: { type: 'string', default: '1' },
    /** Only this one. */
    seed: { type: 'string' },
    repeat: { type: 'string', default: '1' },
    lanes: { type: 'string', default: String(2 * availableParallelism()) },
    /** Only so many steps of each seed: quicker, for CI. */
    steps: { type: 'string', default: '1000' },
    /** Another Postgres than the embedded one; it is not restarted then. */
    server: { type: 'string' },
    /** Tells of each step. */
    trace: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const numbers = [
  values.seeds,
  values.from,
  values.seed ?? '1',
  values.repeat,
  values.lanes,
  values.steps,
].map(Number)
if (numbers.some((number) => !Number.isSafeInteger(number) || number < 1)) {
  console.error(`Expected whole numbers from 1. ${usage}`)
  process.exit(2)
}
const [count = 0, from = 0, , repeat = 0, lanes = 0, stepsMax] = numbers
const once =
  values.seed === undefined
    ? Array.from({ length: count }, (_, index) => from + index)
    : [Number(values.seed)]
const seeds = Array.from({ length: repeat }, () => once).flat()

let done = 0
const startedAtMs = Date.now()

async function report(result: SeedResult): Promise<void> {
  done += 1
  const { seed, events, rows, forks, kills, tookMs, stuck } = result
  const verdict = hasFailed(result) ? 'FAILED' : 'exact'
  console.error(
    `${done}/${seeds.length} seed ${seed}: ${verdict}, ${events} events and ${rows - events} retracted, ${forks} forks, ${kills} kills, ${Math.round(tookMs / 1000)} s`,
  )
  if (!hasFailed(result)) return
  if (stuck !== undefined) console.error(`  stuck: ${stuck}`)
  for (const [kind, rows] of problemsOf(result)) {
    console.error(`  ${kind} (${rows.length}):`)
    for (const row of rows.slice(0, 5)) console.error(`    ${row.slice(0, 2000)}`)
  }
  const file = join(tmpdir(), `tocsin-sim-seed-${seed}.log`)
  await writeFile(file, result.output)
  console.error(`  What the indexer logged is in ${file}. Again: npm run sim -- --seed ${seed}`)
}

function reportEngine(result: EngineSeedResult): void {
  done += 1
  const { seed, events, forks, kills, matches, retractions, tookMs } = result
  console.error(
    `${done}/${seeds.length} seed ${seed}: ${hasEngineFailed(result) ? 'FAILED' : 'exact'}, ${events} events, ${forks} forks, ${kills} kills, ${matches} matches, ${retractions} retractions, ${(tookMs / 1000).toFixed(1)} s`,
  )
  for (const kind of engineProblems.filter((name) => result[name].length > 0)) {
    console.error(`  ${kind} (${result[kind].length}):`)
    for (const line of result[kind].slice(0, 5)) console.error(`    ${line.slice(0, 2000)}`)
  }
}

const common = { seeds, lanes, serverUrl: values.server, trace: values.trace ? console.error : undefined }
const summary = values.engine
  ? await runEngineSeeds({ ...common, onResult: reportEngine })
  : await runSeeds({ ...common, stepsMax, onResult: report })
if (values.json) {
  console.log(JSON.stringify(summary))
} else {
  console.log(
    Object.entries(summary)
      .map(([name, value]) => `${name.padEnd(18)}${Array.isArray(value) ? value.join(' ') || 'none' : value}`)
      .join('\n'),
  )
  console.log(`${Math.round((Date.now() - startedAtMs) / 1000)} s`)
}
process.exit(summary.failedSeeds.length > 0 ? 1 : 0)
