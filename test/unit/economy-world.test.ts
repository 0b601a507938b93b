import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createWorld, type EconomyAction, economyAccounts } from '../../src/dev/economy-world.ts'

const everyAction: Record<EconomyAction['type'], true> = {
  register: true,
  setAgentURI: true,
  setMetadata: true,
  setAgentWallet: true,
  transfer: true,
  giveFeedback: true,
  revokeFeedback: true,
  appendResponse: true,
  validationRequest: true,
  validationResponse: true,
}
const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 })

function play(seed: number, steps: number): EconomyAction[] {
  const world = createWorld(seed)
  return Array.from({ length: steps }, () => world.next())
}

describe('the demo economy', () => {
  test('decides the same sequence for the same seed, and another for another', () => {
    expect(play(1, 500)).toEqual(play(1, 500))
    expect(play(2, 500)).not.toEqual(play(1, 500))
  })

  test('does not let two economies in one process disturb each other', () => {
    const [first, second] = [createWorld(7), createWorld(7)]
    const mixed = Array.from({ length: 200 }, () => [first.next(), second.next()] as const)
    expect(mixed.map(([action]) => action)).toEqual(mixed.map(([, action]) => action))
    expect(mixed.map(([action]) => action)).toEqual(play(7, 200))
  })

  test('does everything that can be done within its first 60 actions, whatever the seed', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const types = new Set(play(seed, 60).map(({ type }) => type))
        expect([...types].sort()).toEqual(Object.keys(everyAction).sort())
      }),
    )
  })

  test('uses funded accounts only, and values that the registries hold', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        for (const action of play(seed, 200)) {
          expect(action.from).toBeGreaterThan(0)
          expect(action.from).toBeLessThan(economyAccounts)
          if (action.type === 'giveFeedback') expect(action.valueDecimals).toBeLessThanOrEqual(18)
          if (action.type === 'validationResponse') {
            expect(action.response).toBeGreaterThanOrEqual(0)
            expect(action.response).toBeLessThanOrEqual(100)
          }
        }
      }),
      { numRuns: 20 },
    )
  })

  test('has agents whose scores stay high, agents whose scores fall, and agents under spam', () => {
    const actions = play(1, 3000)
    const scores = (agentId: bigint, isSpam: boolean) =>
      actions
        .filter((action) => action.type === 'giveFeedback')
        .filter((action) => action.agentId === agentId && action.tag1 === 'starred')
        .filter((action) => action.tag2.startsWith('spam-') === isSpam)
        .map(({ value }) => Number(value))
    // Agents take turns in behaviour, in the order of their ids; the first of each kind has the most ratings.
    const [steady, declining, spammed] = [0n, 1n, 2n]

    expect(Math.min(...scores(steady, false))).toBeGreaterThanOrEqual(85)
    expect(
      scores(declining, false)
        .slice(0, 2)
        .every((score) => score > 75),
    ).toBe(true)
    expect(scores(declining, false).at(-1)).toBeLessThanOrEqual(45)
    expect(Math.min(...scores(spammed, false))).toBeGreaterThanOrEqual(85)
    expect(Math.max(...scores(spammed, true))).toBeLessThanOrEqual(10)
  })

  test('measures in the units of its tags: decimals, and a yield below zero', () => {
    const feedback = play(1, 1000).filter((action) => action.type === 'giveFeedback')
    const withTag = (tag: string) => feedback.filter(({ tag1 }) => tag1 === tag)

    expect(withTag('uptime').every(({ valueDecimals }) => valueDecimals > 0)).toBe(true)
    expect(withTag('uptime').length).toBeGreaterThan(0)
    expect(withTag('responseTime').length).toBeGreaterThan(0)
    expect(withTag('tradingYield').some(({ value }) => value < 0n)).toBe(true)
  })
})
