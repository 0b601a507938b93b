import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { addressesOf, knownChains } from '../../src/chains.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { registries } from '../../src/event.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { readEvents as readEventsToMatch } from '../../src/store/matching.ts'
import {
  countUnknownLogs,
  dropKnownLogs,
  keepUnknownLogs,
  readUnknownLogScan,
} from '../../src/store/unknown-logs.ts'
import { compressChunks } from '../support/compress-chunks.ts'
import { createTestDatabase } from '../support/test-database.ts'

/** The SQL side of the indexer alone: the test does to Ponder's tables what Ponder does, in its transactions and in its order. */

const chain = 7
let url: string
let db: Database
let drop: () => Promise<void>

beforeAll(async () => {
  const database = await createTestDatabase()
  drop = database.drop
  url = database.url
  await applyMigrations(url)
  db = openDatabase(url, { name: 'test', connectionsMax: 3 })
})

afterAll(async () => {
  await db.end()
  await drop()
})

beforeEach(async () => {
  await db`truncate events, event_status, checkpoints, ingest_progress, unknown_logs, unknown_log_scans`
  await db`drop schema if exists ponder_one cascade`
  await db`drop schema if exists ponder_two cascade`
  await createPonderSchema('ponder_one')
})

describe('events', () => {
  test('each row becomes one event, with its block time, and the checkpoint follows', async () => {
    await indexBlock(1, 'a', ['x', 'y'])
    expect(await readEvents()).toEqual(['1a:0 x', '1a:1 y'])
    const [event] = await db`select * from events where log_index = 1`
    expect(event).toMatchObject({
      id: `7-1-1-${hash('1a').slice(2, 18)}`,
      chain_id: 7,
      block_time: new Date(1_000_012_000),
      score: '-1.50',
      feedback_index: '18446744073709551615',
      topics: [hash('topic'), hash('y')],
      args: { text: 'y' },
    })
    expect(await readCheckpoint()).toMatchObject({ last_block_number: 1, last_block_hash: hash('1a') })
  })

  test('a block without events moves the checkpoint', async () => {
    await indexBlock(1, 'a', ['x'])
    await indexBlock(2, 'a', [])
    expect(await readCheckpoint()).toMatchObject({ last_block_number: 2, last_block_hash: null })
  })

  test('one notification for a block, whatever it holds', async () => {
    const payloads: string[] = []
    const listener = await db.listen('new_event', (payload) => payloads.push(payload))
    await indexBlock(1, 'a', ['x', 'y', 'z'])
    await indexBlock(2, 'a', [])
    await db.notify('new_event', 'end')
    await expect.poll(() => payloads).toEqual(['7', '7', 'end'])
    await listener.unlisten()
  })

  test('the commit that a matcher is told of waits for the disk, though Ponder switched that off', async () => {
    await db.begin(async (tx) => {
      await tx`set local synchronous_commit = off`
      await insertLogs(tx, 1, 'a', ['x'])
      await setCheckpoint(tx, 1)
      expect(await tx`show synchronous_commit`).toEqual([{ synchronous_commit: 'on' }])
    })
  })
})

