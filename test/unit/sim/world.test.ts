import { numberToHex } from 'viem'
import { describe, expect, test } from 'vitest'
import { commonAncestor, type FakeBlock } from '../../../sim/fake-chain.ts'
import { answer } from '../../../sim/node-answers.ts'
import { makePlan } from '../../../sim/plan.ts'
import { createWorld, forkBlocksMax, type World } from '../../../sim/world.ts'

describe('a world', () => {
  test('is the same for the same seed, and another for another', () => {
    expect(play(7)).toEqual(play(7))
    expect(play(7)).not.toEqual(play(8))
  })

  test('links each block to its parent, with times that never go back', () => {
    for (let seed = 1; seed <= 6; seed++) {
      for (const { chain } of grown(seed).chains) {
        for (let block: FakeBlock = chain.head(); block.parent !== undefined; block = block.parent) {
          expect(block.number).toBe(block.parent.number + 1)
          expect(block.timestampS).toBeGreaterThanOrEqual(block.parent.timestampS)
        }
      }
    }
  })

  test('never mines a transaction twice on one branch, though forks mine it again', () => {
    let moved = 0
    for (let seed = 1; seed <= 6; seed++) {
      for (const { chain } of grown(seed).chains) {
        const hashes: string[] = []
        for (let block: FakeBlock | undefined = chain.head(); block !== undefined; block = block.parent) {
          hashes.push(...block.transactions.map(({ hash }) => hash))
        }
        expect(new Set(hashes).size).toBe(hashes.length)
        const all = Array.from({ length: chain.head().number + 1 }, (_, number) =>
          chain.blocksAt(number),
        ).flat()
        const everywhere = all.flatMap(({ transactions }) => transactions.map(({ hash }) => hash))
        moved += everywhere.length - new Set(everywhere).size
      }
    }
    expect(moved).toBeGreaterThan(30)
  })

  test('forks as deep as it says, and no deeper below the highest block, whatever came before', () => {
    const [chain] = createWorld(3).chains
    chain?.mine(200)
    const before = chain?.chain.head() as FakeBlock
    const fork = { depth: 80, longer: -30, carried: 0, sameTimes: true }
    chain?.fork(fork)
    const after = chain?.chain.head() as FakeBlock
    expect(before.number - commonAncestor(before, after).number).toBe(forkBlocksMax)
    expect(chain?.fork(fork), 'the lower head is nearer to that block, but it stays the same').toBeDefined()
    expect(commonAncestor(before, chain?.chain.head() as FakeBlock).number).toBe(200 - forkBlocksMax)
  })
})

describe('what a node answers', () => {
  test('eth_getLogs has all logs of the branch, and no others', () => {
    for (const { chain } of grown(5).chains) {
      const call = { id: 1, method: 'eth_getLogs', params: [{ fromBlock: '0x0', toBlock: 'latest' }] }
      const { result } = answer(chain, call, { tip: chain.head(), born: chain.born() }) as {
        result: { blockHash: string; logIndex: string }[]
      }
      const wanted: string[] = []
      for (let number = 0; number <= chain.head().number; number++) {
        const block = chain.blockAt(number)
        const logs = block?.transactions.flatMap((transaction) => transaction.logs) ?? []
        wanted.push(...logs.map((_, index) => `${block?.hash} ${numberToHex(index)}`))
      }
      expect(result.map(({ blockHash, logIndex }) => `${blockHash} ${logIndex}`)).toEqual(wanted)
    }
  })

  test('a node that has stopped listening knows nothing newer', () => {
    const [chain] = createWorld(1).chains
    chain?.mine(5)
    const fake = chain?.chain
    if (fake === undefined) throw new Error('A world has chains')
    const view = { tip: fake.head(), born: fake.born() }
    chain?.mine(1)
    const ask = (method: string, ...params: unknown[]) => answer(fake, { id: 1, method, params }, view)
    expect(ask('eth_getBlockByHash', fake.head().hash, false)).toEqual({ result: null })
    expect(ask('eth_getBlockByNumber', '0x6', false)).toEqual({ result: null })
    expect(ask('eth_blockNumber')).toEqual({ result: '0x5' })
    expect(ask('eth_getLogs', { blockHash: fake.head().hash })).toHaveProperty('error')
  })
})

test('200 plans hold every kind of fault, kill and fork', () => {
  const plans = Array.from({ length: 200 }, (_, index) => makePlan(index + 1))
  const actions = plans.flatMap(({ steps }) => steps.map(({ action }) => action))
  const kinds = new Set(
    actions.map((action) => (action.kind === 'fault' ? `fault ${action.fault.kind}` : action.kind)),
  )
  expect([...kinds].sort()).toMatchInlineSnapshot(`
    [
      "dropSockets",
      "fault behind",
      "fault fail",
      "fault ghost",
      "fault hang",
      "fault late",
      "fault refuse",
      "fault refused",
      "fault repeats",
      "fault silent",
      "fault slow",
      "fault stuck",
      "flip",
      "fork",
      "killPonder",
      "killRole",
      "mine",
      "restartDatabase",
    ]
  `)
  const depths = actions.flatMap((action) => (action.kind === 'fork' ? [action.fork.depth] : []))
  expect(Math.max(...depths)).toBe(forkBlocksMax)
})

/** What a seed's steps make of the chains, without an indexer. */
function grown(seed: number): World {
  const world = createWorld(seed)
  const plan = makePlan(seed)
  for (const [index, { history }] of plan.chains.entries()) world.chains[index]?.mine(history)
  for (const { action } of plan.steps) {
    if (action.kind === 'mine') world.chains[action.chain]?.mine(action.blocks)
    if (action.kind === 'fork') world.chains[action.chain]?.fork(action.fork)
    if (action.kind === 'flip') world.chains[action.chain]?.flip(action.flip)
  }
  return world
}

function play(seed: number): string[] {
  return grown(seed).chains.map(({ chain }) => chain.head().hash + JSON.stringify(chain.head().transactions))
}
