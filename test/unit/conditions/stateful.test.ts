import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ConditionInput } from '../../../src/conditions/check-conditions.ts'
import { compileTrigger } from '../../../src/conditions/compile-trigger.ts'
import type { CompiledStateful, State, StepOutcome } from '../../../src/conditions/compiled-trigger.ts'
import { type EventType, type RegistryEvent, registryOf } from '../../../src/event.ts'
import { sampleEvent } from '../../support/events.ts'

function compile(condition: ConditionInput, eventType: EventType = 'NewFeedback'): CompiledStateful {
  const trigger = compileTrigger({
    id: 'trigger',
    version: 1,
    generation: 1,
    chain_id: 31337,
    registry: registryOf(eventType),
    active_since: new Date(0),
    from_block: null,
    warm_up: false,
    cooldown: null,
    max_fires: null,
    conditions: [{ position: 0, ...condition }],
  })
  const [only] = trigger.stateful
  if (only === undefined) throw new Error('The condition is not stateful')
  return only
}

/** One event: when (s), and what it says. Whole hundredths, so that a sum in units is exact. */
type Happening = {
  at: number
  units: number
  client: string
  tag1: string
  type: 'NewFeedback' | 'FeedbackRevoked'
}

/** Happenings in the order of their times, often at the same time and often exactly a window apart. */
const happenings = fc
  .array(
    fc.record({
      pause: fc.constantFrom(0, 0, 1, 5, 9, 10, 11, 20),
      units: fc.integer({ min: -500, max: 500 }),
      client: fc.constantFrom('0xa', '0xb', '0xc'),
      tag1: fc.constantFrom('', 'uptime', 'starred'),
      type: fc.constantFrom('NewFeedback', 'NewFeedback', 'FeedbackRevoked' as const),
    }),
    { maxLength: 40 },
  )
  .map((list) => {
    let at = 1_700_000_000
    return list.map(({ pause, ...rest }): Happening => {
      at += pause
      return { at, ...rest } as Happening
    })
  })

function eventOf({ at, units, client, tag1, type }: Happening, index = 0): RegistryEvent {
  const fields =
    type === 'NewFeedback' ? { score: (units / 100).toFixed(2), tag1 } : { score: null, tag1: null }
  return sampleEvent(type, {
    ...fields,
    id: `event-${index}`,
    occurrence: `occurrence-${index}`,
    block_number: index,
    client_address: client,
    block_time: new Date(at * 1000),
  })
}

/** Steps over all events, with every state written to JSON and read again as the database does. */
function run(condition: CompiledStateful, events: readonly RegistryEvent[]): StepOutcome[] {
  let state: State | undefined
  return events.map((event) => {
    const outcome = condition.step(state, event, undefined)
    state = outcome.state === undefined ? undefined : JSON.parse(JSON.stringify(outcome.state))
    expect(condition.step(outcome.state, event, undefined)).toEqual(condition.step(state, event, undefined))
    return outcome
  })
}

const windowOf = (list: readonly Happening[], index: number, width: number) => {
  const now = list[index]?.at ?? 0
  return list.slice(0, index + 1).filter(({ at }) => at > now - width && at <= now)
}

test('a rate limit counts what a naive look at (t - w, t] counts', () => {
  const limit = compile({
    condition_type: 'rate_limit',
    value: 3,
    config: { time_window: '10s', scope: 'trigger' },
  })
  fc.assert(
    fc.property(happenings, (list) => {
      const counts = list.map((_, index) => windowOf(list, index, 10).length)
      const outcomes = run(limit, list.map(eventOf))
      expect(outcomes.map(({ seen }) => seen)).toEqual(counts)
      expect(outcomes.map(({ holds }) => holds)).toEqual(counts.map((count) => count >= 3))
    }),
  )
})

