import { randomBytes } from 'node:crypto'
import { createPublicClient, http, webSocket } from 'viem'
import { describeChain, describeProgress } from '../chain-progress.ts'
import { type Config, type ConfiguredChain, loadConfig } from '../config.ts'
import { type Database, openDatabase } from '../db.ts'
import { describeError, UserError } from '../errors.ts'
import { openInstallation } from '../installation.ts'
import { createLog } from '../log.ts'
import { readMigrationStatus, verifySchema } from '../migrate.ts'
import { openQueue } from '../queue.ts'
import { createSecretBox } from '../secret-box.ts'
import { readSecretKeys, type SecretKeys } from '../secret-keys.ts'
import { readChainAlerts, readChainProgress } from '../store/chains.ts'
import { readServer, readStorage } from '../store/schema.ts'
import { checkSecrets } from '../store/sealed-places.ts'
import { readStreamLag } from '../store/stream.ts'
import { countUnknownLogs } from '../store/unknown-logs.ts'
import { within } from '../within.ts'
import { runUntilStopped } from './run-until-stopped.ts'

/** One thing looked at: how it is, and what to do where it is not well. */
export type Finding = { check: string; level: 'ok' | 'warning' | 'problem'; found: string; advice?: string }

const answerMaxMs = 10_000

/** Our own transactions last at most seconds. */
const streamLagMaxS = 30

/** `tocsin doctor`: exit code 0 when nothing is wrong (warnings included), 1 when something is. */
export function runDoctor(options: { json?: boolean }): Promise<void> {
  return runUntilStopped(async (shutdown) => {
    const findings: Finding[] = []
    const report = (...found: Finding[]) => {
      findings.push(...found)
      if (!options.json) for (const finding of found) process.stdout.write(`${readable(finding)}\n`)
    }
    report(checkNode(process.versions.node))

    let config: Config | undefined
    try {
      config = loadConfig()
      report({ check: 'configuration', level: 'ok', found: 'every variable is understood' })
      report(...describeOutbound(config.outbound))
    } catch (error) {
      report({
        check: 'configuration',
        level: 'problem',
        found: describeError(error),
        advice: 'Correct the variables; .env.example explains each.',
      })
    }

    if (config !== undefined) {
      try {
        const { databaseUrl, embedded } = await openInstallation(config, shutdown, () => {})
        const db = openDatabase(databaseUrl, { name: 'doctor', connectionsMax: 2 })
        shutdown.add(() => db.end())
        report(...(await checkDatabaseServer(db, embedded)))
        const schema = await checkSchema(db)
        report(schema)
        if (schema.level === 'ok')
          report(...(await checkUnknownLogs(db)), ...(await checkProgress(db)), await checkStream(db))
        report(...(await checkStoredSecrets(db, config)))
        report(await checkQueue({ databaseUrl, redisUrl: config.redisUrl }))
      } catch (error) {
        if (!(error instanceof UserError)) throw error
        report({
          check: 'database',
          level: 'problem',
          found: error.message,
          advice: 'Everything else needs the database; mend this first.',
        })
      }
      report(...(await checkChains(config.chains)))
    }

    if (options.json) process.stdout.write(`${JSON.stringify(findings)}\n`)
    if (findings.some(({ level }) => level === 'problem')) process.exitCode = 1
  })
}

function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 20 || (major === 20 && minor >= 19)
    ? { check: 'node', level: 'ok', found: `Node ${version}` }
    : { check: 'node', level: 'problem', found: `Node ${version}`, advice: 'Install Node 20.19 or newer.' }
}

/** Says what differs from the default, under which only the public internet is called. */
function describeOutbound({ allow, deny }: Config['outbound']): Finding[] {
  const list = (ranges: Config['outbound']['allow']) => ranges.map(({ text }) => text).join(', ')
  const parts = [
    ...(allow.length === 0 ? [] : [`called beside the public internet: ${list(allow)}`]),
    ...(deny.length === 0 ? [] : [`never called: ${list(deny)}`]),
  ]
  return parts.length === 0 ? [] : [{ check: 'outbound', level: 'ok', found: parts.join('; ') }]
}

async function checkDatabaseServer(db: Database, embedded: boolean): Promise<Finding[]> {
  const [server] = await readServer(db)
  const [storage] = await readStorage(db)
  const extension: Finding =
    storage?.storage === 'hypertable' || (storage === undefined && server?.timescaledb_available === true)
      ? { check: 'timescaledb', level: 'ok', found: 'events are kept in a hypertable' }
      : server?.timescaledb_available === true
        ? {
            check: 'timescaledb',
            level: 'warning',
            found: 'available, but the events of this database are kept in native partitions',
            advice: 'Nothing has to be done. To use hypertables, set up a new database and index again.',
          }
        : { check: 'timescaledb', level: 'ok', found: 'not available: events are kept in native partitions' }
  return [
    { check: 'database', level: 'ok', found: `Postgres ${server?.version}${embedded ? ' (embedded)' : ''}` },
    extension,
  ]
}