describe('occurrences', () => {
  test('equal logs of a transaction are counted from 0, others and other transactions apart', async () => {
    await indexBlock(1, 'a', ['x', 'x', 'y', 'x/tx2', 'x'])
    expect(await readOrdinals()).toEqual(['x 0', 'x 1', 'y 0', 'x/tx2 0', 'x 2'])
  })

  test('an occurrence is the same in whatever block and at whatever log index its transaction was mined', async () => {
    await indexBlock(1, 'a', ['x', 'x'])
    await indexBlock(2, 'b', ['y/tx2', 'x', 'x'])
    const rows = await db<{ occurrence: string; block_number: number }[]>`
      select occurrence, block_number from events where transaction_hash = ${hash('tx1')} order by block_number, log_index`
    const [first, second, third, fourth] = rows.map((row) => row.occurrence)
    expect([third, fourth]).toEqual([first, second])
    expect(first).not.toBe(second)
  })

  test('counting goes on where a block was split over statements', async () => {
    await db.begin(async (tx) => {
      await insertLogs(tx, 1, 'a', ['x', 'y', 'x'])
      await insertLogs(tx, 1, 'a', ['x', 'y', 'x'], 3)
      await setCheckpoint(tx, 1)
    })
    expect(await readOrdinals()).toEqual(['x 0', 'y 0', 'x 1', 'x 2', 'y 1', 'x 3'])
  })

  test('a replay, split elsewhere, changes nothing', async () => {
    await indexBlock(1, 'a', ['x', 'x', 'x', 'x'])
    const before = await db`select * from events order by id`
    await db.begin(async (tx) => {
      await deleteFrom(tx, 1)
      await insertLogs(tx, 1, 'a', ['x'])
      await insertLogs(tx, 1, 'a', ['x', 'x'], 1)
      await insertLogs(tx, 1, 'a', ['x'], 3)
      await setCheckpoint(tx, 1)
    })
    expect(await db`select * from events order by id`).toEqual(before)
    expect(await readStatuses()).toEqual([])
  })
})

describe('history that is written again, in compressed chunks where there are any', () => {
  test('is neither doubled nor lost, and takes what is new', async () => {
    for (const block of [1, 2, 3, 4]) await indexBlock(block, 'a', ['x', 'x', `y${block}`])
    const before = await readRows()
    await compressChunks(db)

    await reorgTo(0)
    for (const block of [1, 2, 3, 4]) await indexBlock(block, 'a', ['x', 'x', `y${block}`])
    expect(await readRows(), 'the same once more').toEqual(before)
    expect(await readStatuses()).toEqual([])

    await compressChunks(db)
    await reorgTo(3)
    await indexBlock(4, 'b', ['x', 'z'])
    expect(await readStatuses()).toEqual(['4a:0 retracted', '4a:1 retracted', '4a:2 retracted'])
    expect((await readRows()).slice(0, before.length)).toEqual(before)
    expect(await readCanonical()).toEqual([
      '1a:0 x',
      '1a:1 x',
      '1a:2 y1',
      '2a:0 x',
      '2a:1 x',
      '2a:2 y2',
      '3a:0 x',
      '3a:1 x',
      '3a:2 y3',
      '4b:0 x',
      '4b:1 z',
    ])
  })

  test('a block that goes on in a compressed chunk counts its equal logs on', async () => {
    await db.begin(async (tx) => {
      await insertLogs(tx, 1, 'a', ['x', 'x'])
      await setCheckpoint(tx, 0)
    })
    await compressChunks(db)
    await db.begin(async (tx) => {
      await insertLogs(tx, 1, 'a', ['y', 'x'], 2)
      await setCheckpoint(tx, 1)
    })
    expect(await readOrdinals()).toEqual(['x 0', 'x 1', 'y 0', 'x 2'])
  })

  const readRows = () => db`select * from events order by seq`
})