test('distinct values are those that a naive look at (t - w, t] finds; events without the field are passed over', () => {
  const count = (config: object) =>
    compile({ condition_type: 'distinct_count', value: 2, config: { time_window: '10s', ...config } })
  fc.assert(
    fc.property(happenings, (list) => {
      const found = list.map(
        (_, index) => new Set(windowOf(list, index, 10).map(({ client }) => client)).size,
      )
      expect(run(count({}), list.map(eventOf)).map(({ seen }) => seen)).toEqual(found)

      const tagged = list.map((one, index) =>
        one.type === 'NewFeedback' && one.tag1 === 'uptime'
          ? new Set(
              windowOf(list, index, 10)
                .filter(({ type, tag1 }) => type === 'NewFeedback' && tag1 === 'uptime')
                .map(({ client }) => client),
            ).size
          : null,
      )
      const outcomes = run(count({ tag: 'uptime' }), list.map(eventOf))
      expect(outcomes.map(({ seen }) => seen)).toEqual(tagged)
      expect(outcomes.map(({ holds }) => holds)).toEqual(tagged.map((size) => size !== null && size >= 2))
    }),
  )
})

test('a sum is exact, over (t - w, t]', () => {
  const sum = compile({
    condition_type: 'sum_threshold',
    operator: '<',
    value: '0.5',
    config: { time_window: '10s' },
  })
  fc.assert(
    fc.property(happenings, (list) => {
      const outcomes = run(sum, list.map(eventOf))
      for (const [index, { type }] of list.entries()) {
        const units = windowOf(list, index, 10)
          .filter((one) => one.type === 'NewFeedback')
          .reduce((total, one) => total + one.units, 0)
        const { seen, holds } = outcomes[index] ?? {}
        if (type !== 'NewFeedback') expect([seen, holds]).toEqual([null, false])
        else expect([Number(seen), holds]).toEqual([units / 100, units < 50])
      }
    }),
  )
})

test('sums have as many digits as it takes', () => {
  const sum = compile({
    condition_type: 'sum_threshold',
    operator: '=',
    value: '0',
    config: { time_window: '1h' },
  })
  const at = (score: string) => sampleEvent('NewFeedback', { score })
  const outcomes = run(sum, [
    at(`${'9'.repeat(60)}.000000000000000001`),
    at('0.000000000000000009'),
    at(`-${'9'.repeat(60)}.00000000000000001`),
  ])
  expect(outcomes.map(({ seen, holds }) => [seen, holds])).toEqual([
    [`${'9'.repeat(60)}.000000000000000001`, false],
    [`${'9'.repeat(60)}.00000000000000001`, false],
    ['0', true],
  ])
})

test('an average is what a naive loop over all values comes to', () => {
  fc.assert(
    fc.property(
      happenings,
      fc.oneof(
        fc.record({ window_size: fc.integer({ min: 1, max: 50 }) }),
        fc.record({ alpha: fc.constantFrom(0.1, 0.5, 1) }),
      ),
      fc.integer({ min: 1, max: 4 }),
      (list, config, min_count) => {
        const alpha = 'alpha' in config ? config.alpha : 2 / (config.window_size + 1)
        const average = compile({
          condition_type: 'ema_threshold',
          operator: '>=',
          value: 0,
          config: { ...config, min_count },
        })
        const outcomes = run(average, list.map(eventOf))
        let expected: number | undefined
        let taken = 0
        for (const [index, { units, type }] of list.entries()) {
          const { seen, holds, state } = outcomes[index] ?? {}
          if (type !== 'NewFeedback') {
            expect([seen, holds]).toEqual([null, false])
            continue
          }
          expected = expected === undefined ? units / 100 : expected + alpha * (units / 100 - expected)
          taken += 1
          expect([seen, holds]).toEqual([expected, taken >= min_count && expected >= 0])
          expect(state).toEqual({ ema: expected, count: taken })
        }
      },
    ),
  )
})

test('the average of equal values is that value, to the last bit', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -10_000, max: 10_000 }),
      fc.integer({ min: 1, max: 1000 }),
      (units, window_size) => {
        const average = compile({
          condition_type: 'ema_threshold',
          operator: '!=',
          value: (units / 100).toFixed(2),
          config: { window_size },
        })
        const event = sampleEvent('NewFeedback', { score: (units / 100).toFixed(2) })
        expect(run(average, Array(20).fill(event)).some(({ holds }) => holds)).toBe(false)
      },
    ),
  )
})

