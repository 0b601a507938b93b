import { describe, expect, test } from 'vitest'
import { knownChains } from '../../src/chains.ts'
import { formatPath, parseTriggerDocument, type TriggerDocument } from '../../src/trigger-document.ts'

const document = {
  name: 'Low scores',
  chain_id: 31337,
  registry: 'reputation',
  conditions: [] as object[],
  actions: [{ action_type: 'rest', config: { url: 'https://receiver.example/hook' } }],
}

function parse(fields: object): TriggerDocument {
  const result = parseTriggerDocument({ ...document, ...fields }, knownChains)
  if ('problems' in result) throw new Error(JSON.stringify(result.problems))
  return result.ok
}

/** Every problem of a document, as `path: message`. */
function problemsOf(fields: object): string[] {
  const result = parseTriggerDocument({ ...document, ...fields }, knownChains)
  if ('ok' in result) return []
  return result.problems.map(({ path, message }) => `${formatPath(path)}: ${message}`)
}

const one = (condition: object) => ({ conditions: [condition] })
const withAction = (fields: object) => ({ actions: [{ ...document.actions[0], ...fields }] })

describe('what is left out of a condition that remembers has its default, and what is stored is read the same', () => {
  const stepFirst = {
    condition_type: 'event_type_equals',
    field: 'event_type',
    operator: '=',
    value: 'NewFeedback',
  }
  const stepThen = { ...stepFirst, value: 'FeedbackRevoked' }
  // biome-ignore lint/suspicious/noThenProperty: the name that the document has for it
  const steps = { first: [stepFirst], then: [stepThen] }
  test.each<[object, object]>([
    [
      { condition_type: 'ema_threshold', operator: '<', value: '070.50', config: { window_size: 10 } },
      { field: 'score', value: '70.5', config: { window_size: 10, min_count: 1, scope: ['agent'] } },
    ],
    [
      {
        condition_type: 'ema_threshold',
        operator: '<',
        value: 1,
        config: { alpha: 1, scope: ['tag', 'agent'], tag: '' },
      },
      {
        field: 'score',
        value: '1',
        config: { alpha: 1, min_count: 1, scope: ['agent', 'tag'], tag: '' },
      },
    ],
    [
      { condition_type: 'distinct_count', value: 3, config: { time_window: '365d' } },
      {
        field: 'client_address',
        operator: '>=',
        value: '3',
        config: { time_window: '365d', scope: ['agent'] },
      },
    ],
    [
      {
        condition_type: 'sum_threshold',
        operator: '>',
        field: 'value',
        value: -5,
        config: { time_window: '1s' },
      },
      { value: '-5', config: { time_window: '1s', scope: ['agent'] } },
    ],
    [
      { condition_type: 'change', operator: '<', value: 70, config: { reset: '080.0', scope: 'trigger' } },
      { field: 'score', value: '70', config: { reset: '80', scope: ['trigger'] } },
    ],
    [
      {
        condition_type: 'sequence',
        config: {
          first: [{ condition_type: 'event_type_equals', value: 'NewFeedback' }],
          // biome-ignore lint/suspicious/noThenProperty: the name that the document has for it
          then: [{ condition_type: 'event_type_equals', value: 'FeedbackRevoked' }],
          within: '5m',
        },
      },
      { field: null, operator: null, value: null, config: { ...steps, within: '5m', scope: ['agent'] } },
    ],
    [
      { condition_type: 'absence', config: { time_window: '1h', scope: 'client' } },
      { field: null, operator: null, value: null, config: { time_window: '1h', scope: ['client'] } },
    ],
    [
      { condition_type: 'rate_limit', value: '5', config: { time_window: '1h' } },
      {
        field: null,
        operator: '>=',
        value: '5',
        config: { time_window: '1h', reset_on_trigger: true, scope: ['agent'] },
      },
    ],
    [
      { condition_type: 'expression', value: 'event.score < 5.0' },
      { field: null, operator: null, value: 'event.score < 5.0', config: {} },
    ],
  ])('%j', (given, stored) => {
    const [condition] = parse(one(given)).conditions
    expect(condition).toEqual({ ...given, ...stored })
    expect(parse(one(condition ?? {})).conditions).toEqual([condition])
  })
})

