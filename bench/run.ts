import { parseArgs } from 'node:util'
import { api } from './api.ts'
import { backfill } from './backfill.ts'
import { backtest } from './backtest.ts'
import { deliver } from './deliver.ts'
import { latency } from './latency.ts'
import { match } from './match.ts'
import { pipeline } from './pipeline.ts'
import { query } from './query.ts'

const benches: Record<string, () => Promise<unknown>> = {
  api,
  backfill,
  backtest,
  deliver,
  latency,
  match,
  pipeline,
  query,
}

// npm run bench -- <name> [--json]: one line of JSON, so that two runs can be compared.
const { positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'boolean' } } })
const bench = benches[positionals[0] ?? '']
if (bench === undefined) {
  console.error(
    `Expected one of: ${Object.keys(benches).join(', ')}. For example: npm run bench -- latency --json`,
  )
  process.exit(2)
}
console.log(JSON.stringify(await bench()))
process.exit(0)