describe('change', () => {
  const below = (config: Record<string, unknown> = {}) =>
    compile({ condition_type: 'change', operator: '<', value: 70, config })
  const crossings = (condition: CompiledStateful, scores: readonly number[]) =>
    run(
      condition,
      scores.map((score) => sampleEvent('NewFeedback', { score: String(score) })),
    ).map(({ holds }) => holds)

  test('holds with the event that crosses the level, and not while it stays there', () => {
    expect(crossings(below(), [80, 60, 50, 70, 69, 69, 71, 1])).toEqual([
      false,
      true,
      false,
      false,
      true,
      false,
      false,
      true,
    ])
  })

  test('the first value crosses nothing', () => {
    expect(crossings(below(), [10, 20, 70, 60])).toEqual([false, false, false, true])
  })

  test('with a reset it crosses again only after it went back that far', () => {
    expect(crossings(below({ reset: 80 }), [90, 60, 79.99, 60, 80, 69])).toEqual([
      false,
      true,
      false,
      false,
      false,
      true,
    ])
    const above = compile({ condition_type: 'change', operator: '>=', value: 70, config: { reset: 60 } })
    expect(crossings(above, [50, 70, 60, 70, 59, 70])).toEqual([false, true, false, false, false, true])
  })

  test('an average crosses later than its values', () => {
    // The averages: 100, 80, 70, 65, 82.5.
    const averaged = below({ alpha: 0.5 })
    expect(crossings(averaged, [100, 60, 60, 60, 100])).toEqual([false, false, false, true, false])
  })

  test('without a reset it holds exactly where the comparison begins to', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('<', '<=', '>', '>='),
        fc.array(fc.integer({ min: 68, max: 72 })),
        (operator, scores) => {
          const holds = (score: number) =>
            ({ '<': score < 70, '<=': score <= 70, '>': score > 70, '>=': score >= 70 })[operator]
          const expected = scores.map(
            (score, index) => index > 0 && holds(score) === true && holds(scores[index - 1] ?? 0) === false,
          )
          expect(crossings(compile({ condition_type: 'change', operator, value: 70 }), scores)).toEqual(
            expected,
          )
        },
      ),
    )
  })
})

describe('sequence', () => {
  const first = { condition_type: 'tag_equals', value: 'uptime' }
  const follows = (config: object = {}) =>
    compile({
      condition_type: 'sequence',
      config: {
        first: [first],
        // biome-ignore lint/suspicious/noThenProperty: the name that the document has for it
        then: [{ condition_type: 'event_type_equals', value: 'FeedbackRevoked' }],
        within: '10s',
        ...config,
      },
    })
  const holdsOf = (condition: CompiledStateful, list: readonly Happening[]) =>
    run(condition, list.map(eventOf)).map(({ holds }) => holds)

  test('holds for what a naive search backwards finds: a first that no other has used, at most so long ago', () => {
    fc.assert(
      fc.property(happenings, (list) => {
        const isFirst = ({ type, tag1 }: Happening) => type === 'NewFeedback' && tag1 === 'uptime'
        const found: boolean[] = []
        for (const [index, { at, type }] of list.entries()) {
          const since = found.lastIndexOf(true)
          const firsts = list.slice(since + 1, index).filter(isFirst)
          found.push(type === 'FeedbackRevoked' && firsts.some((one) => at - one.at <= 10))
        }
        expect(holdsOf(follows(), list)).toEqual(found)
      }),
    )
  })

  test('an event that is both is the second of one pair and then the first of the next', () => {
    const both = follows({
      // biome-ignore lint/suspicious/noThenProperty: the name that the document has for it
      then: [first],
    })
    const at = (s: number): Happening => ({
      at: s,
      units: 0,
      client: '0xa',
      tag1: 'uptime',
      type: 'NewFeedback',
    })
    expect(holdsOf(both, [at(100), at(110), at(121), at(121)])).toEqual([false, true, false, true])
  })
})

