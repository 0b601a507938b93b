import { describe, expect, it } from 'vitest'
import type { RegistryEvent } from '../../../src/event.ts'
import { sampleEvent } from '../../support/events.ts'
import { evaluateChain } from '../../support/reference/evaluate-chain.ts'
import { sameState } from '../../support/reference/same-state.ts'
import type { Chain, ReferenceCondition, ReferenceTrigger } from '../../support/reference/trigger.ts'

const start = Date.UTC(2026, 0, 1)

/** Feedback for agent 7, `seconds` after the start, in a block of that number, called `e<seconds>`. */
const at = (seconds: number, fields: Partial<RegistryEvent> = {}): RegistryEvent =>
  sampleEvent('NewFeedback', {
    id: `e${seconds}`,
    occurrence: `o${seconds}`,
    block_number: seconds,
    block_time: new Date(start + seconds * 1000),
    ...fields,
  })

const scored = (...scores: string[]) => scores.map((score, index) => at(index + 1, { score }))

const triggerWith = (
  conditions: (Partial<ReferenceCondition> & { condition_type: string })[],
  options: Partial<ReferenceTrigger> = {},
): ReferenceTrigger => ({
  id: 't',
  version: 1,
  generation: 1,
  chain_id: 31337,
  registry: 'reputation',
  active_since: new Date(0),
  from_block: null,
  warm_up: false,
  cooldown: null,
  max_fires: null,
  finality: 'latest',
  actions: [{ finality: null }],
  conditions: conditions.map((condition, position) => ({ ...condition, position })),
  ...options,
})

/** @param until the time of the head in seconds. */
const evaluate = (
  trigger: ReferenceTrigger,
  events: readonly RegistryEvent[],
  { until = events.at(-1)?.block_number ?? 0, finalized = 0 }: { until?: number; finalized?: number } = {},
) => {
  const chain: Chain = { events, head: { block_number: until, time: start + until * 1000 }, finalized }
  return evaluateChain(trigger, chain)
}

const fired = (...given: Parameters<typeof evaluate>) =>
  evaluate(...given).matches.map(({ kind, event_id }) => `${kind} ${event_id}`)

const stateOf = (...given: Parameters<typeof evaluate>) =>
  evaluate(...given).states.map(({ position, scope, remembered }) => [position, ...scope, remembered])