describe('each wrong value of a condition is named with what was expected', () => {
  const ema = { condition_type: 'ema_threshold', operator: '<', value: 70 }
  const rate = { condition_type: 'rate_limit', value: 3 }
  const window = { time_window: '1h' }
  const typed = (value: string) => ({ condition_type: 'event_type_equals', value })
  const pair = (fields: object) => ({
    condition_type: 'sequence',
    config: {
      first: [typed('NewFeedback')],
      // biome-ignore lint/suspicious/noThenProperty: the name that the document has for it
      then: [typed('FeedbackRevoked')],
      within: '1h',
      ...fields,
    },
  })
  const expectedWindow = 'expected a time from 1s to 365d, such as 30s, 5m, 1h or 7d'
  const expectedScope =
    'expected one of trigger, agent, client, validator, tag, or a list of those beside trigger, such as ["agent","client"]'

  test.each<[string, object, string]>([
    ['no average', { ...ema }, 'config.window_size: expected window_size or alpha; found neither'],
    [
      'alpha',
      { ...ema, config: { alpha: 0 } },
      'config.alpha: expected a number above 0 and at most 1; found 0',
    ],
    [
      'alpha that is too large',
      { ...ema, config: { alpha: 1.1 } },
      'config.alpha: expected a number above 0 and at most 1; found 1.1',
    ],
    [
      'window size',
      { ...ema, config: { window_size: 0 } },
      'config.window_size: expected a whole number from 1 to 1000000; found 0',
    ],
    [
      'least count',
      { ...ema, config: { alpha: 1, min_count: 1.5 } },
      'config.min_count: expected a whole number from 1 to 1000000; found 1.5',
    ],
    [
      'unknown setting',
      { ...ema, config: { alpha: 1, window: 2 } },
      'config.window: unknown; known are window_size, alpha, min_count, scope, tag',
    ],
    [
      'average of a text',
      { ...ema, field: 'tag1', config: { alpha: 1 } },
      'field: expected one of score, response, value for ema_threshold; found "tag1"',
    ],
    [
      'field of another registry',
      { ...ema, field: 'response', config: { alpha: 1 } },
      'field: no NewFeedback or FeedbackRevoked or ResponseAppended event fills response. They fill agent_id, client_address, feedback_index, value, value_decimals, score, tag1, tag2, endpoint, file_uri, file_hash, responder, response_uri, response_hash',
    ],
    [
      'value',
      { ...ema, value: 'x', config: { alpha: 1 } },
      'value: expected a number, such as 70 or "99.95" (as a string if it has more than 15 digits); found "x"',
    ],
    ['no window', rate, `config.time_window: ${expectedWindow}; found nothing`],
    [
      'window without a unit',
      { ...rate, config: { time_window: '60' } },
      `config.time_window: ${expectedWindow}; found "60"`,
    ],
    [
      'window of nothing',
      { ...rate, config: { time_window: '0s' } },
      `config.time_window: ${expectedWindow}; found "0s"`,
    ],
    [
      'window of more than a year',
      { ...rate, config: { time_window: '366d' } },
      `config.time_window: ${expectedWindow}; found "366d"`,
    ],
    [
      'count of none',
      { ...rate, value: 0, config: window },
      'value: expected a whole number from 1 to 999; found 0',
    ],
    [
      'count past the bound',
      { ...rate, value: 1000, config: window },
      'value: expected a whole number from 1 to 999; found 1000',
    ],
    [
      'field of a rate',
      { ...rate, field: 'score', config: window },
      'field: expected nothing for rate_limit; found "score"',
    ],
    [
      'operator of a rate',
      { ...rate, operator: 'in', config: window },
      'operator: expected one of >=, >, <, <=, =, != for rate_limit; found "in"',
    ],
    [
      'reset',
      { ...rate, config: { ...window, reset_on_trigger: 'yes' } },
      'config.reset_on_trigger: expected true or false; found "yes"',
    ],
    [
      'scope',
      { ...rate, config: { ...window, scope: 'owner' } },
      `config.scope: ${expectedScope}; found "owner"`,
    ],
    [
      'empty scope',
      { ...rate, config: { ...window, scope: [] } },
      `config.scope: ${expectedScope}; found []`,
    ],
    [
      'scope that contradicts itself',
      { ...rate, config: { ...window, scope: ['trigger', 'agent'] } },
      `config.scope: ${expectedScope}; found ["trigger","agent"]`,
    ],
    [
      'scope twice',
      { ...rate, config: { ...window, scope: ['agent', 'agent'] } },
      `config.scope: ${expectedScope}; found ["agent","agent"]`,
    ],
    [
      'scope that no event fills',
      { ...rate, config: { ...window, scope: ['agent', 'validator'] } },
      'config.scope: expected another scope: no NewFeedback or FeedbackRevoked or ResponseAppended event fills validator_address; found ["agent","validator"]',
    ],
    [
      'tag',
      { ...rate, config: { ...window, tag: 5 } },
      'config.tag: expected a text of at most 1000 characters; found 5',
    ],
    [
      'reset on the wrong side',
      { condition_type: 'change', operator: '<', value: 70, config: { reset: 60 } },
      'config.reset: expected a number from the value up, which is 70; found 60',
    ],
    [
      'reset on the other wrong side',
      { condition_type: 'change', operator: '>=', value: 70, config: { reset: 80 } },
      'config.reset: expected a number up to the value, which is 70; found 80',
    ],
    [
      'direction',
      { condition_type: 'change', operator: '=', value: 70 },
      'operator: expected one of <, <=, >, >= for change; found "="',
    ],
    ['no steps', pair({ first: [] }), 'config.first: expected a list of 1 to 10 conditions; found []'],
    ['step that is none', pair({ first: [7] }), 'config.first[0]: expected an object; found 7'],
    [
      'step that remembers',
      pair({ first: [{ ...rate, config: window }] }),
      'config.first[0].condition_type: expected one of event_type_equals, agent_id_equals, owner_equals, metadata_key_equals, score_threshold, tag_equals, client_whitelist, response_threshold, validator_whitelist, file_uri_exists; found "rate_limit"',
    ],
    [
      'key of a step',
      pair({ first: [{ ...typed('NewFeedback'), type: 1 }] }),
      'config.first[0].type: unknown; known are condition_type, field, operator, value, config',
    ],
    [
      'value of a step',
      pair({ first: [typed('Transfer')] }),
      'config.first[0].value: expected an event type of the reputation registry (NewFeedback, FeedbackRevoked, ResponseAppended); found "Transfer"',
    ],
    [
      'steps that no event meets',
      pair({ first: [typed('NewFeedback'), { ...typed('NewFeedback'), operator: '!=' }] }),
      'config.first[1].value: no event can meet these conditions: those before leave only NewFeedback',
    ],
    ['value of a sequence', { ...pair({}), value: 1 }, 'value: expected nothing for sequence; found 1'],
    [
      'operator of an absence',
      { condition_type: 'absence', operator: '=', config: window },
      'operator: expected nothing for absence; found "="',
    ],
    [
      'expression that is none',
      { condition_type: 'expression', value: 5 },
      'value: expected an expression, such as "event.score < 70.0 || event.tag1 == \'starred\'"; found 5',
    ],
    [
      'settings of an expression',
      { condition_type: 'expression', value: 'event.score < 5.0', config: { limit: 1 } },
      'config.limit: unknown; nothing is known here',
    ],
  ])('%s', (_, condition, problem) => {
    expect(problemsOf(one(condition))).toEqual([`conditions[0].${problem}`])
  })

  test('all wrong settings of one condition are listed', () => {
    expect(problemsOf(one({ condition_type: 'rate_limit', value: 0, config: { scope: 1 } }))).toHaveLength(3)
  })

  test('an absence stands alone among the conditions that remember', () => {
    const conditions = [
      { ...rate, config: window },
      { condition_type: 'absence', config: window },
    ]
    expect(problemsOf({ conditions })).toEqual([
      'conditions[1].condition_type: absence has to be the only condition of the trigger that remembers something: leave out the others',
    ])
  })

  test('what an expression of the trigger can see is what its other conditions leave', () => {
    const conditions = [
      { condition_type: 'expression', value: 'event.score < 5.0' },
      typed('FeedbackRevoked'),
    ]
    expect(problemsOf({ conditions })).toEqual([
      expect.stringMatching(/^conditions\[0\]\.value: no FeedbackRevoked event fills score\./),
    ])
  })

  test('a trigger that could never fire, since what remembers looks at different events, is refused', () => {
    const conditions = [{ ...ema, config: { alpha: 1 } }, pair({})]
    expect(problemsOf({ conditions })).toEqual([
      'conditions[1].condition_type: the trigger could never fire: the conditions before leave only NewFeedback',
    ])
  })
})

