import { type ChildProcess, execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import {
  type AbiEvent,
  encodeAbiParameters,
  encodeEventTopics,
  type Hex,
  keccak256,
  parseAbiItem,
  type RpcLog,
  toHex,
} from 'viem'
import { afterAll, afterEach, beforeEach, describe, expect, onTestFailed, test } from 'vitest'
import { scanUnknownLogs } from '../../indexer/scan-unknown-logs.ts'
import { knownChains } from '../../src/chains.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { deployRegistries } from '../../src/dev/deploy-registries.ts'
import { createEconomy } from '../../src/dev/run-economy.ts'
import { applyMigrations } from '../../src/migrate.ts'
import type { RoleMessage } from '../../src/role.ts'
import { readRawLog } from '../support/read-raw-log.ts'
import { knownLogs, type SampleLog } from '../support/revision-logs.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'
import {
  type Emission,
  type EmittingChain,
  type RawLog,
  startEmittingChain,
  startTestChain,
  type TestChain,
} from './emitting-chain.ts'

/** Real chains, the real Ponder, a real Postgres. Nothing is faked but what the registries say. */

const alice = '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266'
const bob = '0x70997970c51812dc3a010c7d01b50e0d17dc79c8'
const hash = keccak256('0x01')

let database: TestDatabase
let db: Database
const running: Indexer[] = []
const chains: TestChain[] = []

beforeEach(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test', connectionsMax: 2 })
})

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') for (const { output } of running) console.error(output().slice(-5000))
  await Promise.all(running.splice(0).map((indexer) => indexer.stop()))
  await Promise.all(chains.splice(0).map((chain) => chain.stop()))
  await db.end()
  await database.drop()
})

