import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkConditions } from '../../../src/conditions/check-conditions.ts'
import { compileTrigger } from '../../../src/conditions/compile-trigger.ts'
import type { CompiledTrigger } from '../../../src/conditions/compiled-trigger.ts'
import { conditionTypes, type StatelessConditionType } from '../../../src/conditions/condition-types.ts'
import { evaluateTrigger } from '../../../src/conditions/evaluate-trigger.ts'
import { createTriggerIndex } from '../../../src/conditions/trigger-index.ts'
import {
  type EventType,
  eventFields,
  eventTypes,
  type RegistryEvent,
  registries,
  registryOf,
} from '../../../src/event.ts'
import { sampleEvent } from '../../support/events.ts'

// Few values, so that many conditions hold.
const values: Record<string, readonly string[]> = {
  address: [`0x${'a'.repeat(40)}`, `0x${'B'.repeat(40)}`],
  integer: ['0', '1', '007', '70'],
  decimal: ['-1', '69.99', '70', '70.0'],
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

/** A trigger of whichever of the conditions can stand together. */
const trigger = fc
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
    return compileTrigger({
      id: JSON.stringify({ chain_id, registry, kept }),
      version: 1,
      generation: 1,
      from_block: null,
      warm_up: false,
      cooldown: null,
      max_fires: null,
      chain_id,
      registry,
      active_since: new Date(0),
      conditions: kept.map((one, position) => ({ ...one, position })),
    })
  })

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

test('asking only the candidates of the index fires the same triggers as asking all of them', () => {
  let fired = 0
  let asked = 0
  let all = 0
  fc.assert(
    fc.property(
      fc.array(trigger, { maxLength: 30 }),
      fc.array(event, { maxLength: 10 }),
      (triggers, events) => {
        const index = createTriggerIndex(triggers)
        for (const one of events) {
          const firing = (list: readonly CompiledTrigger[]) =>
            list
              .filter((each) => evaluateTrigger(each, one).fires)
              .map(({ id }) => id)
              .sort()
          const candidates = index.candidates(one)
          const plain = firing(triggers)
          expect(firing(candidates)).toEqual(plain)
          fired += plain.length
          asked += candidates.length
          all += triggers.length
        }
      },
    ),
    { numRuns: 300 },
  )
  // The property means something only if triggers fire, and the index something only if it leaves some out.
  expect(fired).toBeGreaterThan(100)
  expect(asked).toBeLessThan(all / 2)
})

test('a trigger for one agent is a candidate for that agent only', () => {
  const compile = (id: string, conditions: { condition_type: string; operator?: string; value: unknown }[]) =>
    compileTrigger({
      id,
      version: 1,
      generation: 1,
      from_block: null,
      warm_up: false,
      cooldown: null,
      max_fires: null,
      chain_id: 31337,
      registry: 'reputation',
      active_since: new Date(0),
      conditions: conditions.map((one, position) => ({ ...one, position })),
    })
  const index = createTriggerIndex([
    compile('five', [{ condition_type: 'agent_id_equals', value: 5 }]),
    compile('both lists', [
      { condition_type: 'agent_id_equals', operator: 'in', value: [5, 6] },
      { condition_type: 'agent_id_equals', operator: 'in', value: [6, 7] },
    ]),
    compile('any', []),
  ])
  const candidates = (agent_id: string) =>
    index.candidates(sampleEvent('NewFeedback', { agent_id })).map(({ id }) => id)
  expect(candidates('5').sort()).toEqual(['any', 'five'])
  expect(candidates('6').sort()).toEqual(['any', 'both lists'])
  expect(candidates('7')).toEqual(['any'])
})
