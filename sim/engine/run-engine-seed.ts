import { setTimeout as delay } from 'node:timers/promises'
import { type Database, openDatabase } from '../../src/db.ts'
import { createRandom, type Random } from '../../src/dev/random.ts'
import type { FakeBlock } from '../fake-chain.ts'
import type { Lane } from '../lane.ts'
import { randomAction } from '../plan.ts'
import { chainIds, createWorld, type WorldChain } from '../world.ts'
import { answerFiles } from './answer-files.ts'
import { createFeeder, createPonderSchema, type Feeder } from './feeder.ts'
import { type EngineVerdict, type FinalChain, judgeEngine } from './judge-engine.ts'
import { type MatcherProcesses, startMatcherProcesses } from './matcher-processes.ts'
import { createMatchers, type Matchers, randomCut } from './matchers.ts'
import { playWorker } from './play-worker.ts'
import { changeTrigger, randomTriggers, type SimTrigger } from './random-triggers.ts'
import { readEngine } from './read-engine.ts'
import { tameValue } from './tame-values.ts'
import { writeChangedTrigger, writeDeletion, writeNewTrigger } from './write-triggers.ts'

export type EngineSeedResult = EngineVerdict & {
  seed: number
  events: number
  forks: number
  kills: number
  /** Triggers that were written, and how often one of them was changed, switched or deleted. */
  triggers: number
  changes: number
  matches: number
  retractions: number
  /** Of the triggers that ran at the end, those that could be compared with the reference in everything. */
  exact: number
  tookMs: number
}

type Scene = {
  db: Database
  random: Random
  chains: readonly { chain: WorldChain; feeder: Feeder }[]
  matchers: Matchers
  processes: MatcherProcesses | undefined
  live: Map<string, SimTrigger>
  spare: SimTrigger[]
  /** In which generation the limits of a trigger were changed, by its id. */
  inexact: Map<string, number>
  changes: number
  trace: (line: string) => void
}

/**
 * One seed, from empty chains to the verdict, on a database of its own.
 *
 * @param options.withProcesses the matcher role as processes, killed with -9, instead of steps in this one.
 */
export async function runEngineSeed(
  seed: number,
  lane: Lane,
  {
    withProcesses = seed % 20 === 0,
    trace = () => {},
  }: { withProcesses?: boolean; trace?: (line: string) => void } = {},
): Promise<EngineSeedResult> {
  const startedAtMs = Date.now()
  const random = createRandom(seed * 104_729 + 7)
  const deepest = random.pick([4, 12, 60])
  const world = createWorld(seed, { deepest, values: tameValue })
  const genesisS = world.chains[0]?.chain.head().timestampS ?? 0
  const histories = world.chains.map((chain) => {
    const height = random.next() < 0.6 ? random.integer(1, 20) : random.integer(40, 100)
    chain.mine(height)
    return height
  })
  const name = `sim_engine_${seed}`
  await lane.dropDatabase(name)
  const url = await lane.createDatabase(name)
  const db = openDatabase(url, { name: 'sim engine', connectionsMax: 4 })
  let processes: MatcherProcesses | undefined
  try {
    await createPonderSchema(db)
    const pool = randomTriggers(random, random.integer(14, 24), {
      chainIds,
      startS: genesisS,
      height: Math.max(...histories),
    })
    const scene: Scene = {
      db,
      random,
      chains: world.chains.map((chain, index) => ({
        chain,
        feeder: createFeeder(db, chain, deepest, createRandom(seed * 31 + index)),
      })),
      matchers: createMatchers(db, createRandom(seed * 17)),
      processes: undefined,
      live: new Map(),
      spare: [...pool],
      inexact: new Map(),
      changes: 0,
      trace,
    }
    if (withProcesses) processes = startMatcherProcesses(url, lane.home, createRandom(seed))
    scene.processes = processes
    for (let count = random.integer(4, 10); count > 0; count--) await addTrigger(scene)
    await play(scene, withProcesses ? 260 : random.integer(100, 240))
    await settle(scene)
    await processes?.stop()
    await matchAll(scene)

    const store = await readEngine(db, chainIds)
    const finals = world.chains.map((chain) => finalChain(chain.chain.id, chain))
    const verdict = judgeEngine(store, finals, scene.inexact)
    return {
      ...verdict,
      seed,
      events: store.events.length,
      forks: world.forks(),
      kills: scene.matchers.kills() + (processes?.kills() ?? 0),
      triggers: pool.length - scene.spare.length,
      changes: scene.changes,
      matches: store.matches.length,
      retractions: store.matches.reduce((sum, { retractions }) => sum + retractions, 0),
      exact: store.triggers.filter(({ id, generation }) => scene.inexact.get(id) !== generation).length,
      tookMs: Date.now() - startedAtMs,
    }
  } finally {
    await processes?.stop()
    await db.end({ timeout: 1 })
    await lane.dropDatabase(name)
  }
}

