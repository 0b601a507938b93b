import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { cleanEnvironment } from '../support/run-cli.ts'

/** The first steps of a few seeds; TOCSIN_SIM_SEEDS=200 runs so many, whole. */
const given = process.env.TOCSIN_SIM_SEEDS
const seeds = Number(given ?? 2)
// Under a minute on a quiet machine.
const timeoutMs = 400_000 + (given === undefined ? 0 : seeds * 120_000)

test(
  'random chains, forks, kills and faults leave exactly the rows that eth_getLogs has',
  async () => {
    const size = given === undefined ? ['--steps', '5', '--lanes', '3'] : []
    // A process of its own, as it is used. It fails where anything is not exact, and says what.
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', 'sim/run.ts', '--seeds', String(seeds), ...size, '--json'],
      { env: cleanEnvironment(), timeout: timeoutMs },
    )
    const summary = JSON.parse(stdout)
    expect(summary).toMatchObject({ seeds, lost: 0, duplicated: 0, falseRetractions: 0, failedSeeds: [] })
    expect(summary.events).toBeGreaterThan(seeds * 10)
    expect(summary.forks + summary.kills).toBeGreaterThan(0)
  },
  timeoutMs + 5_000,
)
