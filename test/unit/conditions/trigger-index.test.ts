import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ConditionInput, checkConditions } from '../../../src/conditions/check-conditions.ts'
import { compileTrigger } from '../../../src/conditions/compile-trigger.ts'
import type { CompiledTrigger } from '../../../src/conditions/compiled-trigger.ts'
import { conditionTypes, type StatelessConditionType } from '../../../src/conditions/condition-types.ts'
import { evaluateTrigger } from '../../../src/conditions/evaluate-trigger.ts'
import { createTriggerIndex } from '../../../src/conditions/trigger-index.ts'
import {
  type EventType,
  eventFields,
  eventTypes,
  type Registry,
  type RegistryEvent,
  registries,
  registryOf,
} from '../../../src/event.ts'
import { sampleEvent } from '../../support/events.ts'

// Few values, so that many conditions hold.
const values: Record<string, readonly string[]> = {
  address: [`0x${'a'.repeat(40)}`, `0x${'B'.repeat(40)}`],
  integer: ['0', '1', '007', '70', '1073741823', '1073741824', '170141183460469231731687303715884105727'],
  decimal: ['-1073741825', '-1', '69.99', '70', '70.0', '1073741823.5', '99999999999'],
  text: ['', 'a', 'ab'],
}
const allEventTypes = Object.values(eventTypes).flat()

const condition = fc
  .constantFrom(...(Object.keys(conditionTypes) as StatelessConditionType[]))
  .chain((condition_type) => {
    const { fields, operators } = conditionTypes[condition_type]
    return fc
      .record({ field: fc.constantFrom(...fields), operator: fc.constantFrom(...operators) })
      .chain(({ field, operator }) => {
        const pool = field === 'event_type' ? allEventTypes : (values[eventFields[field].kind] ?? ['x'])
        const value =
          operator === 'exists'
            ? fc.boolean()
            : operator === 'in' || operator === 'not_in'
              ? fc.array(fc.constantFrom(...pool), { minLength: 1, maxLength: 3 })
              : fc.constantFrom(...pool)
        return fc.record({
          condition_type: fc.constant(condition_type),
          field: fc.constant(field),
          operator: fc.constant(operator),
          value,
        })
      })
  })

const chains = fc.constantFrom(1, 31337)

/** What a trigger of whichever of the conditions can stand together asks for. */
const wish = fc
  .record({
    chain_id: chains,
    registry: fc.constantFrom(...registries),
    conditions: fc.array(condition, { maxLength: 4 }),
  })
  .map(({ chain_id, registry, conditions }) => {
    const kept: typeof conditions = []
    for (const one of conditions) {
      if (checkConditions(registry, [...kept, one]).problems.length === 0) kept.push(one)
    }
    return { chain_id, registry, conditions: kept }
  })

type Wish = { chain_id?: number; registry: Registry; conditions: ConditionInput[] }

function compile(id: string, { chain_id = 31337, registry, conditions }: Wish): CompiledTrigger {
  return compileTrigger({
    id,
    version: 1,
    generation: 1,
    chain_id,
    registry,
    active_since: new Date(0),
    from_block: null,
    warm_up: false,
    cooldown: null,
    max_fires: null,
    conditions: conditions.map((one, position) => ({ ...one, position })),
  })
}

const event: fc.Arbitrary<RegistryEvent> = fc
  .record({
    chain_id: chains,
    event_type: fc.constantFrom(...allEventTypes),
    picks: fc.array(fc.nat(), { minLength: 25, maxLength: 25 }),
  })
  .map(({ chain_id, event_type, picks }) => {
    const fields = Object.entries(eventFields).map(([name, { kind, of }], index) => {
      const pool = [...(values[kind] ?? ['x']), ...(name === 'agent_id' ? [] : [null])]
      const filled = (of as readonly EventType[]).includes(event_type)
      return [name, filled ? pool[(picks[index] ?? 0) % pool.length] : null]
    })
    return sampleEvent(event_type, {
      ...Object.fromEntries(fields),
      chain_id,
      registry: registryOf(event_type),
    })
  })

/** Some of them put in the place of others, some taken out again. */
const change = fc.record({
  id: fc.nat({ max: 60 }).map(String),
  wish: fc.option(wish, { freq: 4, nil: undefined }),
})