describe('every log is an event once, with equal fields', () => {
  test('of two chains at once, history and new blocks, with equal logs and hostile text', async () => {
    const [one, two] = [await startChain(31337), await startChain(31338)]
    for (const chain of [one, two]) {
      for (let block = 0; block < 45; block++) await chain.emit(...emissionsOf(block))
    }
    await startIndexer([one, two])
    for (const chain of [one, two]) {
      for (let block = 45; block < 60; block++) await chain.emit(...emissionsOf(block))
    }
    await expectAllLogs(one)
    await expectAllLogs(two)
    const types = await db`select distinct event_type from events`
    expect(types).toHaveLength(9)
  })

  test('of every revision from the same addresses, with feedback counted where it is not numbered; the rest is kept raw', async () => {
    const chain = await startChain(31337)
    for (const registry of ['identity', 'reputation', 'validation'] as const) {
      const logs = knownLogs.filter((known) => known.registry === registry).map(encodeSample)
      await chain.emitRaw(registry, ...logs, ...logs)
      const [first] = logs
      if (first === undefined) throw new Error(`No logs of ${registry}`)
      await chain.emitRaw(
        registry,
        ...[
          { topics: [], data: '0x' as const },
          { topics: [keccak256('0x77')], data: first.data },
        ],
        // Of a known topic, and not what it declares: no data, too few topics, text that lies elsewhere.
        ...logs.map(({ topics }) => ({ topics: topics.slice(0, 1), data: '0x1234' as const })),
        ...logs.map(({ topics, data }) => ({
          topics,
          data: `0x${data.slice(2).replaceAll('0', 'f')}` as Hex,
        })),
      )
    }
    await chain.mine(40)
    const indexer = await startIndexer([chain])
    await expectAllLogs(chain)

    const [one, two, three] = knownLogs
      .filter(({ row }) => row.event_type === 'NewFeedback')
      .map(encodeSample)
    if (!one || !two || !three) throw new Error('There are eight revisions of NewFeedback')
    await chain.emitRaw('reputation', one, two)
    await chain.emitRaw('reputation', three, three)
    await expectAllLogs(chain)
    // What vanishes leaves no hole in the count, and what was counted is not counted again.
    await chain.reorg(1)
    await chain.emitRaw('reputation', two)
    await keepMining(chain, () => expectAllLogs(chain))
    await indexer.killPonder()
    await chain.emitRaw('reputation', one)
    await keepMining(chain, () => expectAllLogs(chain))
    const counted = await db`select feedback_index from events e
      where registry = 'reputation' and args->>'feedbackIndex' is null and event_type = 'NewFeedback'
        and coalesce((select status from event_status s where s.event_id = e.id order by s.id desc limit 1), '') <> 'retracted'
      order by block_number, log_index`
    expect(counted.map((row) => row.feedback_index)).toEqual(
      Array.from({ length: 10 }, (_, index) => String(index + 1)),
    )

    const settings = knownChains.find(({ id }) => id === chain.id)
    if (settings === undefined) throw new Error(`Chain ${chain.id} is not in src/chains.ts`)
    const scanned = { ...settings, startBlock: 0, rpcUrl: chain.rpcUrl }
    await scanUnknownLogs(db, scanned)
    expect(await scanUnknownLogs(db, scanned), 'nothing is kept twice').toBe(0)
    const logs = await chain.getLogs()
    const raw = await db`select * from unknown_logs order by block_number, log_index`
    const expected = logs.filter((log) => readRawLog(placeOf(chain.id, log)) === undefined)
    expect(expected.length).toBeGreaterThan(40)
    expect(
      raw.map(({ block_hash, log_index, contract_address, topics, data }) => ({
        block_hash,
        log_index,
        contract_address,
        topics: [...topics],
        data,
      })),
    ).toEqual(
      expected.map((log) => ({
        block_hash: log.blockHash,
        log_index: Number(log.logIndex),
        contract_address: log.address,
        topics: log.topics,
        data: log.data,
      })),
    )
    expect((await readCanonical()).length + raw.length, 'nothing is dropped').toBe(logs.length)
  })

  test('of real registries with an economy on them', async () => {
    const chain = await startTestChain(31337)
    chains.push(chain)
    const { rpcUrl, id: chainId } = chain
    const registries = await deployRegistries({ rpcUrl, chainId })
    const economy = createEconomy({ rpcUrl, chainId, registries, seed: 1 })
    for (let step = 0; step < 60; step++) await economy.step()
    await startIndexer([chain])
    for (let step = 0; step < 60; step++) await economy.step()
    await expectAllLogs(chain)
  })

  test('when Ponder is killed again and again while it reads history', async () => {
    const chain = await startChain(31337)
    // Among them feedback whose index is counted: each one once, whatever was written when Ponder died.
    const counted = knownLogs
      .filter(({ row }) => row.event_type === 'NewFeedback')
      .slice(0, 2)
      .map(encodeSample)
    for (let block = 0; block < 240; block++) {
      if (block % 6 === 5) await chain.emitRaw('reputation', ...counted)
      else await chain.emit(...emissionsOf(block))
    }
    const indexer = await startIndexer([chain], { wait: false })
    for (const least of [1, 300]) {
      await until(`${least} events`, async () => (await countEvents()) >= least, 60_000)
      await indexer.killPonder()
    }
    await keepMining(chain, () => expectAllLogs(chain, 60_000))
    expect(await db`select * from event_status`).toEqual([])
  })

  test('when Ponder is killed again and again in the middle of new blocks', async () => {
    const chain = await startChain(31337)
    await chain.emit(...emissionsOf(0))
    const indexer = await startIndexer([chain])
    for (let round = 0; round < 2; round++) {
      for (let block = 0; block < 25; block++) await chain.emit(...emissionsOf(round * 25 + block))
      await indexer.killPonder()
      for (let block = 0; block < 5; block++) await chain.emit(...emissionsOf(block))
    }
    await until('Ponder runs again', async () => (await indexer.findPonder()) !== undefined)
    await keepMining(chain, async () => expectAllLogs(chain, 60_000))
    expect(await db`select * from event_status`).toEqual([])
  })
})