async function play(scene: Scene, turns: number): Promise<void> {
  const { random, chains, db } = scene
  for (let turn = 0; turn < turns; turn++) {
    const one = random.pick(chains)
    const dice = random.next()
    if (dice < 0.22) growOrFork(scene, one)
    else if (dice < 0.46) await feed(scene, one, random.integer(1, 8))
    else if (dice < 0.7) await match(scene, one, random.pick([1, 3, 10, 40]))
    else if (dice < 0.74) await Promise.all([feed(scene, one, 3), match(scene, one, 2)])
    else if (dice < 0.77) await Promise.all([changeSomething(scene), match(scene, one, 2)])
    else if (dice < 0.84) await changeSomething(scene)
    else if (dice < 0.89) await answerFiles(db, random, 0.5)
    else if (dice < 0.96) await playWorker(db, random)
    else if (dice < 0.98) await one.feeder.finalize()
    else {
      scene.trace(`${one.chain.chain.id}: Ponder starts again`)
      await one.feeder.restart()
    }
    if (scene.processes !== undefined) {
      await delay(random.integer(0, 60))
      if (random.next() < 0.03) scene.processes.killOne()
    }
  }
}

type SimChain = Scene['chains'][number]

function growOrFork({ random, trace }: Scene, { chain }: SimChain): void {
  const action = randomAction(random)
  const { id } = chain.chain
  if (action.kind === 'fork') {
    chain.fork(action.fork)
    trace(`${id}: fork ${JSON.stringify(action.fork)}, head ${chain.chain.head().number}`)
  } else if (action.kind === 'flip') {
    chain.flip(action.flip)
    trace(`${id}: flip ${JSON.stringify(action.flip)}, head ${chain.chain.head().number}`)
  } else {
    chain.mine(action.kind === 'mine' ? action.blocks : 2)
    trace(`${id}: mined to ${chain.chain.head().number}`)
  }
}

async function feed(
  { random, trace }: Scene,
  { chain, feeder }: SimChain,
  transactions: number,
): Promise<void> {
  for (let count = 0; count < transactions; count++) if (!(await feeder.next())) break
  if (random.next() < 0.2) await feeder.finalize()
  trace(`${chain.chain.id}: fed`)
}

async function match(
  { random, matchers, processes, trace }: Scene,
  { chain }: SimChain,
  steps: number,
): Promise<void> {
  if (processes !== undefined) return
  const { id } = chain.chain
  if (random.next() < 0.08) return matchers.compete(id)
  for (let count = 0; count < steps; count++) {
    const cut = random.next() < 0.25 ? randomCut(random) : undefined
    const more = await matchers.step(id, cut)
    trace(`${id}: a step${cut ? `, cut ${JSON.stringify(cut)}` : ''}${more ? '' : ', nothing more'}`)
    if (!more) break
  }
}

async function addTrigger({ db, spare, live, trace }: Scene): Promise<void> {
  const trigger = spare.pop()
  if (trigger === undefined) return
  const id = await writeNewTrigger(db, trigger)
  live.set(id, trigger)
  trace(`new trigger ${id} on ${trigger.chain_id}: ${JSON.stringify(trigger)}`)
}

