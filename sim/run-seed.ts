import { setTimeout as delay } from 'node:timers/promises'
import { createRandom } from '../src/dev/random.ts'
import { readExpectedRows } from './expected-rows.ts'
import type { FakeBlock } from './fake-chain.ts'
import { type FakeNode, startFakeNode } from './fake-node.ts'
import { type Indexer, startIndexer } from './indexer.ts'
import { judge, type Verdict } from './judge.ts'
import type { Lane } from './lane.ts'
import { createNodeFaults } from './node-faults.ts'
import { startObserver } from './observer.ts'
import { type Action, type Moment, makePlan, type Told } from './plan.ts'
import { readCheckpoints, readStoredRows } from './read-store.ts'
import { connectStore, type StoreConnection } from './store-connection.ts'
import { createWorld, type World, type WorldChain } from './world.ts'

export type SeedResult = Verdict & {
  seed: number
  /** Canonical events at the end. */
  events: number
  /** Rows in all, with those of lost branches. */
  rows: number
  forks: number
  kills: number
  databaseRestarts: number
  /** What was called complete and was not, while it went on. */
  torn: readonly string[]
  /** Why the indexer did not come to the end of the chains, if it did not. */
  stuck: string | undefined
  tookMs: number
  /** What the indexer logged. */
  output: string
}

export type SeedOptions = {
  /** Of a seed's steps only so many. */
  stepsMax?: number | undefined
  /** Is told of each step as it is taken. */
  trace?: ((line: string) => void) | undefined
}

/** Without any checkpoint moving. On a machine that is starved, a start of Ponder alone can take two minutes. */
const stuckMs = 300_000

/** Most get there without another block. Some notice a fork of the same height only with the next one. */
const settleBlockMs = 10_000

type Scene = {
  world: World
  nodes: readonly FakeNode[]
  indexer: Indexer
  store: StoreConnection
  lane: Lane
  counts: { kills: number; databaseRestarts: number }
}

/** Runs one seed from empty chains to the verdict, on a database of its own. */
export async function runSeed(
  seed: number,
  lane: Lane,
  { stepsMax, trace = () => {} }: SeedOptions = {},
): Promise<SeedResult> {
  const startedAtMs = Date.now()
  const plan = makePlan(seed, { databaseRestarts: lane.restart !== undefined, ...(stepsMax && { stepsMax }) })
  const world = createWorld(seed)
  for (const [index, { history }] of plan.chains.entries()) world.chains[index]?.mine(history)
  const nodes = await Promise.all(
    world.chains.map(({ chain }, index) =>
      startFakeNode(chain, createNodeFaults(chain, createRandom(seed * 31 + index))),
    ),
  )
  const name = `sim_${seed}`
  await lane.dropDatabase(name)
  const databaseUrl = await lane.createDatabase(name)
  const store = connectStore(databaseUrl)
  const observer = startObserver(
    store,
    world.chains.map(({ chain }) => chain),
  )
  const indexer = startIndexer({
    DATABASE_URL: databaseUrl,
    TOCSIN_HOME: `${lane.home}/tocsin`,
    ...Object.fromEntries(
      world.chains.flatMap(({ chain }, index) => [
        [`RPC_URL_${chain.id}`, nodes[index]?.rpcUrl ?? ''],
        [`START_BLOCK_${chain.id}`, '0'],
        ...(plan.chains[index]?.webSocket ? [[`WS_URL_${chain.id}`, nodes[index]?.wsUrl ?? '']] : []),
      ]),
    ),
  })
  const scene: Scene = { world, nodes, indexer, store, lane, counts: { kills: 0, databaseRestarts: 0 } }
  try {
    const say = (what: string) => {
      const heads = world.chains.map(({ chain }) => chain.head().number).join(' and ')
      trace(`${((Date.now() - startedAtMs) / 1000).toFixed(1)} s, heads ${heads}: ${what}`)
    }
    for (const { moment, action } of plan.steps) {
      await waitFor(moment, scene)
      say(`${JSON.stringify(action)} after ${JSON.stringify(moment)}`)
      await act(action, scene)
    }
    say('the faults end')
    for (const { faults } of nodes) faults.endAll()
    const stuck = await settle(scene)
    say(stuck ?? 'settled')
    await observer.stop()
    const stored = await store.use(readStoredRows)
    const expected = await Promise.all(
      world.chains.map(({ chain }, index) => readExpectedRows(chain.id, nodes[index]?.truthUrl ?? '')),
    )
    const verdict = judge(expected.flat(), stored, observer.seen())
    return {
      seed,
      events: expected.flat().length,
      rows: stored.length,
      forks: world.forks(),
      ...scene.counts,
      ...verdict,
      torn: observer.torn(),
      stuck,
      tookMs: Date.now() - startedAtMs,
      output: indexer.output(),
    }
  } finally {
    await observer.stop().catch(() => {})
    await indexer.stop()
    await Promise.all(nodes.map((node) => node.close()))
    await store.close()
    await lane.dropDatabase(name)
  }
}