describe('absence', () => {
  const missing = (config: object = {}) =>
    compile({ condition_type: 'absence', config: { time_window: '1m', ...config } })

  test('waits from each event on, and fires once for the last one', () => {
    const condition = missing()
    const list: Happening[] = [0, 59, 60].map((s) => ({
      at: 1000 + s,
      units: 0,
      client: '0xa',
      tag1: '',
      type: 'NewFeedback',
    }))
    const outcomes = run(condition, list.map(eventOf))
    expect(outcomes.map(({ holds, wakeAt }) => [holds, wakeAt])).toEqual([
      [false, 1_060_000],
      [false, 1_119_000],
      [false, 1_120_000],
    ])
    const state = outcomes[2]?.state ?? {}
    const anchor = { event_id: 'event-2', occurrence: 'occurrence-2', block_number: 2, block_time: 1_060_000 }
    expect(condition.wake?.(state, 1_120_000)).toEqual({ holds: true, seen: 60, state: undefined, anchor })
    // What the engine adds to the state stays out of the anchor.
    expect(condition.wake?.({ ...state, limit_scopes: ['5'] }, 1_120_000).anchor).toEqual(anchor)
  })

  test('an event that it does not use moves no deadline', () => {
    const condition = missing({ tag: 'uptime' })
    const events = [
      sampleEvent('NewFeedback', { tag1: 'uptime', block_time: new Date(1_000_000) }),
      sampleEvent('NewFeedback', { tag1: 'other', block_time: new Date(1_030_000) }),
    ]
    const [used, passed] = run(condition, events)
    expect(passed?.wakeAt).toBe(1_060_000)
    expect(passed?.state).toEqual(used?.state)
  })
})

describe('what a state may hold', () => {
  const many = Array.from({ length: 1500 }, (_, index) =>
    sampleEvent('NewFeedback', {
      client_address: `0x${index}`,
      score: '1',
      block_time: new Date(1_000_000 + index * 1000),
    }),
  )
  const later = sampleEvent('NewFeedback', {
    client_address: '0xlater',
    score: '1',
    block_time: new Date(1_000_000 + 2_500_000),
  })

  test.each([
    ['rate_limit', { value: 999 }],
    ['distinct_count', { value: 999 }],
    ['sum_threshold', { operator: '>=', value: 999 }],
  ])('%s keeps the newest 1,000 entries, and says so while there were more', (condition_type, rest) => {
    const condition = compile({ condition_type, ...rest, config: { time_window: '2000s' } })
    let state: State | undefined
    for (const [index, event] of many.entries()) {
      const outcome = condition.step(state, event, undefined)
      const held = Math.min(index + 1, 1000)
      expect(Number(outcome.seen)).toBe(held)
      expect(outcome.holds).toBe(index + 1 >= 999)
      expect(outcome.state?.truncated).toBe(index < 1000 ? undefined : true)
      state = outcome.state
    }
    // The window has left everything behind that was dropped.
    const after = condition.step(state, later, undefined)
    expect(after.state).not.toHaveProperty('truncated')
    expect(Number(after.seen)).toBe(1000)
  })

  test('values and scopes of any length take little room, and stay apart', () => {
    const long = `${'x'.repeat(1_000_000)}1`
    const other = `${'x'.repeat(1_000_000)}2`
    const condition = compile({
      condition_type: 'distinct_count',
      field: 'tag2',
      value: 4,
      config: { time_window: '1h', scope: 'tag' },
    })
    const tagged = (tag: string) => sampleEvent('NewFeedback', { tag1: tag, tag2: tag })
    const hash = condition.scopeOf(tagged(long))
    // Who writes the hash of a tag as a tag does not get its state.
    const keys = [long, other, hash, 'x'.repeat(200), 'x'.repeat(201)].map((tag) =>
      condition.scopeOf(tagged(tag)),
    )
    expect(new Set(keys).size).toBe(5)
    expect(keys.every((key) => key.length <= 200)).toBe(true)
    const outcomes = run(condition, [long, other, hash, long].map(tagged))
    expect(outcomes.map(({ seen }) => seen)).toEqual([1, 2, 3, 3])
    expect(JSON.stringify(outcomes[3]?.state).length).toBeLessThan(500)
  })
})