describe('a reorganisation', () => {
  test('retracts what vanished, and knows a transaction again that moved to another block', async () => {
    const chain = await startChain(31337)
    await chain.mine(2)
    await startIndexer([chain])
    const [staying, moving, vanishing] = [emission(1), emission(2), emission(3)]
    await chain.emit(staying, staying)
    const moved = await chain.emit(moving)
    await chain.emit(vanishing)
    await expectAllLogs(chain)

    await chain.reorg(2, [[moved, 1]])
    await keepMining(chain, () =>
      until('both are retracted', async () => (await readRetracted()).length === 2),
    )
    await expectAllLogs(chain)
    const canonical = await readCanonical()
    expect(canonical.map((event) => event.agent_id)).toEqual(['1', '1', '2'])
    const [before, after] = await db<{ occurrence: string; block_hash: string }[]>`
      select occurrence, block_hash from events where agent_id = 2 order by seq`
    expect(after?.occurrence).toBe(before?.occurrence)
    expect(after?.block_hash).not.toBe(before?.block_hash)
  })

  test('is noticed also when it happened while the indexer was down', async () => {
    const chain = await startChain(31337)
    const indexer = await startIndexer([chain])
    await chain.emit(emission(1))
    await chain.emit(emission(2))
    await expectAllLogs(chain)
    await indexer.stop()
    await chain.reorg(1)
    await chain.emit(emission(3))
    await startIndexer([chain])
    await keepMining(chain, () => expectAllLogs(chain))
    expect((await readCanonical()).map((event) => event.agent_id)).toEqual(['1', '3'])
    expect(await readRetracted()).toHaveLength(1)
  })

  test('of one chain leaves the events of another as they are', async () => {
    const [one, two] = [await startChain(31337), await startChain(31338)]
    await startIndexer([one, two])
    await one.emit(emission(1))
    await two.emit(emission(2))
    await expectAllLogs(one)
    await expectAllLogs(two)
    await one.reorg(1)
    await two.mine(1)
    await keepMining(one, () => until('it is retracted', async () => (await readRetracted()).length === 1))
    await two.mine(2)
    await expectAllLogs(two)
    expect(await readRetracted()).toEqual([expect.objectContaining({ chain_id: 31337 })])
    expect(await db`select * from event_status where chain_id = 31338`).toEqual([])
  })
})

describe('checkpoints', () => {
  test('advance on a quiet chain, block by block', async () => {
    const chain = await startChain(31337)
    await startIndexer([chain])
    for (let round = 0; round < 3; round++) {
      await chain.mine(1)
      const head = await chain.head()
      await until(`block ${head}`, async () => (await readCheckpoint(31337))?.last_block_number === head)
    }
  })

  test('over polling too, where there is no WebSocket', async () => {
    const chain = await startChain(31337)
    await chain.emit(emission(1))
    await startIndexer([chain], { webSocket: false })
    await expectAllLogs(chain)
    await chain.emit(emission(2))
    await expectAllLogs(chain)
  })
})

describe('processes', () => {
  test('Ponder ends when its supervisor is killed, and the next indexer goes on', async () => {
    const chain = await startChain(31337)
    const indexer = await startIndexer([chain])
    await chain.emit(emission(1))
    await expectAllLogs(chain)
    const ponder = await indexer.findPonder()
    indexer.process.kill('SIGKILL')
    await until('Ponder has ended', () => !isAlive(ponder ?? 0), 8000)
    await startIndexer([chain])
    await chain.emit(emission(2))
    await expectAllLogs(chain)
  })

  test('a second indexer on the same database does not start, and harms nothing', async () => {
    const chain = await startChain(31337)
    await startIndexer([chain])
    const second = await startIndexer([chain], { wait: false })
    expect(await second.exitCode(45_000)).toBe(2)
    expect(second.failure()).toMatch(/Another indexer with the same chains works on this database/)
    await chain.emit(emission(1))
    await expectAllLogs(chain)
  })
})

