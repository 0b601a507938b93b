import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ConditionInput } from '../../../src/conditions/check-conditions.ts'
import { compileTrigger, type TriggerRow } from '../../../src/conditions/compile-trigger.ts'
import { conditionTypes } from '../../../src/conditions/condition-types.ts'
import { evaluateTrigger } from '../../../src/conditions/evaluate-trigger.ts'
import { type EventType, eventFields, type RegistryEvent, registryOf } from '../../../src/event.ts'
import { sampleEvent } from '../../support/events.ts'

function row(eventType: EventType, conditions: ConditionInput[]): TriggerRow {
  return {
    id: 'trigger',
    version: 1,
    generation: 1,
    from_block: null,
    warm_up: false,
    cooldown: null,
    max_fires: null,
    chain_id: 31337,
    registry: registryOf(eventType),
    active_since: new Date(0),
    conditions: conditions.map((condition, position) => ({ ...condition, position })),
  }
}

function fires(event: RegistryEvent, ...conditions: ConditionInput[]): boolean {
  return evaluateTrigger(compileTrigger(row(event.event_type, conditions)), event).fires
}

const checksummed = '0x5FbDB2315678afecb367f032d93F642f64180aa3'
const other = '0xe7f1725e7734ce288f8367e1bb143e90bb3f0512'

describe('operators, for each kind of field', () => {
  test.each<[EventType, string, string, string, unknown, string | number, boolean]>([
    ['NewFeedback', 'event_type_equals', 'event_type', '=', 'NewFeedback', 'NewFeedback', true],
    ['NewFeedback', 'event_type_equals', 'event_type', '!=', 'FeedbackRevoked', 'NewFeedback', true],
    ['NewFeedback', 'event_type_equals', 'event_type', 'in', ['NewFeedback'], 'FeedbackRevoked', false],
    ['NewFeedback', 'event_type_equals', 'event_type', 'not_in', ['NewFeedback'], 'FeedbackRevoked', true],

    ['NewFeedback', 'agent_id_equals', 'agent_id', '=', 0, '0', true],
    ['NewFeedback', 'agent_id_equals', 'agent_id', '=', '00', '0', true],
    ['NewFeedback', 'agent_id_equals', 'agent_id', '=', `1${'0'.repeat(77)}`, `1${'0'.repeat(77)}`, true],
    ['NewFeedback', 'agent_id_equals', 'agent_id', '=', '9007199254740993', '9007199254740992', false],
    ['NewFeedback', 'agent_id_equals', 'agent_id', '!=', 1, '2', true],
    ['NewFeedback', 'agent_id_equals', 'agent_id', 'in', [1, '2', 3], '2', true],
    ['NewFeedback', 'agent_id_equals', 'agent_id', 'not_in', [1, '2', 3], '2', false],

    ['NewFeedback', 'score_threshold', 'score', '<', 70, '69.999999999999999999', true],
    ['NewFeedback', 'score_threshold', 'score', '<', 70, '70.000', false],
    ['NewFeedback', 'score_threshold', 'score', '<', 70, '9', true],
    ['NewFeedback', 'score_threshold', 'score', '<', 70, '-100', true],
    ['NewFeedback', 'score_threshold', 'score', '<=', '70', '70.000', true],
    ['NewFeedback', 'score_threshold', 'score', '<=', '70', '70.0001', false],
    ['NewFeedback', 'score_threshold', 'score', '>', -1.5, '-1.49', true],
    ['NewFeedback', 'score_threshold', 'score', '>', -1.5, '-1.5', false],
    ['NewFeedback', 'score_threshold', 'score', '>=', 0.1, '0.10', true],
    ['NewFeedback', 'score_threshold', 'score', '>=', 0.1, '0.09', false],
    ['NewFeedback', 'score_threshold', 'score', '=', 70, '70.00', true],
    ['NewFeedback', 'score_threshold', 'score', '!=', 70, '70.00', false],

    ['ValidationResponse', 'response_threshold', 'response', '>=', 100, 100, true],
    ['ValidationResponse', 'response_threshold', 'response', '<', 100, 99, true],
    ['ValidationResponse', 'response_threshold', 'response', '<', 9, 10, false],
    ['ValidationResponse', 'response_threshold', 'response', '=', 0, 0, true],

    ['NewFeedback', 'client_whitelist', 'client_address', '=', checksummed, checksummed.toLowerCase(), true],
    ['NewFeedback', 'client_whitelist', 'client_address', 'in', [other, checksummed], checksummed, true],
    ['NewFeedback', 'client_whitelist', 'client_address', 'not_in', [checksummed], other, true],
    [
      'NewFeedback',
      'client_whitelist',
      'client_address',
      '!=',
      checksummed,
      checksummed.toLowerCase(),
      false,
    ],

    ['NewFeedback', 'tag_equals', 'tag1', '=', 'uptime', 'uptime', true],
    ['NewFeedback', 'tag_equals', 'tag1', '=', 'uptime', 'Uptime', false],
    ['NewFeedback', 'tag_equals', 'tag1', '=', '', '', true],
    ['NewFeedback', 'tag_equals', 'tag2', '!=', 'uptime', 'starred', true],
    ['NewFeedback', 'tag_equals', 'tag2', 'in', ['a', 'b'], 'b', true],
    ['NewFeedback', 'tag_equals', 'tag2', 'not_in', ['a', 'b'], 'b', false],
    ['NewFeedback', 'tag_equals', 'tag1', 'contains', 'time', 'responseTime', false],
    ['NewFeedback', 'tag_equals', 'tag1', 'contains', 'Time', 'responseTime', true],
    ['NewFeedback', 'tag_equals', 'tag1', 'exists', true, 'x', true],
    ['NewFeedback', 'tag_equals', 'tag1', 'exists', true, '', false],
    ['NewFeedback', 'tag_equals', 'tag1', 'exists', false, '', true],
    ['NewFeedback', 'tag_equals', 'tag1', 'exists', false, 'x', false],
  ])('%s: %s %s %s %j, seen %j: %j', (eventType, condition_type, field, operator, value, seen, holds) => {
    const event = sampleEvent(eventType, { [field]: seen })
    expect(fires(event, { condition_type, field, operator, value })).toBe(holds)
  })
})