describe('options', () => {
  test('are stored as they are given, with what is left out', () => {
    const options = {
      finality: { confirmations: 12 },
      from_block: 0,
      warm_up: true,
      cooldown: { period: '1h' },
      max_fires: { count: 3, within: '1d', scope: ['tag', 'client'], digest: true },
    }
    const read = parse({ ...options, ...withAction({ finality: 'finalized', on_retraction: 'notify' }) })
    expect(read).toMatchObject({
      ...options,
      cooldown: { period: '1h', scope: ['agent'], digest: false },
      max_fires: { count: 3, within: '1d', scope: ['client', 'tag'], digest: true },
      actions: [{ finality: 'finalized', on_retraction: 'notify' }],
    })
    expect(parse(read)).toEqual(read)
  })

  const finality = 'expected "latest", "finalized" or {"confirmations": n} with n from 1 to 10000'
  const time = 'expected a time from 1s to 365d, such as 30s, 5m, 1h or 7d'
  test.each<[string, object, string]>([
    ['finality', { finality: 'safe' }, `finality: ${finality}; found "safe"`],
    [
      'no confirmations',
      { finality: { confirmations: 0 } },
      'finality.confirmations: expected a whole number from 1 to 10000; found 0',
    ],
    [
      'many confirmations',
      { finality: { confirmations: 10_001 } },
      'finality.confirmations: expected a whole number from 1 to 10000; found 10001',
    ],
    ['finality of an action', withAction({ finality: {} }), `actions[0].finality: ${finality}; found {}`],
    [
      'retraction',
      withAction({ on_retraction: 'tell' }),
      'actions[0].on_retraction: expected one of ignore, notify; found "tell"',
    ],
    ['block', { from_block: -1 }, 'from_block: expected a whole number from 0 to 9007199254740991; found -1'],
    ['warm-up', { warm_up: 1 }, 'warm_up: expected true or false; found 1'],
    ['cooldown that is none', { cooldown: '1h' }, 'cooldown: expected an object; found "1h"'],
    ['period', { cooldown: { period: '1 h' } }, `cooldown.period: ${time}; found "1 h"`],
    ['no period', { cooldown: {} }, `cooldown.period: ${time}; found nothing`],
    ['digest', { cooldown: { period: '1h', digest: 1 } }, 'cooldown.digest: expected true or false; found 1'],
    [
      'scope',
      { cooldown: { period: '1h', scope: 'owner' } },
      'cooldown.scope: expected one of trigger, agent, client, validator, tag, or a list of those beside trigger; found "owner"',
    ],
    [
      'scope that no event fills',
      { cooldown: { period: '1h', scope: 'validator' } },
      'cooldown.scope: expected another scope: no NewFeedback or FeedbackRevoked or ResponseAppended event fills validator_address; found "validator"',
    ],
    [
      'key of a cooldown',
      { cooldown: { period: '1h', count: 2 } },
      'cooldown.count: unknown; known are period, scope, digest',
    ],
    [
      'count',
      { max_fires: { count: 1001 } },
      'max_fires.count: expected a whole number from 1 to 1000; found 1001',
    ],
    ['within', { max_fires: { count: 1, within: 60 } }, `max_fires.within: ${time}; found 60`],
    [
      'digest that would never come',
      { max_fires: { count: 1, digest: true } },
      'max_fires.digest: expected false: without within, what was held back never ends; found true',
    ],
  ])('%s', (_, fields, problem) => expect(problemsOf(fields)).toEqual([problem]))
})