describe('a start that cannot succeed ends within ten seconds, with one sentence and without the key', () => {
  let web: Server

  afterAll(() => web?.close())

  test('no chain is configured', async () => {
    const indexer = launch({})
    expect(await indexer.exitCode(10_000)).toBe(2)
    expect(indexer.failure()).toMatch(/^No chain to index\. Set RPC_URL_<chain id>/)
  })

  test('nobody listens at the URL', async () => {
    const gone = createServer().listen(0, '127.0.0.1')
    const port = await portOf(gone)
    gone.close()
    const indexer = launch({ RPC_URL_84532: `http://127.0.0.1:${port}/v2/secret-key-123` })
    expect(await indexer.exitCode(12_000)).toBe(2)
    expect(indexer.failure()).toBe(
      `RPC_URL_84532: 127.0.0.1:${port} cannot be reached (ECONNREFUSED). Check the URL, and that the endpoint is up.`,
    )
  })

  test('the URL is a web site', async () => {
    web = createServer((_request, response) => response.end('<html>hello</html>')).listen(0, '127.0.0.1')
    const port = await portOf(web)
    const indexer = launch({ RPC_URL_84532: `http://127.0.0.1:${port}/v2/secret-key-123` })
    expect(await indexer.exitCode(12_000)).toBe(2)
    expect(indexer.failure()).toBe(
      `RPC_URL_84532: 127.0.0.1:${port} does not answer eth_chainId as a JSON-RPC endpoint would. Check the URL.`,
    )
  })

  test('the endpoint serves another chain', async () => {
    const chain = await startChain(31337)
    const indexer = launch({ RPC_URL_84532: `${chain.rpcUrl}/?key=secret-key-123` })
    expect(await indexer.exitCode(10_000)).toBe(2)
    expect(indexer.failure()).toMatch(/^RPC_URL_84532: \S+ serves chain 31337, not 84532 \(base-sepolia\)\./)
    expect(indexer.output() + indexer.failure()).not.toContain('secret-key')
  })

  test('the WebSocket serves another chain', async () => {
    const [one, two] = [await startChain(31337), await startChain(31338)]
    const indexer = launch({ RPC_URL_31337: one.rpcUrl, WS_URL_31337: two.wsUrl })
    expect(await indexer.exitCode(10_000)).toBe(2)
    expect(indexer.failure()).toMatch(/^WS_URL_31337: \S+ serves chain 31338, not 31337 \(local\)\./)
  })

  test('the chain began anew under finalized events', async () => {
    const chain = await startChain(31337)
    for (let block = 0; block < 70; block++) await chain.emit(emission(block))
    const indexer = await startIndexer([chain])
    await expectAllLogs(chain)
    await indexer.stop()
    const anew = await startChain(31337)
    for (let block = 0; block < 70; block++) await anew.emit(emission(block))
    const second = launch({ RPC_URL_31337: anew.rpcUrl })
    expect(await second.exitCode(10_000)).toBe(2)
    expect(second.failure()).toMatch(
      /^RPC_URL_31337: block \d+ of \S+ is not the one .* index it into a new database\.$/,
    )
  })
})

async function portOf(server: Server): Promise<number | undefined> {
  await once(server, 'listening')
  const address = server.address()
  return typeof address === 'object' ? address?.port : undefined
}

type Indexer = {
  process: ChildProcess
  ready: Promise<void>
  output(): string
  /** Why it could not start, as it told its supervisor. */
  failure(): string
  findPonder(): Promise<number | undefined>
  killPonder(): Promise<void>
  exitCode(timeoutMs: number): Promise<number | null>
  stop(): Promise<void>
}

async function startChain(id: number): Promise<EmittingChain> {
  const chain = await startEmittingChain(id)
  chains.push(chain)
  return chain
}

async function startIndexer(
  on: TestChain[],
  { wait = true, webSocket = true }: { wait?: boolean; webSocket?: boolean } = {},
): Promise<Indexer> {
  const indexer = launch(
    Object.fromEntries(
      on.flatMap((chain) => [
        [`RPC_URL_${chain.id}`, chain.rpcUrl],
        ...(webSocket ? [[`WS_URL_${chain.id}`, chain.wsUrl]] : []),
      ]),
    ),
  )
  if (!wait) return indexer
  await indexer.ready
  // Over a WebSocket Ponder reads unfinalized blocks when it hears of the next one, and it hears only from when it has subscribed.
  for (const chain of on) {
    // A block that is not there yet: what an earlier indexer has seen must not count.
    const next = (await chain.head()) + 1
    await keepMining(chain, () =>
      until(`chain ${chain.id} is followed`, async () => {
        const checkpoint = await readCheckpoint(chain.id)
        return checkpoint !== undefined && checkpoint.last_block_number >= next
      }),
    )
  }
  return indexer
}