describe('reorganisations', () => {
  test('a replaced event is retracted, the new one stored beside it', async () => {
    await indexBlock(1, 'a', ['x'])
    await indexBlock(2, 'a', ['y'])
    await reorgTo(1)
    expect(await readStatuses(), 'before the checkpoint has passed').toEqual([])
    await indexBlock(2, 'b', ['z'])
    expect(await readStatuses()).toEqual(['2a:0 retracted'])
    expect(await readEvents()).toEqual(['1a:0 x', '2a:0 y', '2b:0 z'])
  })

  test('a vanished event is retracted by an empty block', async () => {
    await indexBlock(1, 'a', ['x'])
    await indexBlock(2, 'a', ['y'])
    await indexBlock(3, 'a', ['z'])
    await reorgTo(1)
    await indexBlock(2, 'b', [])
    expect(await readStatuses()).toEqual(['2a:0 retracted'])
    expect(await readCheckpoint(), 'block 3 is not complete any more').toMatchObject({ last_block_number: 2 })
    await indexBlock(3, 'b', [])
    expect(await readStatuses()).toEqual(['2a:0 retracted', '3a:0 retracted'])
  })

  test('a block that replaces another at its number and time retracts it at once', async () => {
    await indexBlock(1, 'a', ['x'])
    await db.begin((tx) => deleteFrom(tx, 1))
    await indexBlock(1, 'b', [])
    expect(await readStatuses()).toEqual(['1a:0 retracted'])
  })

  test('rows that are deleted and read again are not retracted', async () => {
    await indexBlock(1, 'a', ['x'])
    await indexBlock(2, 'a', ['y'])
    await indexBlock(3, 'a', ['z'])
    await reorgTo(1)
    await indexBlock(2, 'a', ['y'])
    await indexBlock(3, 'a', ['z'])
    expect(await readStatuses()).toEqual([])
    expect(await db`select unchecked_from, unchecked_to from ingest_progress`).toEqual([
      { unchecked_from: null, unchecked_to: null },
    ])
  })

  test('a fork that comes back reinstates its events, however often', async () => {
    await indexBlock(1, 'a', [])
    await indexBlock(2, 'a', ['x'])
    for (const fork of ['b', 'a', 'b', 'a']) {
      await reorgTo(1)
      await indexBlock(2, fork, [fork === 'a' ? 'x' : 'y'])
    }
    expect(await readStatuses()).toEqual([
      '2a:0 retracted',
      '2a:0 reinstated',
      '2b:0 retracted',
      '2b:0 reinstated',
      '2a:0 retracted',
      '2a:0 reinstated',
      '2b:0 retracted',
    ])
    expect(await readCanonical()).toEqual(['2a:0 x'])

    await reorgTo(1)
    await indexBlock(2, 'a', ['x'])
    expect(await readStatuses(), 'read again, it is reinstated only once').toHaveLength(7)
  })

  test('a second reorganisation before the first is worked off is seen too', async () => {
    for (let number = 1; number <= 5; number++) await indexBlock(number, 'a', [`x${number}`])
    await reorgTo(3)
    await indexBlock(4, 'b', ['y4'])
    await reorgTo(1)
    await indexBlock(2, 'c', ['z2'])
    await indexBlock(3, 'c', [])
    await indexBlock(4, 'c', [])
    await indexBlock(5, 'c', [])
    expect(await readCanonical()).toEqual(['1a:0 x1', '2c:0 z2'])
    expect(await readStatuses()).toHaveLength(5)
  })

  test('a reorganisation of one chain, which makes Ponder replay the others, retracts nothing there', async () => {
    await indexBlock(1, 'a', ['x'])
    await db.begin(async (tx) => {
      await insertLogs(tx, 1, 'other', ['o'], 0, 8)
      await setCheckpoint(tx, 1, { of: 8 })
    })
    await db.begin((tx) => tx`delete from ponder_one.registry_event`)
    await db.begin(async (tx) => {
      // The first block of the one chain carries the pending rows of the other.
      await insertLogs(tx, 1, 'b', ['y'])
      await insertLogs(tx, 1, 'other', ['o'], 0, 8)
      await setCheckpoint(tx, 1)
    })
    await db.begin((tx) => setCheckpoint(tx, 2, { of: 8 }))
    expect(await readStatuses()).toEqual(['1a:0 retracted'])
  })
})

