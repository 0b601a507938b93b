import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chainArbitrary, forkArbitrary, triggerArbitrary } from '../../support/reference/arbitraries.ts'
import { describeFolded, describeReference } from '../../support/reference/describe-result.ts'
import { evaluateChain } from '../../support/reference/evaluate-chain.ts'
import { createFolder } from '../../support/reference/fold-chain.ts'
import type { Chain, ReferenceTrigger } from '../../support/reference/trigger.ts'

const numRuns = Number(process.env.TOCSIN_TEST_RUNS ?? 150)
const cutsArbitrary = fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 12 })

const expectSame = (folder: ReturnType<typeof createFolder>, trigger: ReferenceTrigger, chain: Chain) => {
  const reference = evaluateChain(trigger, chain)
  expect(describeFolded(folder.result(), reference)).toEqual(describeReference(reference))
}

describe('the fold and the reference', () => {
  it('end alike when everything is folded in one step', () => {
    fc.assert(
      fc.property(triggerArbitrary(), chainArbitrary(), (trigger, chain) => {
        const folder = createFolder(trigger)
        folder.fold(chain, -1, [])
        expectSame(folder, trigger, chain)
      }),
      { numRuns },
    )
  })

  it('end alike in steps of any size', () => {
    fc.assert(
      fc.property(triggerArbitrary(), chainArbitrary(), cutsArbitrary, (trigger, chain, cuts) => {
        const folder = createFolder(trigger)
        folder.fold(chain, -1, cuts)
        expectSame(folder, trigger, chain)
      }),
      { numRuns },
    )
  })

  it('end alike after a fork, and after it came back', () => {
    fc.assert(
      fc.property(triggerArbitrary(), forkArbitrary(), cutsArbitrary, (trigger, { prefix, a, b }, cuts) => {
        const last = prefix.events.at(-1)?.block_number ?? -1
        const folder = createFolder(trigger)
        // At the time of a fork the clock is where the events before it were.
        const time = prefix.events.at(-1)?.block_time.getTime()
        folder.fold({ ...prefix, head: { block_number: last, time } }, -1, cuts)
        for (const chain of [a, b, a]) {
          folder.goBack(last)
          folder.fold(chain, last, cuts)
          expectSame(folder, trigger, chain)
        }
      }),
      { numRuns },
    )
  })
})