/** The role as its supervisor starts it. */
function launch(environment: Record<string, string>): Indexer {
  let output = ''
  let failure = ''
  const child: ChildProcess = fork(fileURLToPath(new URL('../../indexer/role.ts', import.meta.url)), {
    execArgv: ['--import', 'tsx'],
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: database.url,
      TOCSIN_LOG_FORMAT: 'json',
      TOCSIN_LOG_LEVEL: 'debug',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const keep = (text: Buffer) => {
    output += text
  }
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  // Who looks at a failure has nothing else to go by.
  onTestFailed(() => console.error(output))
  const closed = once(child, 'close')
  const ready = new Promise<void>((resolve, reject) => {
    child.on('message', (message: RoleMessage) => {
      if (message.type === 'ready') return resolve()
      failure = message.message
      reject(new Error(failure))
    })
    child.on('exit', () => reject(new Error(`The indexer ended: ${output}`)))
  })
  // Not everybody waits for it.
  ready.catch(() => {})

  const findPonder = async () => {
    const arguments_ = ['-o', 'pid=,args=', '--ppid', String(child.pid)]
    const { stdout } = await promisify(execFile)('ps', arguments_).catch(() => ({ stdout: '' }))
    const line = stdout.split('\n').find((text) => text.includes('bin/ponder.js'))
    return line === undefined ? undefined : Number.parseInt(line, 10)
  }
  const indexer = {
    process: child,
    ready,
    output: () => output,
    failure: () => failure,
    findPonder,
    killPonder: async () => {
      const pid = await until('Ponder runs', findPonder)
      process.kill(pid, 'SIGKILL')
      await until('Ponder is dead', () => !isAlive(pid))
    },
    exitCode: async (timeoutMs: number) => {
      await until('the indexer ends', () => child.exitCode !== null, timeoutMs)
      await closed
      return child.exitCode
    },
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
      await closed
    },
  }
  running.push(indexer)
  return indexer
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** All nine types in turn, two or three logs a transaction, some of them equal, some with text that Postgres refuses. */
function emissionsOf(block: number): Emission[] {
  const texts = ['ipfs://agent', 'tab\t line\n back\\slash \\N \\.\r "q" \'q\' {a,b}', 'nul\0 \u{1F600}', '']
  const text = texts[block % texts.length] ?? ''
  const agentId = BigInt(block)
  const feedback = { agentId, clientAddress: alice, feedbackIndex: 1n }
  const all: Emission[][] = [
    [
      { event: 'Transfer', args: { from: alice, to: bob, tokenId: 2n ** 256n - 1n } },
      { event: 'Registered', args: { agentId, agentURI: text, owner: alice } },
      {
        event: 'MetadataSet',
        args: { agentId, indexedMetadataKey: text, metadataKey: text, metadataValue: toHex(text) },
      },
    ],
    [{ event: 'URIUpdated', args: { agentId, newURI: text, updatedBy: bob } }],
    Array.from({ length: 3 }, () => ({
      event: 'NewFeedback' as const,
      args: {
        ...feedback,
        value: -(2n ** 127n),
        valueDecimals: 18,
        indexedTag1: text,
        tag1: text,
        tag2: text,
        endpoint: text,
        feedbackURI: text,
        feedbackHash: hash,
      },
    })),
    [
      { event: 'FeedbackRevoked', args: feedback },
      {
        event: 'ResponseAppended',
        args: { ...feedback, responder: bob, responseURI: text, responseHash: hash },
      },
    ],
    [
      {
        event: 'ValidationRequest',
        args: { validatorAddress: bob, agentId, requestURI: text, requestHash: hash },
      },
      {
        event: 'ValidationResponse',
        args: {
          validatorAddress: bob,
          agentId,
          requestHash: hash,
          response: 100,
          responseURI: text,
          responseHash: hash,
          tag: text,
        },
      },
    ],
  ]
  return all[block % all.length] ?? []
}

function emission(agentId: number): Emission {
  return {
    event: 'Registered',
    args: { agentId: BigInt(agentId), agentURI: `ipfs://${agentId}`, owner: alice },
  }
}

/** Waits until the events that are not retracted are exactly the logs of the chain, and compares every field. */
async function expectAllLogs(chain: TestChain, timeoutMs = 20_000): Promise<void> {
  const expected = expectedRows(chain.id, await chain.getLogs()).sort((a, b) => (a.id < b.id ? -1 : 1))
  await until(
    `${expected.length} canonical events of chain ${chain.id}`,
    async () => {
      const ids = (await readCanonical())
        .filter((event) => event.chain_id === chain.id)
        .map((event) => event.id)
      return ids.length === expected.length && expected.every(({ id }) => ids.includes(id))
    },
    timeoutMs,
  )
  const events = await db`
    select *, extract(epoch from block_time)::bigint as block_timestamp from events e
    where chain_id = ${chain.id} and coalesce(
      (select status from event_status s where s.event_id = e.id order by s.id desc limit 1), '') <> 'retracted'
    order by id collate "C"`
  const found = events.map(({ seq, block_time, created_at, occurrence, ...event }) => event)
  expect(found).toEqual(expected)
  expect(new Set(events.map((event) => event.occurrence)).size).toBe(events.length)
}

/** What the logs of a chain, in its order, must have become. */
function expectedRows(chainId: number, logs: readonly RpcLog[]) {
  const given = new Map<string, number>()
  return logs.flatMap((log) => {
    const row = readRawLog(placeOf(chainId, log))
    if (row === undefined) return []
    if (row.event_type !== 'NewFeedback' || row.feedback_index !== null) return [row]
    const pair = `${row.contract_address} ${row.agent_id} ${row.client_address}`
    given.set(pair, (given.get(pair) ?? 0) + 1)
    return [{ ...row, feedback_index: String(given.get(pair)) }]
  })
}

function placeOf(chainId: number, log: RpcLog) {
  return {
    chainId,
    block: {
      number: BigInt(log.blockNumber ?? 0),
      hash: log.blockHash ?? '',
      timestamp: BigInt(log.blockTimestamp ?? 0),
    },
    transaction: { hash: log.transactionHash ?? '', transactionIndex: Number(log.transactionIndex) },
    log: { ...log, logIndex: Number(log.logIndex) },
  }
}

function encodeSample({ declaration, args }: SampleLog): RawLog {
  const item = parseAbiItem(`event ${declaration}`) as AbiEvent
  const inputs = item.inputs.filter((input) => !input.indexed)
  return {
    topics: encodeEventTopics({ abi: [item], args } as never) as Hex[],
    data: encodeAbiParameters(inputs, inputs.map(({ name = '' }) => args[name]) as never),
  }
}

async function countEvents(): Promise<number> {
  const [row] = await db`select count(*) as count from events`
  return row?.count ?? 0
}

async function readCanonical() {
  return db<{ id: string; chain_id: number; agent_id: string }[]>`
    select id, chain_id, agent_id from events e
    where coalesce((select status from event_status s where s.event_id = e.id order by s.id desc limit 1), '') <> 'retracted'
    order by chain_id, block_number, log_index`
}

async function readRetracted() {
  return db`select * from event_status where status = 'retracted' order by id`
}

async function readCheckpoint(chainId: number) {
  const [row] = await db<
    { last_block_number: number }[]
  >`select * from checkpoints where chain_id = ${chainId}`
  return row
}

/** Mines a block now and then while something is waited for: over a WebSocket only a new block makes Ponder look. */
async function keepMining(chain: TestChain, wait: () => Promise<unknown>): Promise<void> {
  const timer = setInterval(() => void chain.mine(1).catch(() => {}), 300)
  try {
    await wait()
  } finally {
    clearInterval(timer)
  }
}