describe('the backfill', () => {
  test('the block that Ponder counts as done before its rows are written is not called complete', async () => {
    await backfill(10, [[9, 'x']])
    expect(await readCheckpoint()).toMatchObject({ last_block_number: 9, finalized_block_number: 9 })
    await backfill(10, [[10, 'y']])
    await indexBlock(11, 'a', [], { finalized: 10 })
    expect(await readCheckpoint()).toMatchObject({ last_block_number: 11, finalized_block_number: 10 })
  })

  test('that block is not retracted either, when it is read again', async () => {
    await backfill(10, [[9, 'x']])
    await backfill(10, [[10, 'y']])
    await db.begin((tx) => deleteFrom(tx, 9))
    await backfill(10, [[9, 'x']])
    await backfill(10, [[10, 'y']])
    await indexBlock(11, 'a', [], { finalized: 10 })
    expect(await readStatuses()).toEqual([])
  })

  test('the checkpoint does not fall below finalized blocks when they are read again', async () => {
    await backfill(10, [[10, 'x']])
    await indexBlock(11, 'a', [], { finalized: 10 })
    await backfill(5, [])
    expect(await readCheckpoint()).toMatchObject({ last_block_number: 10, finalized_block_number: 10 })
  })

  test('a finalized block that moves wakes the matchers and nothing else changes', async () => {
    await indexBlock(5, 'a', ['x'])
    const payloads: string[] = []
    const listener = await db.listen('new_event', (payload) => payloads.push(payload))
    await db`update ponder_one._ponder_checkpoint set finalized_checkpoint = ${encodeCheckpoint(chain, 3)}`
    await db`update ponder_one._ponder_checkpoint set safe_checkpoint = ${encodeCheckpoint(chain, 2)}`
    await db.notify('new_event', 'end')
    await expect.poll(() => payloads).toEqual(['7', 'end'])
    await listener.unlisten()
    expect(await readCheckpoint()).toMatchObject({
      last_block_number: 5,
      last_block_hash: hash('5a'),
      finalized_block_number: 3,
    })
  })
})

describe('a new Ponder schema over known events', () => {
  test('rows come again without a trace, and what it does not know of unfinalized blocks is retracted', async () => {
    await indexBlock(1, 'a', ['x'])
    await indexBlock(2, 'a', ['y'], { finalized: 1 })
    await indexBlock(3, 'a', ['z'], { finalized: 1 })
    const before = await db`select * from events order by id`
    await createPonderSchema('ponder_two')
    await indexBlock(1, 'a', ['x'], { schema: 'ponder_two' })
    await indexBlock(2, 'b', [], { schema: 'ponder_two', finalized: 1 })
    await indexBlock(3, 'a', ['z'], { schema: 'ponder_two', finalized: 1 })
    expect(await db`select * from events order by id`).toEqual(before)
    expect(await readStatuses()).toEqual(['2a:0 retracted'])
  })

  test('the old schema moves nothing any more', async () => {
    await indexBlock(1, 'a', ['x'])
    await indexBlock(2, 'a', ['y'])
    await createPonderSchema('ponder_two')
    await indexBlock(1, 'a', ['x'], { schema: 'ponder_two' })
    await db.begin((tx) => deleteFrom(tx, 1))
    await indexBlock(9, 'a', [])
    expect(await readCheckpoint()).toMatchObject({ last_block_number: 1 })
    expect(await readStatuses()).toEqual([])
  })

  test('back to the old schema: what only the new one knew is checked again', async () => {
    await indexBlock(1, 'a', ['x'])
    await createPonderSchema('ponder_two')
    await indexBlock(1, 'a', ['x'], { schema: 'ponder_two' })
    await indexBlock(2, 'a', ['y'], { schema: 'ponder_two' })
    expect(await prepareStart('ponder_one')).toBe('resumed')
    await indexBlock(2, 'b', [])
    expect(await readStatuses()).toEqual(['2a:0 retracted'])
  })
})

