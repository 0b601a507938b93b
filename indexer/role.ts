import { checkDatabase, openDatabase } from '../src/db.ts'
import { UserError } from '../src/errors.ts'
import { type Common, runRole } from '../src/role.ts'
import { checkRpcs } from './check-rpc.ts'
import { startHeadRelay } from './head-relay.ts'
import { reportProgress } from './report-progress.ts'
import { watchForUnknownLogs } from './scan-unknown-logs.ts'
import { ponderSchemaName } from './schema-name.ts'
import { createScrub } from './scrub.ts'
import { supervisePonder } from './supervise-ponder.ts'
import { watchChains } from './watch-chains.ts'

await runRole('indexer', startIndexer)

/** Chains to events: keeps a Ponder running on the configured chains, whose rows Postgres turns into events. */
async function startIndexer({ config, log, shutdown }: Common): Promise<Record<string, unknown>> {
  const { chains, databaseUrl } = config
  if (chains.length === 0) {
    throw new UserError(
      'No chain to index. Set RPC_URL_<chain id> for each one, for example RPC_URL_8453=https://... for Base, and WS_URL_<chain id> for its WebSocket if it has one.',
    )
  }
  await checkRpcs(chains, { log, signal: shutdown.signal })

  const db = openDatabase(databaseUrl, { name: 'indexer', connectionsMax: 2 })
  shutdown.add(() => db.end({ timeout: 2 }))
  await checkDatabase(db, databaseUrl)

  const schema = await ponderSchemaName(chains)
  const urls = chains.flatMap(({ rpcUrl, wsUrl }) => (wsUrl === undefined ? [rpcUrl] : [rpcUrl, wsUrl]))
  const relay = await startHeadRelay(chains, log)
  shutdown.add(relay.close)
  // Ponder hears of new blocks from the relay, and never sees the WebSocket URLs.
  const environment = Object.fromEntries(
    chains.flatMap(({ id, wsUrl }) => (wsUrl === undefined ? [] : [[`WS_URL_${id}`, relay.urlOf(id)]])),
  )
  const watch = watchChains(chains, { db, schema, log, signal: shutdown.signal })
  reportProgress(db, { log, signal: shutdown.signal })
  await supervisePonder(
    {
      chains,
      db,
      databaseUrl,
      schema,
      headOf: watch.headOf,
      environment,
      scrub: createScrub([databaseUrl, ...urls]),
      log,
      shutdown,
    },
    // Thrown where nobody catches it, so that the role ends as it does for any other failure.
    (error) =>
      queueMicrotask(() => {
        throw error
      }),
  )
  watchForUnknownLogs(chains, { db, log, signal: shutdown.signal })
  return { chains: chains.map((chain) => chain.id), schema }
}