async function changeSomething(scene: Scene): Promise<void> {
  const { random, live, db, spare, trace } = scene
  const ids = [...live.keys()]
  const id = ids[random.integer(0, Math.max(ids.length - 1, 0))]
  const trigger = id === undefined ? undefined : live.get(id)
  const dice = random.next()
  if (id === undefined || trigger === undefined || dice < 0.25) return addTrigger(scene)
  scene.changes += 1
  if (dice < 0.3) {
    live.delete(id)
    trace(`deleted ${id}`)
    return writeDeletion(db, id)
  }
  // One that is off is switched on again; what was paused, too.
  const isOn = trigger.enabled
  const toggles = dice < 0.55 || !isOn
  const other = random.pick(spare.length > 0 ? spare : [trigger])
  const { changed, what } = toggles
    ? { changed: { ...trigger, enabled: !isOn }, what: 'enabled' }
    : changeTrigger(random, trigger, other)
  live.set(id, changed)
  trace(`changed ${id}, ${what}: ${JSON.stringify(changed)}`)
  const generationOf = () => db<{ generation: number }[]>`select generation from triggers where id = ${id}`
  const [before] = await generationOf()
  await writeChangedTrigger(db, id, changed)
  const [after] = await generationOf()
  const limitsOf = ({ cooldown, max_fires }: SimTrigger) => JSON.stringify([cooldown, max_fires])
  if (
    after !== undefined &&
    after.generation === before?.generation &&
    limitsOf(changed) !== limitsOf(trigger)
  ) {
    scene.inexact.set(id, after.generation)
  }
}

/** The faults stop: the chains grow past everything that there ever was, and everything becomes final. */
async function settle(scene: Scene): Promise<void> {
  const { chains, db, random, trace } = scene
  trace('the faults end')
  for (const { chain, feeder } of chains) {
    const latest = latestTimeS(chain)
    chain.mine(Math.max(chain.highest() - chain.chain.head().number, 0) + 2, true)
    while (chain.chain.head().timestampS <= latest) chain.mine(5, true)
    chain.mine(14)
    while (await feeder.next()) if (random.next() < 0.1) await match(scene, { chain, feeder }, 1)
    await feeder.finalize(true)
  }
  await matchAll(scene)
  while ((await answerFiles(db, random, 1)) > 0) await matchAll(scene)
  // Nothing is left half done, and nothing is being sent.
  await playWorker(db, random, 0)
}

async function matchAll({ chains, matchers, processes, db }: Scene): Promise<void> {
  if (processes !== undefined) {
    await untilMatched(db)
  }
  for (const { chain } of chains) {
    for (let steps = 0; await matchers.step(chain.chain.id); steps++) {
      if (steps > 20_000) throw new Error(`The matcher of chain ${chain.chain.id} never has nothing to do`)
    }
  }
}

/** The processes have come to the end of the chains by themselves. */
async function untilMatched(db: Database): Promise<void> {
  const deadline = Date.now() + 60_000
  for (;;) {
    const left = await db`
      select p.chain_id from checkpoints p left join matcher_cursors c using (chain_id)
      where c.block_number is distinct from p.last_block_number
        or c.event_seq < (select coalesce(max(seq), 0) from events e where e.chain_id = p.chain_id)
        or c.status_id < (select coalesce(max(id), 0) from event_status s where s.chain_id = p.chain_id)`
    if (left.length === 0) return
    if (Date.now() > deadline) throw new Error('The matcher processes do not come to the end of the chains')
    await delay(100)
  }
}

function latestTimeS({ chain, highest }: WorldChain): number {
  let latest = 0
  for (let number = 0; number <= highest(); number++) {
    for (const { timestampS } of chain.blocksAt(number)) latest = Math.max(latest, timestampS)
  }
  return latest
}

function finalChain(chainId: number, { chain }: WorldChain): FinalChain {
  const head = chain.head()
  const hashes = new Set<string>()
  for (let block: FakeBlock | undefined = head; block !== undefined; block = block.parent)
    hashes.add(block.hash)
  const finalized = head.number - 1
  return { chainId, finalized, head: { block_number: head.number, time: head.timestampS * 1000 }, hashes }
}