describe('before a start', () => {
  test('a schema that is not there yet is left to Ponder', async () => {
    expect(await prepareStart('ponder_none')).toBe('new')
  })

  test('the lock of a dead Ponder is released, and its safe checkpoint goes back to the last block with rows', async () => {
    await backfill(10, [
      [3, 'x'],
      [8, 'y'],
    ])
    expect(await prepareStart('ponder_one')).toBe('resumed')
    expect(await db`select value from ponder_one._ponder_meta`).toEqual([{ value: { is_locked: 0 } }])
    expect(await db`select safe_checkpoint from ponder_one._ponder_checkpoint`).toEqual([
      { safe_checkpoint: encodeCheckpoint(chain, 8) },
    ])
  })

  test('without any row the safe checkpoint goes back to the start', async () => {
    await backfill(10, [])
    await prepareStart('ponder_one')
    const [row] = await db`select safe_checkpoint from ponder_one._ponder_checkpoint`
    expect(row?.safe_checkpoint).toBe(`${'0'.repeat(10)}${'7'.padStart(16, '0')}${'0'.repeat(49)}`)
  })

  test('nothing is touched while a session of Ponder is alive', async () => {
    const other = openDatabase(url, { name: 'test', connectionsMax: 1 })
    await other`set application_name = 'ponder_one_user'`
    expect(await prepareStart('ponder_one')).toBe('in use')
    expect(await db`select value from ponder_one._ponder_meta`).toEqual([{ value: { is_locked: 1 } }])
    await other.end()
  })

  test('a schema whose triggers are gone is dropped, so that Ponder reads it again', async () => {
    await db`drop trigger ingest_deleted on ponder_one.registry_event`
    expect(await prepareStart('ponder_one')).toBe('rebuilt')
    expect(await prepareStart('ponder_one')).toBe('new')
  })
})

describe('logs that are no events', () => {
  test('are kept once, with their topics and data, and the position moves over all blocks looked through', async () => {
    await indexBlock(1, 'a', ['x'])
    await indexBlock(2, 'a', [], { finalized: 1 })
    expect(await readUnknownLogScan(db, [chain])).toEqual([{ last_block: null, finalized_block: 1 }])
    const logs = [unknownLog(1, 0), unknownLog(1, 5, []), unknownLog(1, 6, [hash('t'), hash('u')])]
    expect(await keepUnknownLogs(db, [chain, 0, 1, logs])).toEqual([{ kept: 2 }])
    expect(await keepUnknownLogs(db, [chain, 0, 1, logs])).toEqual([{ kept: 0 }])
    expect(await db`select log_index, topics, data from unknown_logs order by log_index`).toEqual([
      { log_index: 5, topics: [], data: '0xff' },
      { log_index: 6, topics: [hash('t'), hash('u')], data: '0xff' },
    ])
    expect(await readUnknownLogScan(db, [chain])).toEqual([{ last_block: 1, finalized_block: 1 }])
  })

  test('are counted per contract, until a newer decoder makes events of them', async () => {
    await indexBlock(1, 'a', [], { finalized: 2 })
    await keepUnknownLogs(db, [chain, 0, 2, [unknownLog(1, 0), unknownLog(2, 0, []), unknownLog(2, 1)]])
    expect(await countUnknownLogs(db)).toEqual([
      { chain_id: chain, contract_address: '0x8004', logs: 3, newest_block: 2, topics: [hash('t'), 'none'] },
    ])
    await indexBlock(2, 'a', ['x', 'y'], { finalized: 2 })
    expect(await countUnknownLogs(db)).toMatchObject([{ logs: 1, newest_block: 1 }])
    await dropKnownLogs(db, [chain])
    expect(await db`select id from unknown_logs`).toHaveLength(1)
  })

  test('are not looked for before there is a checkpoint', async () => {
    expect(await readUnknownLogScan(db, [chain])).toEqual([])
  })
})

describe('legacy registries', () => {
  test('are the same in the database as in the code', async () => {
    const rows = await db`select * from legacy_registries order by chain_id, contract_address`
    const expected = knownChains.flatMap((known) =>
      registries.flatMap((registry) =>
        addressesOf(known, registry)
          .slice(1)
          .map((address) => ({ chain_id: known.id, contract_address: address.toLowerCase() })),
      ),
    )
    expect([...rows]).toEqual(
      expected.sort((a, b) => a.chain_id - b.chain_id || (a.contract_address < b.contract_address ? -1 : 1)),
    )
  })

  test('have events, and no trigger is asked about them', async () => {
    await indexBlock(1, 'a', ['x', 'y'])
    const read = async () => (await readEventsToMatch(db, [chain, 0, 0, 1, new Date(0), 10])).length
    expect(await read()).toBe(2)
    await db.begin(async (tx) => {
      await tx`insert into legacy_registries values (${chain}, '0x8004')`
      expect(await readEventsToMatch(tx, [chain, 0, 0, 1, new Date(0), 10])).toEqual([])
      await tx`delete from legacy_registries where chain_id = ${chain}`
    })
    expect(await readEvents()).toHaveLength(2)
  })
})