async function checkSchema(db: Database): Promise<Finding> {
  const missing = (await readMigrationStatus(db)).filter(({ applied_at }) => applied_at === null)
  if (missing.length > 0) {
    return {
      check: 'schema',
      level: 'warning',
      found: `${missing.length} migrations are not applied yet`,
      advice: 'Run "tocsin migrate apply"; "tocsin start" does it too.',
    }
  }
  const differences = await verifySchema(db)
  return differences.length === 0
    ? { check: 'schema', level: 'ok', found: 'what it should be' }
    : {
        check: 'schema',
        level: 'problem',
        found: `${differences.length} differences: ${differences.map(({ object }) => object).join(', ')}`,
        advice: 'Run "tocsin migrate verify" to see each; undo the change, or restore the database.',
      }
}

/** Logs that are kept raw: no decoder of this version understands them. */
async function checkUnknownLogs(db: Database): Promise<Finding[]> {
  const check = 'unknown logs'
  const counts = await countUnknownLogs(db)
  if (counts.length === 0) return [{ check, level: 'ok', found: 'every log of the registries is understood' }]
  return counts.map(({ chain_id, contract_address, logs, newest_block, topics }) => ({
    check,
    level: 'warning',
    found: `${logs} of ${contract_address} on chain ${chain_id}, the newest in block ${newest_block}; topics ${topics.join(', ')}`,
    advice: 'They are kept in unknown_logs and fire nothing. A newer version of Tocsin may understand them.',
  }))
}

/** How far each chain has been indexed, and what is wrong with that. */
async function checkProgress(db: Database): Promise<Finding[]> {
  const alerts = (await readChainAlerts(db)).map(
    ({ kind, chain_id, message, created_at }): Finding => ({
      check: `chain ${chain_id}`,
      level: 'problem',
      found: `${message} (since ${created_at.toISOString()})`,
      advice:
        kind === 'deep_reorg'
          ? 'Decide what to do with the events of the lost blocks: docs/indexer.md, "Alerts".'
          : 'It resolves by itself when the chain is indexed again.',
    }),
  )
  const progress = (await readChainProgress(db)).map(describeProgress).map(
    (chain): Finding => ({
      check: `progress of chain ${chain.chain_id}`,
      level: chain.state === 'silent' ? 'warning' : 'ok',
      found: describeChain(chain),
      ...(chain.state === 'silent'
        ? {
            advice: 'No indexer looks at it, or its endpoint does not answer. Start one with "tocsin start".',
          }
        : {}),
    }),
  )
  return [...alerts, ...progress]
}

/** A transaction that is left open holds back what GET /v1/stream tells. */
async function checkStream(db: Database): Promise<Finding> {
  const check = 'stream'
  const { seconds = 0, held_by = null } = (await readStreamLag(db))[0] ?? {}
  return seconds < streamLagMaxS
    ? { check, level: 'ok', found: 'nothing holds it back' }
    : {
        check,
        level: 'warning',
        found: `held back for ${Math.round(seconds)} s by a transaction that is open: ${held_by ?? 'of another user of the server'}`,
        advice:
          'Nothing is lost, it comes when that one ends. End it, and set idle_in_transaction_session_timeout (docs/stream.md).',
      }
}

/** Opens every secret that is stored, and says nothing of what is in them. */
async function checkStoredSecrets(db: Database, config: Config): Promise<Finding[]> {
  const check = 'secrets'
  const keys = await readSecretKeys(config)
  // Without keys nothing opens, and what is stored says which key is missing.
  const tried: SecretKeys = keys ?? [{ id: 'none', key: randomBytes(32) }]
  const reports = await checkSecrets(db, createSecretBox(tried), tried[0].id)
  const count = (kind: 'current' | 'older' | 'plain') =>
    reports.reduce((total, report) => total + report[kind], 0)
  const failures = reports.flatMap(({ place, failed }) =>
    failed.map(
      ({ reason, count }): Finding => ({
        check,
        level: 'problem',
        found: `${count} stored ${place} cannot be opened. ${reason}`,
        advice: 'What depends on them fails until they can. If the key is lost, they have to be set again.',
      }),
    ),
  )
  if (failures.length > 0) return failures
  const stored = count('current') + count('older') + count('plain')
  const behind = count('older') + count('plain')
  if (keys === undefined && stored === 0) {
    return [{ check, level: 'ok', found: 'none stored; the key is made at the first start' }]
  }
  return behind === 0
    ? [{ check, level: 'ok', found: `${stored} stored, all can be opened` }]
    : [
        {
          check,
          level: 'warning',
          found: `${stored} stored, all can be opened; ${count('older')} are encrypted with an older key, and ${count('plain')} not at all`,
          advice: 'Run "tocsin secrets rotate".',
        },
      ]
}

