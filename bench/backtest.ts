import { backtest as runBacktest } from '../src/backtest.ts'
import { knownChains } from '../src/chains.ts'
import { loadConfig } from '../src/config.ts'
import { openDatabase } from '../src/db.ts'
import { createScratchDatabase } from '../src/dev/scratch-database.ts'
import { openInstallation } from '../src/installation.ts'
import { applyMigrations } from '../src/migrate.ts'
import { createShutdown, type Shutdown } from '../src/shutdown.ts'
import { parseTriggerDocument } from '../src/trigger-document.ts'
import { fillEvents } from './fill-events.ts'

const events = 1_000_000
const chainId = 8453

/** No filter: every feedback of every agent counts, for two conditions that remember, and a limit. */
const document = {
  name: 'Bench',
  chain_id: chainId,
  registry: 'reputation',
  conditions: [
    { condition_type: 'event_type_equals', value: 'NewFeedback' },
    {
      condition_type: 'ema_threshold',
      field: 'score',
      operator: '<',
      value: 20,
      config: { window_size: 10, min_count: 5 },
    },
    { condition_type: 'distinct_count', field: 'client_address', value: 3, config: { time_window: '7d' } },
  ],
  cooldown: { period: '1h' },
  actions: [{ action_type: 'rest', config: { url: 'https://receiver.example/' } }],
}

/** A backtest of a stateful trigger over a million events of its own type, of one chain, and how long the event loop was held at most. */
export async function backtest(): Promise<unknown> {
  const shutdown = createShutdown()
  try {
    return await measure(shutdown)
  } finally {
    await shutdown.run()
  }
}

async function measure(shutdown: Shutdown): Promise<unknown> {
  const { databaseUrl } = await openInstallation(loadConfig(), shutdown, console.error)
  const { url } = await createScratchDatabase(databaseUrl, 'tocsin_bench', shutdown)
  await applyMigrations(url)
  const db = openDatabase(url, { name: 'bench' })
  shutdown.add(() => db.end())
  await fillEvents(db, events)
  // All of it on one chain and of one type: a million events that the trigger has to take.
  await db`
    update events set chain_id = ${chainId}, registry = 'reputation', event_type = 'NewFeedback',
      score = coalesce(score, round((random() * 100)::numeric, 1)), tag1 = coalesce(tag1, ''), tag2 = coalesce(tag2, ''),
      client_address = coalesce(client_address, '0x' || lpad(to_hex((random() * 200000)::integer), 40, 'c')), log_index = seq`
  await db`truncate event_status`
  await db`update checkpoints set last_block_number = (select max(block_number) from events) where chain_id = ${chainId}`
  await db`vacuum full analyze events`

  const parsed = parseTriggerDocument(document, knownChains)
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems))
  let heldMs = 0
  let turnAt = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    heldMs = Math.max(heldMs, now - turnAt - 10)
    turnAt = now
  }, 10)
  turnAt = performance.now()
  const began = performance.now()
  const result = await runBacktest(db, parsed.ok, {
    range: { fromBlock: 0 },
    limit: 100,
    render: true,
    signal: shutdown.signal,
    onProgress: ({ share, matches }) => console.error(`${Math.round(share * 100)} %: ${matches} matches`),
  })
  const seconds = (performance.now() - began) / 1000
  clearInterval(timer)
  return {
    events: result.events,
    seconds: Math.round(seconds * 100) / 100,
    matches: result.matches.total,
    heldBack: result.held_back.cooldown,
    loopHeldMs: Math.round(heldMs),
    rssMb: Math.round(process.memoryUsage.rss() / 2 ** 20),
  }
}