type Tx = Parameters<Parameters<Database['begin']>[1]>[0]
type BlockOptions = { schema?: string; finalized?: number }

function hash(text: string): string {
  return `0x${createHash('sha256').update(text).digest('hex')}`
}

/** A block's time follows from its number, as in a chain whose forks are mined in the same seconds. */
function timeOf(block: number): number {
  return 1_000_000 + 12 * block
}

function encodeCheckpoint(chainId: number, block: number): string {
  const digits = (value: number, length: number) => String(value).padStart(length, '0')
  return `${digits(timeOf(block), 10)}${digits(chainId, 16)}${digits(block, 16)}${'9'.repeat(33)}`
}

/** Ponder's tables as its 0.16 makes them, and our triggers on them. */
async function createPonderSchema(schema: string): Promise<void> {
  await db.unsafe(`
    create schema ${schema};
    create table ${schema}._ponder_meta (key text primary key, value jsonb not null);
    insert into ${schema}._ponder_meta values ('app', '{"is_locked": 1}');
    create table ${schema}._ponder_checkpoint (
      chain_name text primary key, chain_id bigint not null, safe_checkpoint varchar(75) not null,
      latest_checkpoint varchar(75) not null, finalized_checkpoint varchar(75) not null);
    create table ${schema}.registry_event (
      id text primary key, chain_id bigint not null, block_number bigint not null, block_hash text not null,
      block_timestamp bigint not null, transaction_hash text not null, transaction_index integer not null,
      log_index integer not null, contract_address text not null, registry text not null, event_type text not null,
      agent_id numeric, owner text, previous_owner text, token_uri text, updated_by text, metadata_key text,
      metadata_value text, client_address text, feedback_index numeric, value numeric, value_decimals smallint,
      score numeric, tag1 text, tag2 text, endpoint text, file_uri text, file_hash text, responder text,
      validator_address text, request_uri text, request_hash text, response smallint, response_uri text,
      response_hash text, tag text, args jsonb not null, topics text[] not null, data text not null);
    select attach_ingest('${schema}');
  `)
}

/** As the blocks of `insertLogs` on fork a would hold it. */
function unknownLog(block: number, logIndex: number, topics = [hash('t')]) {
  const blockHash = hash(`${block}a`)
  return {
    id: `${chain}-${block}-${logIndex}-${blockHash.slice(2, 18)}`,
    block_number: block,
    block_hash: blockHash,
    transaction_hash: hash('tx1'),
    transaction_index: 1,
    log_index: logIndex,
    contract_address: '0x8004',
    topics,
    data: '0xff',
  }
}

/** Logs of a block, in order: `x` is a log with the content x of transaction 1, `x/tx2` one of transaction 2. */
async function insertLogs(
  tx: Tx,
  block: number,
  fork: string,
  logs: string[],
  firstLogIndex = 0,
  chainId = chain,
  schema = 'ponder_one',
): Promise<void> {
  if (logs.length === 0) return
  const blockHash = hash(`${block}${fork}`)
  const rows = logs.map((log, index) => {
    const [content = '', transaction = 'tx1'] = log.split('/')
    return {
      id: `${chainId}-${block}-${firstLogIndex + index}-${blockHash.slice(2, 18)}`,
      chain_id: chainId,
      block_number: block,
      block_hash: blockHash,
      block_timestamp: timeOf(block),
      transaction_hash: hash(transaction),
      transaction_index: Number(transaction.slice(2)),
      log_index: firstLogIndex + index,
      contract_address: '0x8004',
      registry: 'reputation',
      event_type: 'NewFeedback',
      agent_id: '0',
      feedback_index: '18446744073709551615',
      value: '-150',
      value_decimals: 2,
      score: '-1.50',
      tag1: `${block}${fork}:${firstLogIndex + index} ${log}`,
      args: tx.json({ text: content }),
      topics: [hash('topic'), hash(content)],
      data: '0x00',
    }
  })
  await tx`insert into ${tx(schema)}.registry_event ${tx(rows as never)}`
}

