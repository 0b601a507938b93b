import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { cleanEnvironment } from '../support/run-cli.ts'

/** A few seeds; TOCSIN_ENGINE_SEEDS=200 runs so many. One in twenty has the matcher as processes of its own: the first of these is 20. */
const seeds = Number(process.env.TOCSIN_ENGINE_SEEDS ?? 2)
const timeoutMs = 60_000 + seeds * 20_000

test(
  'whatever forks, dies and is changed meanwhile, the matcher ends where the reference does',
  async () => {
    // A process of its own, as it is used. It fails where anything is not exact, and says what.
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', 'sim/run.ts', '--engine', '--seeds', String(seeds), '--from', '19', '--json'],
      { env: cleanEnvironment(), timeout: timeoutMs },
    )
    const summary = JSON.parse(stdout)
    expect(summary).toMatchObject({ seeds, missing: 0, doubled: 0, wrongState: 0, unretracted: 0 })
    expect(summary.matches).toBeGreaterThan(seeds)
    expect(summary.kills).toBeGreaterThan(seeds)
    expect(summary.retractions).toBeGreaterThan(0)
  },
  timeoutMs + 5_000,
)
