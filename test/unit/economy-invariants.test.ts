import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createWorld, type EconomyAction } from '../../src/dev/economy-world.ts'

const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const lengths = fc.integer({ min: 1, max: 600 })

/** Holds for the actions of any seed, in order. */
function always(check: (actions: readonly EconomyAction[]) => void) {
  const property = fc.property(seeds, lengths, (seed, length) => {
    const world = createWorld(seed)
    check(Array.from({ length }, () => world.next()))
  })
  fc.assert(property, { numRuns: 60 })
}

test('only the owner acts on an agent, also after transfers', () => {
  always((actions) => {
    const owners: number[] = []
    for (const action of actions) {
      if (action.type === 'register') owners.push(action.from)
      else if ('agentId' in action) {
        const owner = owners[Number(action.agentId)]
        expect(owner, `agent ${action.agentId} exists`).toBeDefined()
        if (action.type !== 'giveFeedback' && action.type !== 'revokeFeedback')
          expect(action.from).toBe(owner)
      }
      if (action.type === 'transfer') owners[Number(action.agentId)] = action.to
    }
  })
})

test('a feedback is revoked at most once, by who gave it, and answered only while it stands', () => {
  always((actions) => {
    const given = new Map<string, bigint>()
    const revoked = new Set<string>()
    for (const action of actions) {
      if (action.type === 'giveFeedback') {
        const key = `${action.agentId} ${action.from}`
        given.set(key, (given.get(key) ?? 0n) + 1n)
      }
      if (action.type !== 'revokeFeedback' && action.type !== 'appendResponse') continue
      const client = action.type === 'revokeFeedback' ? action.from : action.client
      // Indices count from 1 for each agent and client.
      expect(action.feedbackIndex).toBeGreaterThanOrEqual(1n)
      expect(action.feedbackIndex).toBeLessThanOrEqual(given.get(`${action.agentId} ${client}`) ?? 0n)
      const feedback = `${action.agentId} ${client} ${action.feedbackIndex}`
      expect(revoked.has(feedback)).toBe(false)
      if (action.type === 'revokeFeedback') revoked.add(feedback)
    }
  })
})

test('validators answer only requests that were made of them, and no request is made twice', () => {
  always((actions) => {
    const validators = new Map<string, number>()
    for (const action of actions) {
      if (action.type === 'validationRequest') {
        expect(validators.has(action.requestHash)).toBe(false)
        validators.set(action.requestHash, action.validator)
      }
      if (action.type === 'validationResponse') expect(validators.get(action.requestHash)).toBe(action.from)
    }
  })
})