/** What Ponder writes at the end of a live block. */
async function setCheckpoint(
  tx: Tx,
  block: number,
  { schema = 'ponder_one', finalized = 0, of = chain }: BlockOptions & { of?: number } = {},
): Promise<void> {
  const latest = encodeCheckpoint(of, block)
  const first = encodeCheckpoint(of, finalized)
  await tx`
    insert into ${tx(schema)}._ponder_checkpoint values (${`chain ${of}`}, ${of}, ${first}, ${latest}, ${first})
    on conflict (chain_name) do update set latest_checkpoint = excluded.latest_checkpoint,
      finalized_checkpoint = greatest(_ponder_checkpoint.finalized_checkpoint, excluded.finalized_checkpoint)`
}

async function indexBlock(
  block: number,
  fork: string,
  logs: string[],
  options: BlockOptions = {},
): Promise<void> {
  await db.begin(async (tx) => {
    await insertLogs(tx, block, fork, logs, 0, chain, options.schema)
    await setCheckpoint(tx, block, options)
  })
}

/** A batch of finalized blocks: Ponder sets all three checkpoints to the end of the batch. */
async function backfill(to: number, logs: [block: number, log: string][]): Promise<void> {
  const checkpoint = encodeCheckpoint(chain, to)
  await db.begin(async (tx) => {
    for (const [block, log] of logs) await insertLogs(tx, block, 'a', [log])
    await tx`
      insert into ponder_one._ponder_checkpoint values ('chain 7', ${chain}, ${checkpoint}, ${checkpoint}, ${checkpoint})
      on conflict (chain_name) do update set safe_checkpoint = excluded.safe_checkpoint,
        latest_checkpoint = excluded.latest_checkpoint, finalized_checkpoint = excluded.finalized_checkpoint`
  })
}

async function deleteFrom(tx: Tx, block: number): Promise<void> {
  await tx`delete from ponder_one.registry_event where chain_id = ${chain} and block_number >= ${block}`
}

/** As Ponder does it: rows go, the checkpoint stays until the next block. */
async function reorgTo(block: number): Promise<void> {
  await db.begin((tx) => deleteFrom(tx, block + 1))
}

async function prepareStart(schema: string): Promise<unknown> {
  const [row] = await db`select prepare_ponder_start(${schema}) as found`
  return row?.found
}

async function readEvents(): Promise<string[]> {
  const rows = await db`select tag1 from events order by block_number, seq`
  return rows.map((row) => row.tag1)
}

/** The events that are not retracted. */
async function readCanonical(): Promise<string[]> {
  const rows = await db`
    select tag1 from events e
    where coalesce((select status from event_status s where s.event_id = e.id order by id desc limit 1), '') <> 'retracted'
    order by block_number, log_index`
  return rows.map((row) => row.tag1)
}

async function readStatuses(): Promise<string[]> {
  const rows =
    await db`select e.tag1, s.status from event_status s join events e on e.id = s.event_id order by s.id`
  return rows.map((row) => `${row.tag1.split(' ')[0]} ${row.status}`)
}

async function readOrdinals(): Promise<string[]> {
  const rows = await db`select tag1, occurrence from events order by block_number, log_index`
  return rows.map((row) => `${row.tag1.split(' ')[1]} ${row.occurrence.split('-').at(-1)}`)
}

async function readCheckpoint() {
  const [row] = await db`select * from checkpoints where chain_id = ${chain}`
  return row
}
