import { createRandom, type Random } from '../src/dev/random.ts'
import {
  commonAncestor,
  createFakeChain,
  type FakeBlock,
  type FakeChain,
  type FakeTransaction,
} from './fake-chain.ts'
import { createLogSource, type LogSource, type LogValues } from './random-logs.ts'

/** Deeper than this no fork goes below the highest block that was ever announced. Ponder takes 65 blocks for final on these chains. */
export const forkBlocksMax = 60

/** Both have Ponder's deepest finality but Polygon's and Arbitrum's; the second has legacy registries too. */
export const chainIds = [1, 11155111] as const

export type ForkPlan = {
  depth: number
  /** How many more blocks than it replaces the new branch has; at least one block in all. */
  longer: number
  /** Which share of the transactions that lost their block are mined again. */
  carried: number
  /** Whether a new block has the time of the one that it replaces, as slots have. */
  sameTimes: boolean
}

export type FlipPlan = { choice: number; more: number; outgrow: boolean }

/** One chain that grows, forks and goes back by the numbers of its seed. */
export type WorldChain = {
  chain: FakeChain
  /** Mines blocks and returns them. `withLogs`: the last one has an event for sure. */
  mine(blocks: number, withLogs?: boolean): FakeBlock[]
  /** Returns the blocks of the branch that is canonical now and was not before; undefined where the chain is too young. */
  fork(plan: ForkPlan): FakeBlock[] | undefined
  /** Goes back to an earlier branch, if there is one within reach, and mines on it; `outgrow`: until it is the longer one. */
  flip(plan: FlipPlan): FakeBlock[] | undefined
  /** The height of the highest block that ever was canonical. */
  highest(): number
}

export type World = { chains: readonly WorldChain[]; forks(): number }

/** 1 February 2026: every revision is known by then. */
const genesisTimeS = 1_769_904_000

export type WorldOptions = {
  /** No fork goes deeper below the highest block that there ever was. */
  deepest?: number
  values?: LogValues
}

export function createWorld(seed: number, { deepest = forkBlocksMax, values }: WorldOptions = {}): World {
  // One clock for both chains: Ponder orders rows of different chains by their blocks' times.
  const clock = { timeS: genesisTimeS }
  let forks = 0
  const chains = chainIds.map((id, index) =>
    createWorldChain(
      createFakeChain(id, seed, genesisTimeS),
      createRandom(seed * 7919 + index),
      clock,
      () => {
        forks += 1
      },
      { deepest, values },
    ),
  )
  return { chains, forks: () => forks }
}

function createWorldChain(
  chain: FakeChain,
  random: Random,
  clock: { timeS: number },
  onFork: () => void,
  { deepest, values }: { deepest: number; values: LogValues | undefined },
): WorldChain {
  const source = createLogSource(chain.id, random, values)
  const stepsS = random.pick([[12], [0, 1, 2], [0, 0, 0, 1], [1, 2, 30]])
  /** The share of blocks in which the registries log. */
  const density = random.pick([0.1, 0.2, 0.5])
  const oldTips: FakeBlock[] = []
  let highest = 0

  const nextTimeS = (parent: FakeBlock) => {
    clock.timeS += random.pick([0, 0, 1])
    return Math.max(parent.timestampS + random.pick(stepsS), Math.min(clock.timeS, parent.timestampS + 30))
  }
  const grow = (
    parent: FakeBlock,
    timestampS: number,
    carried: readonly FakeTransaction[],
    withLogs = false,
  ) => {
    const fresh = randomTransactions(chain, source, random, density)
    const sure = withLogs ? [chain.newTransaction([source.soundLog()])] : []
    const transactions = random.next() < 0.5 ? [...carried, ...fresh] : [...fresh, ...carried]
    return chain.addBlock(parent, timestampS, [...transactions, ...sure])
  }
  const adopt = (tip: FakeBlock) => {
    const before = chain.head()
    const shared = commonAncestor(before, tip)
    if (shared !== before) oldTips.push(before)
    chain.setHead(tip)
    highest = Math.max(highest, tip.number)
    const added: FakeBlock[] = []
    for (let block = tip; block !== shared && block.parent !== undefined; block = block.parent)
      added.unshift(block)
    return added
  }
  const floor = () => Math.max(highest - deepest, 0)
  const mineOn = (parent: FakeBlock, blocks: number, withLogs: boolean) => {
    let tip = parent
    for (let mined = 1; mined <= blocks; mined++) {
      tip = grow(tip, nextTimeS(tip), [], withLogs && mined === blocks)
    }
    return tip
  }
  return {
    chain,
    mine: (blocks, withLogs = false) => adopt(mineOn(chain.head(), blocks, withLogs)),
    fork: ({ depth, longer, carried, sameTimes }) => {
      const head = chain.head()
      const from = Math.max(head.number - depth, floor())
      const start = chain.blockAt(from)
      if (start === undefined || from >= head.number) return undefined
      const replaced: FakeBlock[] = []
      for (let block = head; block !== start && block.parent !== undefined; block = block.parent)
        replaced.unshift(block)
      const length = Math.max(replaced.length + longer, 1)
      const moving = replaced
        .flatMap(({ transactions }) => transactions)
        .filter(() => random.next() < carried)
        .map((transaction) => ({ transaction, at: random.integer(0, length - 1) }))
      let tip = start
      for (let index = 0; index < length; index++) {
        const again = moving.filter(({ at }) => at === index).map(({ transaction }) => transaction)
        const earlierS = replaced[index]?.timestampS
        const timeS =
          sameTimes && earlierS !== undefined ? Math.max(earlierS, tip.timestampS) : nextTimeS(tip)
        tip = grow(tip, timeS, again)
      }
      onFork()
      return adopt(tip)
    },
    highest: () => highest,
    flip: ({ choice, more, outgrow }) => {
      const within = oldTips.filter((tip) => {
        const shared = commonAncestor(chain.head(), tip)
        return shared.number >= floor() && shared !== tip
      })
      const tip = within[choice % Math.max(within.length, 1)]
      if (tip === undefined) return undefined
      onFork()
      const missing = outgrow ? Math.max(chain.head().number + 1 - tip.number, 0) : 0
      return adopt(mineOn(tip, missing + more, false))
    },
  }
}

function randomTransactions(
  chain: FakeChain,
  source: LogSource,
  random: Random,
  density: number,
): FakeTransaction[] {
  const count = random.next() < density ? random.integer(1, 3) : 0
  const ours = Array.from({ length: count }, () => chain.newTransaction(source.transactionLogs()))
  // One block in twenty is empty altogether.
  if (random.next() < 0.05) return ours
  const foreign = chain.newTransaction([source.foreignLog()])
  return random.next() < 0.5 ? [foreign, ...ours] : [...ours, foreign]
}