async function checkQueue(settings: { databaseUrl: string; redisUrl: string | undefined }): Promise<Finding> {
  try {
    const queue = await openQueue(settings, createLog({ level: 'silent', format: 'json' }, 'doctor'))
    const depth = await queue.depth()
    await queue.close()
    return {
      check: 'queue',
      level: 'ok',
      found: `BullMQ on ${queue.backend === 'redis' ? 'Redis' : 'Postgres'}, ${depth} jobs`,
    }
  } catch (error) {
    return {
      check: 'queue',
      level: 'problem',
      found: describeError(error),
      advice:
        settings.redisUrl === undefined
          ? 'The database user must be allowed to create the schema "bullmq".'
          : 'Start Redis, correct REDIS_URL, or unset it to queue in Postgres.',
    }
  }
}

async function checkChains(chains: readonly ConfiguredChain[]): Promise<Finding[]> {
  if (chains.length === 0) {
    return [
      {
        check: 'chains',
        level: 'warning',
        found: 'none is configured',
        advice: 'Set RPC_URL_<chain id> (and better also WS_URL_<chain id>) for each chain to index.',
      },
    ]
  }
  return (await Promise.all(chains.map(checkChain))).flat()
}

async function checkChain(chain: ConfiguredChain): Promise<Finding[]> {
  const check = `chain ${chain.id} (${chain.name})`
  const variable = `RPC_URL_${chain.id}`
  // Only the host: the rest of the URL often holds a key.
  const { host } = new URL(chain.rpcUrl)
  const client = createPublicClient({
    transport: http(chain.rpcUrl, { timeout: answerMaxMs, retryCount: 0 }),
  })
  const findings: Finding[] = []
  try {
    const id = await client.getChainId()
    if (id !== chain.id) {
      return [{ check, level: 'problem', found: `${host} is chain ${id}`, advice: `Correct ${variable}.` }]
    }
    const head = await client.getBlockNumber()
    const codes = await Promise.all(
      Object.entries(chain.registries).map(async ([registry, address]) => ({
        registry,
        code: await client.getCode({ address }),
      })),
    )
    const absent = codes.filter(({ code }) => code === undefined).map(({ registry }) => registry)
    findings.push(
      absent.length === codes.length
        ? {
            check,
            level: 'problem',
            found: `no registry is deployed there (head ${head})`,
            advice: 'Check that this is the right chain.',
          }
        : {
            check,
            level: 'ok',
            found: `head ${head}${absent.length > 0 ? `, without the ${absent.join(' and ')} registry` : ''}`,
          },
    )
  } catch (error) {
    const reason =
      (error as { shortMessage?: string }).shortMessage ?? (error as Error).message.split('\n')[0]
    return [
      {
        check,
        level: 'problem',
        found: `${host} does not answer as a chain should: ${reason}`,
        advice: `Check ${variable}.`,
      },
    ]
  }
  if (chain.wsUrl === undefined) {
    findings.push({
      check,
      level: 'warning',
      found: 'no WebSocket: new blocks are polled for',
      advice: `Set WS_URL_${chain.id} to see blocks at once.`,
    })
  } else {
    findings.push(await checkWebSocket(check, chain.id, chain.wsUrl))
  }
  return findings
}

async function checkWebSocket(check: string, chainId: number, url: string): Promise<Finding> {
  const client = createPublicClient({
    transport: webSocket(url, { timeout: answerMaxMs, retryCount: 0, reconnect: false }),
  })
  try {
    const id = await within(answerMaxMs, client.getChainId())
    return id === chainId
      ? { check, level: 'ok', found: 'WebSocket answers' }
      : {
          check,
          level: 'problem',
          found: `the WebSocket is of chain ${id}`,
          advice: `Correct WS_URL_${chainId}.`,
        }
  } catch {
    return {
      check,
      level: 'problem',
      found: `the WebSocket at ${new URL(url).host} does not answer`,
      advice: `Check WS_URL_${chainId}, or unset it to poll.`,
    }
  } finally {
    void client.transport
      .getRpcClient()
      .then((rpc) => rpc.close())
      .catch(() => {})
  }
}

function readable({ check, level, found, advice }: Finding): string {
  const mark = { ok: 'ok     ', warning: 'warning', problem: 'PROBLEM' }[level]
  return `${mark}  ${check}: ${found}${advice === undefined ? '' : `\n           → ${advice}`}`
}