test('after any changes, the candidates have every trigger that fires, once, and none that is gone', () => {
  let fired = 0
  let asked = 0
  let all = 0
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          changes: fc.array(change, { maxLength: 40 }),
          events: fc.array(event, { maxLength: 5 }),
        }),
        {
          maxLength: 5,
        },
      ),
      (steps) => {
        const index = createTriggerIndex()
        const triggers = new Map<string, CompiledTrigger>()
        for (const { changes, events } of steps) {
          for (const { id, wish } of changes) {
            if (wish === undefined) {
              index.remove(id)
              triggers.delete(id)
            } else {
              const trigger = compile(id, wish)
              index.put(trigger)
              triggers.set(id, trigger)
            }
          }
          expect(index.size).toBe(triggers.size)
          for (const one of events) {
            const candidates = index.candidates(one)
            expect(new Set(candidates).size).toBe(candidates.length)
            expect(candidates.filter((each) => triggers.get(each.id) !== each)).toEqual([])
            const firing = [...triggers.values()].filter((each) => evaluateTrigger(each, one).fires)
            expect(firing.filter((each) => !candidates.includes(each))).toEqual([])
            fired += firing.length
            asked += candidates.length
            all += triggers.size
          }
        }
      },
    ),
    { numRuns: 300 },
  )
  // The property means something only if triggers fire, and the index something only if it leaves out most of the others.
  expect(fired).toBeGreaterThan(500)
  expect(asked).toBeLessThan(2 * fired)
  expect(asked).toBeLessThan(all / 5)
})

test('what is taken out again leaves nothing behind', () => {
  fc.assert(
    fc.property(fc.array(wish, { maxLength: 40 }), fc.array(event, { maxLength: 5 }), (wishes, events) => {
      const index = createTriggerIndex(wishes.map((one, id) => compile(String(id), one)))
      for (const one of events) index.candidates(one)
      for (const id of wishes.keys()) index.remove(String(id))
      expect(index.size).toBe(0)
      for (const one of events) expect(index.candidates(one)).toEqual([])
    }),
  )
})

test('a trigger for one agent is a candidate for that agent only', () => {
  const agents = (...lists: number[][]): Wish => ({
    registry: 'reputation',
    conditions: lists.map((value) => ({ condition_type: 'agent_id_equals', operator: 'in', value })),
  })
  const index = createTriggerIndex([
    compile('five', agents([5])),
    compile('both lists', agents([5, 6], [6, 7])),
    compile('any', agents()),
    compile('none', agents([5, 6], [7, 8])),
  ])
  const candidates = (agent_id: string) =>
    index.candidates(sampleEvent('NewFeedback', { agent_id })).map(({ id }) => id)
  expect(candidates('5').sort()).toEqual(['any', 'five'])
  expect(candidates('6').sort()).toEqual(['any', 'both lists'])
  expect(candidates('7')).toEqual(['any'])
})

test('of thousands of triggers on one tag, only those are candidates whose threshold holds', () => {
  const scores = Array.from({ length: 4000 }, (_, index) => (index / 20).toFixed(2))
  const on = (operator: string, value: string): Wish => ({
    registry: 'reputation',
    conditions: [
      { condition_type: 'tag_equals', value: 'starred' },
      { condition_type: 'score_threshold', operator, value },
    ],
  })
  const operators = ['<', '<=', '>', '>=']
  const triggers = scores.map((value, index) =>
    compile(String(index), on(operators[index % 4] ?? '<', value)),
  )
  const index = createTriggerIndex(triggers.slice(0, 3000))
  for (const score of ['0', '10.00', '99.95', '150.5', '500']) {
    const event = sampleEvent('NewFeedback', { tag1: 'starred', score })
    const expected = (list: CompiledTrigger[]) =>
      list.filter((each) => evaluateTrigger(each, event).fires).map(({ id }) => id)
    expect(new Set(index.candidates(event).map(({ id }) => id))).toEqual(
      new Set(expected(triggers.slice(0, 3000))),
    )
  }
  for (const trigger of triggers.slice(3000)) index.put(trigger)
  for (const trigger of triggers.slice(0, 100)) index.remove(trigger.id)
  const event = sampleEvent('NewFeedback', { tag1: 'starred', score: '120' })
  expect(index.candidates(event)).toHaveLength(
    triggers.slice(100).filter((each) => evaluateTrigger(each, event).fires).length,
  )
})

test('numbers with more digits than a double has are not lost', () => {
  const digits = fc
    .tuple(
      fc.constantFrom('', '-'),
      fc.bigInt({ min: 10n ** 15n, max: 10n ** 15n + 3n }),
      fc.nat({ max: 99 }),
    )
    .map(([sign, whole, fraction]) => `${sign}${whole}.${fraction}`)
  const few = fc.constantFrom('0', '-0.1', '1000000000000000', '999999999999999', '-1000000000000000', '0.1')
  const number = fc.oneof(digits, few)
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('<', '<=', '>', '>='), number), { minLength: 2, maxLength: 30 }),
      fc.array(number, { minLength: 1, maxLength: 10 }),
      (thresholds, seen) => {
        const triggers = thresholds.map(([operator, value], id) =>
          compile(String(id), {
            registry: 'reputation',
            conditions: [{ condition_type: 'score_threshold', operator, value }],
          }),
        )
        const index = createTriggerIndex(triggers)
        for (const score of seen) {
          const one = sampleEvent('NewFeedback', { score })
          const candidates = index.candidates(one)
          const firing = triggers.filter((each) => evaluateTrigger(each, one).fires)
          expect(firing.filter((each) => !candidates.includes(each))).toEqual([])
        }
      },
    ),
    { numRuns: 1000 },
  )
})