async function waitFor(moment: Moment, scene: Scene): Promise<void> {
  switch (moment.kind) {
    case 'delay':
      return delay(moment.delayMs)
    case 'requests':
      return scene.nodes[moment.chain]?.waitForRequests(moment.count, 1500)
    case 'caughtUp': {
      const deadline = Date.now() + moment.timeoutMs
      while (Date.now() < deadline && !(await hasCaughtUp(scene))) await delay(50)
    }
  }
}

async function act(action: Action, scene: Scene): Promise<void> {
  switch (action.kind) {
    case 'mine':
      for (let mined = 0; mined < action.blocks; mined++) {
        change(scene, action, (chain) => chain.mine(1))
        await delay(10)
      }
      return
    case 'fork':
      return change(scene, action, (chain) => chain.fork(action.fork))
    case 'flip':
      return change(scene, action, (chain) => chain.flip(action.flip))
    case 'fault':
      return scene.nodes[action.chain]?.faults.begin(action.fault)
    case 'dropSockets':
      return scene.nodes[action.chain]?.dropSockets()
    case 'killPonder':
      if (await scene.indexer.killPonder()) scene.counts.kills += 1
      return
    case 'killRole':
      if (scene.indexer.killRole()) scene.counts.kills += 1
      return
    case 'restartDatabase':
      await scene.store.loseWhile(async () => scene.lane.restart?.(action.crash))
      scene.counts.databaseRestarts += 1
  }
}

/** Changes a chain, and tells the subscribers of its node. */
function change(
  { world, nodes }: Scene,
  { chain: index, told }: { chain: number; told: Told },
  how: (chain: WorldChain) => FakeBlock[] | undefined,
): void {
  const chain = world.chains[index]
  if (chain === undefined) return
  const blocks = how(chain) ?? []
  const announced = told === 'all' ? blocks : told === 'last' ? blocks.slice(-1) : []
  for (const block of announced) nodes[index]?.announce(block)
}

/** Whether every chain is indexed up to its head, as far as the checkpoints tell. */
async function hasCaughtUp({ store, world }: Scene): Promise<boolean> {
  const rows = await store.use(readCheckpoints).catch(() => [])
  return world.chains.every(({ chain }) => {
    const head = chain.head()
    const row = rows.find(({ chain_id }) => chain_id === chain.id)
    return (
      row?.last_block_number === head.number &&
      (row.last_block_hash === null || row.last_block_hash === head.hash)
    )
  })
}

/**
 * Lets both chains grow until the indexer has reached a head that stands. First above the highest that they ever were: what lies above
 * a checkpoint is retracted when the new branch has reached its height, not before. Their last blocks hold an event, so that the checkpoint has
 * the hash of the block: it cannot be one of the same height on another branch.
 *
 * @returns why it was given up, if it was.
 */
async function settle(scene: Scene): Promise<string | undefined> {
  let known = ''
  let movedAtMs = Date.now()
  for (;;) {
    for (const index of scene.world.chains.keys()) {
      change(scene, { chain: index, told: 'last' }, (chain) =>
        chain.mine(Math.max(chain.highest() - chain.chain.head().number, 0) + 1, true),
      )
    }
    const next = Date.now() + settleBlockMs
    while (Date.now() < next) {
      if (await hasCaughtUp(scene)) return undefined
      await delay(50)
    }
    const checkpoints = JSON.stringify(await scene.store.use(readCheckpoints).catch(() => []))
    if (checkpoints !== known) movedAtMs = Date.now()
    known = checkpoints
    if (Date.now() - movedAtMs > stuckMs) return 'the checkpoints stand, and not at the heads'
  }
}
