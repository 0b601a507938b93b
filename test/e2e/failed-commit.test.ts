import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AbiEvent, encodeAbiParameters, encodeEventTopics, type Hex, zeroHash } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { revisions } from '../../indexer/revisions/find-revision.ts'
import { createFakeChain, type FakeChain, type FakeLog } from '../../sim/fake-chain.ts'
import { type FakeNode, startFakeNode } from '../../sim/fake-node.ts'
import { type Indexer, startIndexer } from '../../sim/indexer.ts'
import { createNodeFaults } from '../../sim/node-faults.ts'
import { knownChains } from '../../src/chains.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { createRandom } from '../../src/dev/random.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

/** Found by seed 4 of the simulator, where the database crashed in the middle of a commit. */

const home = mkdtempSync(join(tmpdir(), 'tocsin-commit-'))
let database: TestDatabase
let db: Database
let chain: FakeChain
let node: FakeNode
let indexer: Indexer

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test', connectionsMax: 1 })
  chain = createFakeChain(31337, 1, 1_769_904_000)
  node = await startFakeNode(chain, createNodeFaults(chain, createRandom(1)))
  indexer = startIndexer({
    DATABASE_URL: database.url,
    TOCSIN_HOME: home,
    RPC_URL_31337: node.rpcUrl,
    WS_URL_31337: node.wsUrl,
  })
})

afterAll(async () => {
  await indexer?.stop()
  await node?.close()
  await db?.end()
  await database?.drop()
  rmSync(home, { recursive: true, force: true })
})

test('feedback is counted once, also when the database ends the session that is committing it', async () => {
  mine([giveFeedback()])
  await until('the first is there', async () => (await readIndexes()).length === 1, 60_000)

  const [schema] = await db<{ name: string }[]>`select ponder_schema as name from ingest_progress`
  // A sequence does not go back with its transaction: only the first commit fails.
  await db.unsafe(`
    create sequence commits;
    create function fail_once() returns trigger language plpgsql as $$
    begin
      if nextval('commits') = 1 then
        perform pg_terminate_backend(pg_backend_pid());
      end if;
      return null;
    end $$;
    create constraint trigger fail_once after insert on ${schema?.name}.registry_event
      deferrable initially deferred for each row execute function fail_once();`)
  mine([giveFeedback()])
  await until('the second is there', async () => (await readIndexes()).length === 2, 60_000)
  mine([giveFeedback(), giveFeedback()])
  await until('all are there', async () => (await readIndexes()).length === 4, 60_000)

  expect(await readIndexes()).toEqual(['1', '2', '3', '4'])
  const [commits] = await db<{ last_value: number }[]>`select last_value from commits`
  expect(commits?.last_value, 'a commit has failed, and was made again').toBe(4)
})

function mine(logs: readonly FakeLog[]): void {
  const head = chain.head()
  const block = chain.addBlock(head, head.timestampS + 1, [chain.newTransaction(logs)])
  chain.setHead(block)
  node.announce(block)
}

/** Of the first revision, which does not number feedback. */
function giveFeedback(): FakeLog {
  const item = revisions.find(({ item: { name } }) => name === 'NewFeedback')?.item as AbiEvent
  const address = knownChains.find(({ id }) => id === chain.id)?.registries.reputation as Hex
  const args: Record<string, unknown> = {
    agentId: 7n,
    clientAddress: '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266',
    score: 90,
    tag1: zeroHash,
    tag2: zeroHash,
    feedbackUri: 'ipfs://f',
    feedbackHash: zeroHash,
  }
  const others = item.inputs.filter(({ indexed }) => indexed !== true)
  return {
    address,
    topics: encodeEventTopics({ abi: [item], args } as never) as Hex[],
    data: encodeAbiParameters(others, others.map(({ name }) => args[name ?? '']) as never),
  }
}

async function readIndexes(): Promise<string[]> {
  const rows = await db<{ feedback_index: string }[]>`
    select feedback_index from events_canonical where event_type = 'NewFeedback' order by block_number, log_index`
  return rows.map((row) => row.feedback_index)
}