test('a field that the event does not fill makes a condition not hold, whatever its operator and value', () => {
  const value = { decimal: '1', integer: '1', address: other, text: 'x', hash: 'x', bytes: 'x' }
  for (const [condition_type, { fields, operators }] of Object.entries(conditionTypes)) {
    for (const field of fields.filter((name) => name !== 'event_type')) {
      for (const operator of operators) {
        const { kind, of } = eventFields[field]
        const single = operator === 'exists' ? true : value[kind]
        const condition = {
          condition_type,
          field,
          operator,
          value: operator === 'in' || operator === 'not_in' ? [single] : single,
        }
        const event = sampleEvent(of[0], { [field]: null })
        expect(fires(event, condition), JSON.stringify(condition)).toBe(false)
        if (operator === 'exists') expect(fires(event, { ...condition, value: false })).toBe(true)
      }
    }
  }
})

test('all conditions must hold, and no condition at all lets every event of the registry through', () => {
  const event = sampleEvent('NewFeedback', { agent_id: '5', score: '10' })
  const agent = { condition_type: 'agent_id_equals', value: 5 }
  const low = { condition_type: 'score_threshold', operator: '<', value: 70 }
  const high = { condition_type: 'score_threshold', operator: '>', value: 70 }
  expect(fires(event)).toBe(true)
  expect(fires(event, agent, low)).toBe(true)
  expect(fires(event, agent, high)).toBe(false)
  expect(fires(event, high, agent)).toBe(false)
})

test('a trigger does not fire for an event of another chain or registry', () => {
  const trigger = compileTrigger(row('NewFeedback', []))
  expect(evaluateTrigger(trigger, sampleEvent('FeedbackRevoked')).fires).toBe(true)
  expect(evaluateTrigger(trigger, sampleEvent('NewFeedback', { chain_id: 1 })).fires).toBe(false)
  expect(evaluateTrigger(trigger, sampleEvent('Registered')).fires).toBe(false)
})

test('the evidence names every condition in order, what it asked for and what it saw', () => {
  const trigger = compileTrigger(
    row('NewFeedback', [
      { condition_type: 'score_threshold', operator: '<', value: 70 },
      { condition_type: 'client_whitelist', value: [checksummed] },
    ]),
  )
  const event = sampleEvent('NewFeedback', { score: '12.50', client_address: checksummed.toLowerCase() })
  const score = {
    position: 0,
    condition_type: 'score_threshold',
    field: 'score',
    operator: '<',
    value: '70',
    config: {},
  }
  const client = {
    position: 1,
    condition_type: 'client_whitelist',
    field: 'client_address',
    operator: 'in',
    value: [checksummed.toLowerCase()],
    config: {},
    seen: checksummed.toLowerCase(),
    holds: true,
  }
  expect(evaluateTrigger(trigger, event)).toEqual({
    fires: true,
    evidence: [{ ...score, seen: '12.50', holds: true }, client],
  })

  const tooHigh = { ...event, score: '70' }
  expect(evaluateTrigger(trigger, tooHigh)).toEqual({ fires: false, evidence: [] })
  expect(evaluateTrigger(trigger, tooHigh, { explain: true })).toEqual({
    fires: false,
    evidence: [{ ...score, seen: '70', holds: false }, client],
  })
})

test('a stored condition that this version does not understand is an error that names the trigger', () => {
  const stored = row('NewFeedback', [{ condition_type: 'median_threshold', operator: '<', value: 1 }])
  expect(() => compileTrigger(stored)).toThrow(
    /Trigger trigger cannot be used: its condition 0.condition_type/,
  )
})

test('opposite operators never agree on a filled field', () => {
  const opposites = [
    ['<', '>='],
    ['>', '<='],
    ['=', '!='],
  ] as const
  const number = fc
    .record({ units: fc.integer({ min: -999, max: 999 }), scale: fc.integer({ min: 0, max: 2 }) })
    .map(({ units, scale }) => (units / 10 ** scale).toFixed(scale))
  fc.assert(
    fc.property(fc.constantFrom(...opposites), number, number, ([one, opposite], value, score) => {
      const event = sampleEvent('NewFeedback', { score })
      const holds = (operator: string) => fires(event, { condition_type: 'score_threshold', operator, value })
      expect(holds(one)).toBe(!holds(opposite))
    }),
  )
})