describe('scopes', () => {
  const scopeOf = (scope: unknown, event: RegistryEvent) =>
    compile({ condition_type: 'rate_limit', value: 1, config: { time_window: '1s', scope } }).scopeOf(event)

  test('each name is a value of the event; a list of them is one key', () => {
    const event = sampleEvent('NewFeedback', { agent_id: '7', client_address: '0xc', tag1: 'uptime' })
    expect(scopeOf(undefined, event)).toBe('7')
    expect(scopeOf('trigger', event)).toBe('')
    expect(scopeOf('client', event)).toBe('0xc')
    expect(scopeOf('tag', event)).toBe('uptime')
    expect(scopeOf(['tag', 'agent'], event)).toBe('["7","uptime"]')
    expect(scopeOf(['agent', 'tag'], event)).toBe(scopeOf(['tag', 'agent'], event))
    expect(scopeOf('tag', sampleEvent('FeedbackRevoked'))).toBe('')
  })

  test('no two combinations share a key', () => {
    const text = fc.oneof(fc.constantFrom('', '"', ',', '","', '[', 'a'), fc.string())
    fc.assert(
      fc.property(text, text, text, text, (a, b, c, d) => {
        const key = (client_address: string, tag1: string) =>
          scopeOf(['client', 'tag'], sampleEvent('NewFeedback', { client_address, tag1 }))
        expect(key(a, b) === key(c, d)).toBe(a === c && b === d)
      }),
    )
  })
})

test('a rate limit steps after all others, wherever it stands, and starts again after it fired', () => {
  const trigger = compileTrigger({
    id: 'trigger',
    version: 1,
    generation: 1,
    chain_id: 31337,
    registry: 'reputation',
    active_since: new Date(0),
    from_block: null,
    warm_up: false,
    cooldown: { period: '1h', scope: ['agent'], digest: true },
    max_fires: { count: 3, within: null, scope: ['trigger'], digest: false },
    conditions: [
      { position: 0, condition_type: 'rate_limit', value: 2, config: { time_window: '1m' } },
      { position: 1, condition_type: 'distinct_count', value: 2, config: { time_window: '1m' } },
      {
        position: 2,
        condition_type: 'rate_limit',
        value: 5,
        config: { time_window: '1h', reset_on_trigger: false },
      },
      { position: 3, condition_type: 'expression', value: 'event.score < 50.0' },
      { position: 4, condition_type: 'agent_id_equals', operator: 'in', value: [7, 8] },
    ],
  })
  expect(trigger.stateful.map(({ position, last }) => [position, last])).toEqual([
    [1, false],
    [0, true],
    [2, true],
  ])
  expect(trigger.conditions.map(({ position }) => position)).toEqual([4, 3])
  expect(trigger.agentIds).toEqual(['7', '8'])
  const [, resetting, keeping] = trigger.stateful
  expect(resetting?.afterFire?.({ times: [1] })).toBeUndefined()
  expect(resetting).toHaveProperty('afterFire')
  expect(keeping).not.toHaveProperty('afterFire')
  expect(trigger.limits.map(({ scopeOf: _, ...limit }) => limit)).toEqual([
    { kind: 'cooldown', count: 1, within: 3_600_000, digest: true },
    { kind: 'max_fires', count: 3, within: undefined, digest: false },
  ])
})

test('the event types of a trigger are those that fire and those that only move its state', () => {
  const typesOf = (...conditions: ConditionInput[]) =>
    compileTrigger({
      id: 'trigger',
      version: 1,
      generation: 1,
      chain_id: 31337,
      registry: 'reputation',
      active_since: new Date(0),
      from_block: null,
      warm_up: false,
      cooldown: null,
      max_fires: null,
      conditions: conditions.map((condition, position) => ({ ...condition, position })),
    }).eventTypes
  const average = { condition_type: 'ema_threshold', operator: '<', value: 1, config: { window_size: 3 } }
  expect(typesOf(average)).toEqual(['NewFeedback'])
  const clients = { condition_type: 'distinct_count', value: 2, config: { time_window: '1m' } }
  expect(typesOf(average, clients)).toEqual(['NewFeedback', 'FeedbackRevoked', 'ResponseAppended'])
  const pair = {
    condition_type: 'sequence',
    config: {
      first: [{ condition_type: 'event_type_equals', value: 'NewFeedback' }],
      // biome-ignore lint/suspicious/noThenProperty: the name that the document has for it
      then: [{ condition_type: 'event_type_equals', value: 'FeedbackRevoked' }],
      within: '1d',
    },
  }
  expect(typesOf(pair)).toEqual(['NewFeedback', 'FeedbackRevoked'])
})