describe('the reference, by hand', () => {
  it('compares single values exactly, and asks all conditions', () => {
    const trigger = triggerWith([
      { condition_type: 'score_threshold', field: 'score', operator: '<', value: '70' },
      { condition_type: 'tag_equals', field: 'tag1', operator: '!=', value: 'spam' },
    ])
    const events = [
      at(1, { score: '69.99999999999999999999' }),
      at(2, { score: '70.000' }),
      at(3, { score: '-1', tag1: 'spam' }),
      at(4, { score: '-1', tag1: '' }),
    ]
    expect(fired(trigger, events)).toEqual(['event e1', 'event e4'])
  })

  it('holds for nothing where the event has no such field, but for exists: false', () => {
    const revoked = sampleEvent('FeedbackRevoked', { id: 'r', block_number: 1 })
    const asks = (operator: string, value: unknown) =>
      triggerWith([{ condition_type: 'tag_equals', field: 'tag1', operator, value }])
    expect(fired(asks('!=', 'x'), [revoked])).toEqual([])
    expect(fired(asks('not_in', ['x']), [revoked])).toEqual([])
    expect(fired(asks('exists', false), [revoked])).toEqual(['event r'])
    expect(fired(asks('exists', false), [at(1, { tag1: '' })])).toEqual(['event e1'])
  })

  it('asks expressions last, and says where they cannot decide', () => {
    const trigger = triggerWith([
      { condition_type: 'expression', value: '100 / (event.agent_id - 1) > 0' },
      { condition_type: 'score_threshold', field: 'score', operator: '>', value: '50' },
    ])
    const events = [
      at(1, { agent_id: '1', score: '50' }),
      at(2, { agent_id: '1', score: '51' }),
      at(3, { agent_id: '2' }),
    ]
    const { undecided, matches } = evaluate(trigger, events)
    expect(undecided.map(({ event_id }) => event_id)).toEqual(['e2'])
    expect(matches.map(({ event_id }) => event_id)).toEqual(['e3'])
  })

  // 80; 80 + 0.5 × (40 - 80) = 60; 60 + 0.5 × (100 - 60) = 80
  it('ema_threshold: the first value, then half of the way to each with a window of 3', () => {
    const trigger = triggerWith([
      {
        condition_type: 'ema_threshold',
        field: 'score',
        operator: '<',
        value: '70',
        config: { window_size: 3 },
      },
    ])
    const events = scored('80', '40', '100')
    expect(fired(trigger, events)).toEqual(['event e2'])
    expect(stateOf(trigger, events)).toEqual([[0, '7', { kind: 'average', average: 80, count: 3 }]])
    expect(evaluate(trigger, events).matches[0]?.seen).toEqual({ 0: 60 })
  })

  it('ema_threshold: only from min_count values on, each agent its own, only with the tag', () => {
    const trigger = triggerWith([
      {
        condition_type: 'ema_threshold',
        field: 'score',
        operator: '>=',
        value: '10',
        config: { alpha: 0.25, min_count: 2, tag: 'quality' },
      },
    ])
    // 10, then 10 + 0.25 × (50 - 10) = 20
    const events = [
      at(1, { score: '10' }),
      at(2, { score: '90', tag1: 'other' }),
      at(3, { score: '90', agent_id: '8' }),
      at(4, { score: '50' }),
    ]
    expect(fired(trigger, events)).toEqual(['event e4'])
    expect(stateOf(trigger, events)).toEqual([
      [0, '7', { kind: 'average', average: 20, count: 2 }],
      [0, '8', { kind: 'average', average: 90, count: 1 }],
    ])
  })

  it('rate_limit: the window begins just after its length ago, and a fire starts again', () => {
    const trigger = triggerWith([
      { condition_type: 'rate_limit', value: '2', config: { time_window: '10s' } },
    ])
    // (1, 11] holds 11 alone. (11 - 10, 11] … then 11 and 20 make two, and 21 is one.
    expect(fired(trigger, [at(1), at(11), at(20), at(21)])).toEqual(['event e20'])
    const goesOn = triggerWith([
      { condition_type: 'rate_limit', value: '2', config: { time_window: '10s', reset_on_trigger: false } },
    ])
    expect(fired(goesOn, [at(1), at(11), at(20), at(21)])).toEqual(['event e20', 'event e21'])
  })

  it('rate_limit: counts what the other conditions let through', () => {
    const trigger = triggerWith([
      { condition_type: 'rate_limit', value: '2', config: { time_window: '1h' } },
      { condition_type: 'ema_threshold', field: 'score', operator: '<', value: '50', config: { alpha: 1 } },
    ])
    expect(fired(trigger, scored('10', '90', '90', '20'))).toEqual(['event e4'])
    expect(stateOf(trigger, scored('10', '90'))).toEqual([
      [0, '7', { kind: 'times', times: [start + 1000], truncated: false }],
      [1, '7', { kind: 'average', average: 90, count: 2 }],
    ])
  })

  it('distinct_count: a client counts once, at the last time that it came', () => {
    const trigger = triggerWith([
      {
        condition_type: 'distinct_count',
        field: 'client_address',
        operator: '>=',
        value: '2',
        config: { time_window: '10s' },
      },
    ])
    const by = (seconds: number, client: string) => at(seconds, { client_address: client })
    // At 11 the a of 1 is gone, but it came again at 5.
    expect(fired(trigger, [by(1, '0xa'), by(5, '0xa'), by(11, '0xb'), by(16, '0xb')])).toEqual(['event e11'])
    expect(stateOf(trigger, [by(1, '0xa'), by(3, '0xb'), by(5, '0xa')])).toEqual([
      [
        0,
        '7',
        {
          kind: 'values',
          lastTimes: [
            ['0xb', start + 3000],
            ['0xa', start + 5000],
          ],
          truncated: false,
        },
      ],
    ])
  })

  it('sum_threshold: exact', () => {
    const trigger = triggerWith([
      {
        condition_type: 'sum_threshold',
        field: 'score',
        operator: '=',
        value: '0.3',
        config: { time_window: '2s' },
      },
    ])
    expect(fired(trigger, scored('0.1', '0.2', '0.1', '0.20000000000000000001'))).toEqual([
      'event e2',
      'event e3',
    ])
    expect(stateOf(trigger, scored('5', '-0.50', '0.5'))).toEqual([
      [
        0,
        '7',
        {
          kind: 'sum',
          entries: [
            [start + 2000, '-0.5'],
            [start + 3000, '0.5'],
          ],
          sum: '0',
          truncated: false,
        },
      ],
    ])
  })

  it('change: crosses with an event, and again only after it was back at the reset', () => {
    const trigger = triggerWith([
      { condition_type: 'change', field: 'score', operator: '<', value: '50', config: { reset: '60' } },
    ])
    const events = scored('10', '70', '49', '55', '40', '60', '50', '49')
    // 10 is where it begins. 55 is not back yet. 60 is.
    expect(fired(trigger, events)).toEqual(['event e3', 'event e8'])
    expect(stateOf(trigger, events)).toEqual([[0, '7', { kind: 'side', armed: false }]])
  })

  it('change: of an average', () => {
    const trigger = triggerWith([
      { condition_type: 'change', field: 'score', operator: '>', value: '50', config: { alpha: 0.5 } },
    ])
    // 40, 60, 50, 75
    expect(fired(trigger, scored('40', '80', '40', '100'))).toEqual(['event e2', 'event e4'])
  })

  it('sequence: a first at most within before a then, used once', () => {
    const step = (operator: string, value: string) => [
      { condition_type: 'score_threshold', field: 'score', operator, value },
    ]
    const config = (first: unknown, second: unknown) => ({
      first,
      // biome-ignore lint/suspicious/noThenProperty: the name that the document has for it
      then: second,
      within: '10s',
    })
    const trigger = triggerWith([
      { condition_type: 'sequence', config: config(step('>=', '50'), step('<', '50')) },
    ])
    const events = [
      at(1, { score: '50' }),
      at(11, { score: '1' }),
      at(12, { score: '1' }),
      at(13, { score: '60' }),
      at(24, { score: '1' }),
    ]
    expect(fired(trigger, events)).toEqual(['event e11'])
    // Both at once: a then of the one before, and the first of the next.
    const both = triggerWith([{ condition_type: 'sequence', config: config(step('>', '0'), step('>', '0')) }])
    expect(fired(both, scored('1', '1', '1'))).toEqual(['event e2', 'event e3'])
  })

  it('absence: when a later block has passed the deadline, once, for the last event', () => {
    const trigger = triggerWith([{ condition_type: 'absence', config: { time_window: '10s' } }])
    expect(fired(trigger, [at(1), at(5)], { until: 15 })).toEqual([])
    expect(fired(trigger, [at(1), at(5)], { until: 16 })).toEqual(['absence e5'])
    // At the very deadline it is in time.
    expect(fired(trigger, [at(1), at(11), at(22)])).toEqual(['absence e11'])
    // Of another registry, but the clock goes on.
    expect(fired(trigger, [at(1), sampleEvent('Transfer', { block_time: at(12).block_time })])).toEqual([
      'absence e1',
    ])
    expect(stateOf(trigger, [at(1), at(5)], { until: 16 })).toEqual([])
  })

  it('cooldown: holds back what follows within its period, and tells of it when that has passed', () => {
    const cooldown = { period: '10s', scope: ['trigger'], digest: true }
    const trigger = triggerWith([], { cooldown })
    const events = [at(1), at(5), at(10), at(11), at(30)]
    expect(fired(trigger, events, { until: 30 })).toEqual([
      'event e1',
      'event e11',
      'digest e10',
      'event e30',
    ])
    const digest = evaluate(trigger, events).matches.find(({ kind }) => kind === 'digest')
    expect(digest).toMatchObject({ occurrence: 'o10#digest', seen: { '-1': 2 }, events: ['e5', 'e10'] })
    expect(evaluate(trigger, events).heldBack.map(({ by, event_id }) => `${by} ${event_id}`)).toEqual([
      'cooldown e5',
      'cooldown e10',
    ])
  })

  it('cooldown of absences: from when they were noticed', () => {
    const trigger = triggerWith([{ condition_type: 'absence', config: { time_window: '1h' } }], {
      cooldown: { period: '10s', scope: ['trigger'], digest: true },
    })
    const events = [at(1), at(4, { agent_id: '8' }), at(6, { agent_id: '9' }), at(11, { agent_id: '10' })]
    // Noticed at 3601, 3604 and 3606, which is told of at 3611, and 3611, which is no longer held back.
    const matches = evaluate(trigger, events, { until: 4000 }).matches
    expect(matches.map(({ kind, event_id }) => `${kind} ${event_id}`)).toEqual([
      'absence e1',
      'digest e6',
      'absence e11',
    ])
    expect(matches[1]?.events).toEqual(['e4', 'e6'])
  })

  it('max_fires: so many within a sliding time, or in all', () => {
    const limit = { count: 2, scope: ['agent'], digest: false }
    const sliding = triggerWith([], { max_fires: { ...limit, within: '10s' } })
    const events = [at(1), at(5), at(6), at(11), at(12), at(15)]
    expect(fired(sliding, events)).toEqual(['event e1', 'event e5', 'event e11', 'event e15'])
    const inAll = triggerWith([], { max_fires: { ...limit, within: null } })
    expect(fired(inAll, [...events, at(20, { agent_id: '8' })])).toEqual([
      'event e1',
      'event e5',
      'event e20',
    ])
  })

  it('history: is nothing before it was switched on, unless from_block or warm_up ask for it', () => {
    const rate = [{ condition_type: 'rate_limit', value: '2', config: { time_window: '1h' } }]
    const events = [at(1), at(2), at(3), at(4)]
    const active_since = at(3).block_time
    expect(fired(triggerWith(rate, { active_since }), events)).toEqual(['event e4'])
    expect(fired(triggerWith(rate, { active_since, warm_up: true }), events)).toEqual(['event e3'])
    expect(fired(triggerWith(rate, { active_since, from_block: 2 }), events)).toEqual(['event e3'])
    expect(fired(triggerWith(rate, { active_since, from_block: 2, warm_up: true }), events)).toEqual([
      'event e2',
      'event e4',
    ])
  })

  it('finality: an action waits for its own block, or for the trigger’s', () => {
    const trigger = triggerWith([], {
      finality: 'finalized',
      actions: [{ finality: null }, { finality: { confirmations: 3 } }, { finality: 'latest' }],
    })
    const waits = (until: number, finalized: number) =>
      evaluate(trigger, [at(10)], { until, finalized }).deliveries.map((delivery) => delivery.waits)
    expect(waits(12, 9)).toEqual([{ on: 'finalized', for: 10 }, { on: 'head', for: 13 }, null])
    expect(waits(13, 10)).toEqual([null, null, null])
  })

  it('knows its states in what the engine stores, and tells them from others', () => {
    expect(sameState({ kind: 'average', average: 60, count: 2 }, { ema: 60, count: 2 })).toBe(true)
    expect(sameState({ kind: 'average', average: 60, count: 2 }, { ema: 60, count: 3 })).toBe(false)
    const times = { kind: 'times' as const, times: [1, 2], truncated: true }
    expect(sameState(times, { times: [1, 2], truncated: true, dropped_at: 1 })).toBe(true)
    expect(sameState(times, { times: [1, 2] })).toBe(false)
    expect(sameState({ kind: 'side', armed: true }, { armed: false })).toBe(false)
  })
})
