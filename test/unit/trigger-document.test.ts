import { describe, expect, test } from 'vitest'
import { knownChains } from '../../src/chains.ts'
import { formatPath, parseTriggerDocument } from '../../src/trigger-document.ts'

const rest = { action_type: 'rest', config: { url: 'https://receiver.example/hook' } }
const low = { condition_type: 'score_threshold', operator: '<', value: 70 }
const document = {
  name: 'Low scores',
  chain_id: 31337,
  registry: 'reputation',
  conditions: [low],
  actions: [rest],
}

/** Every problem of a document, as `path: message`. */
function problemsOf(input: unknown): string[] {
  const result = parseTriggerDocument(input, knownChains)
  if ('ok' in result) return []
  return result.problems.map(({ path, message }) => `${formatPath(path)}: ${message}`)
}

const withConfig = (config: object) => ({
  ...document,
  actions: [{ ...rest, config: { ...rest.config, ...config } }],
})
const withCondition = (condition: unknown) => ({ ...document, conditions: [condition] })

test('what is left out has its default', () => {
  expect(parseTriggerDocument(document, knownChains)).toEqual({
    ok: {
      name: 'Low scores',
      chain_id: 31337,
      registry: 'reputation',
      enabled: true,
      circuit_breaker: { failures: 5, open_for: '1m' },
      finality: 'latest',
      from_block: null,
      warm_up: false,
      cooldown: null,
      max_fires: null,
      conditions: [
        { condition_type: 'score_threshold', field: 'score', operator: '<', value: '70', config: {} },
      ],
      actions: [
        {
          action_type: 'rest',
          priority: 1,
          alerts: false,
          finality: null,
          on_retraction: 'ignore',
          config: {
            url: 'https://receiver.example/hook',
            method: 'POST',
            headers: {},
            timeout_ms: 30_000,
            max_attempts: 8,
          },
        },
      ],
    },
  })
})

test('there are as many attempts as the schedule has room for, unless max_attempts says otherwise', () => {
  const configOf = (config: object) => {
    const result = parseTriggerDocument(withConfig(config), knownChains)
    if ('problems' in result) throw new Error(JSON.stringify(result.problems))
    return result.ok.actions[0]?.config
  }
  const retry_schedule = ['5s', '30m', '24h']
  expect(configOf({ retry_schedule })).toMatchObject({ retry_schedule, max_attempts: 4 })
  expect(configOf({ retry_schedule, max_attempts: 20 })).toMatchObject({ retry_schedule, max_attempts: 20 })
  expect(configOf({ retry_schedule: Array(19).fill('1s') })?.max_attempts).toBe(20)
  expect(configOf({})).not.toHaveProperty('retry_schedule')
})

test('a document without conditions is every event of the registry; without actions it is nothing', () => {
  expect(problemsOf({ ...document, conditions: [] })).toEqual([])
  expect(problemsOf({ ...document, actions: [] })).toEqual([
    'actions: expected a list of 1 to 20 actions; found []',
  ])
})

describe('each wrong field is named with what was expected', () => {
  test.each<[string, unknown, string]>([
    ['no object', 'x', ': expected an object; found "x"'],
    ['a list', [], ': expected an object; found []'],
    [
      'unknown key',
      { ...document, chainId: 1 },
      'chainId: unknown; known are name, description, chain_id, registry, enabled, circuit_breaker, finality, from_block, warm_up, cooldown, max_fires, conditions, actions',
    ],
    ['empty name', { ...document, name: '' }, 'name: expected a text of 1 to 200 characters; found ""'],
    [
      'long description',
      { ...document, description: 'x'.repeat(2001) },
      `description: expected a text of at most 2000 characters; found "${'x'.repeat(79)}…`,
    ],
    [
      'chain as text',
      { ...document, chain_id: '31337' },
      'chain_id: expected a whole number from 1 to 9007199254740991; found "31337"',
    ],
    [
      'huge chain',
      { ...document, chain_id: 1e300 },
      'chain_id: expected a whole number from 1 to 9007199254740991; found 1e+300',
    ],
    [
      'unknown registry',
      { ...document, registry: 'names' },
      'registry: expected one of identity, reputation, validation; found "names"',
    ],
    ['enabled as text', { ...document, enabled: 'yes' }, 'enabled: expected true or false; found "yes"'],
    [
      'too many conditions',
      { ...document, conditions: Array(51).fill(7) },
      `conditions: expected a list of 0 to 50 conditions; found [${'7,'.repeat(39)}7…`,
    ],
    ['condition that is none', withCondition(5), 'conditions[0]: expected an object; found 5'],
    [
      'condition without a type',
      withCondition({ value: 1 }),
      'conditions[0].condition_type: expected the name of a condition type; found nothing',
    ],
    [
      'key of a condition',
      withCondition({ ...low, fields: 'score' }),
      'conditions[0].fields: unknown; known are condition_type, field, operator, value, config',
    ],
    [
      'settings of a condition',
      withCondition({ ...low, config: { alpha: 1 } }),
      'conditions[0].config.alpha: unknown; nothing is known here',
    ],
    [
      'value of a condition',
      withCondition({ ...low, value: 'high' }),
      'conditions[0].value: expected a number, such as 70 or "99.95" (as a string if it has more than 15 digits); found "high"',
    ],
    [
      'action type',
      { ...document, actions: [{ action_type: 'email', config: {} }] },
      'actions[0].action_type: expected one of rest, telegram, mcp; found "email"',
    ],
    [
      'priority',
      { ...document, actions: [{ ...rest, priority: -1 }] },
      'actions[0].priority: expected a whole number from 0 to 2097150; found -1',
    ],
    [
      'no config',
      { ...document, actions: [{ action_type: 'rest' }] },
      'actions[0].config: expected an object; found nothing',
    ],
    [
      'config that is null',
      { ...document, actions: [{ action_type: 'rest', config: null }] },
      'actions[0].config: expected an object; found null',
    ],
    [
      'no URL',
      withConfig({ url: 'receiver' }),
      'actions[0].config.url: expected a URL that begins with http:// or https://',
    ],
    [
      'file URL',
      withConfig({ url: 'file:///etc/passwd' }),
      'actions[0].config.url: expected a URL that begins with http:// or https://',
    ],
    [
      'password in the URL',
      withConfig({ url: 'https://me:secret@receiver.example/' }),
      'actions[0].config.url: expected a URL that begins with http:// or https://, without a user name or password in it: put them into a header',
    ],
    [
      'template in the URL',
      withConfig({ url: 'https://receiver.example/{{ event.id }}' }),
      'actions[0].config.url: expected a URL that begins with http:// or https://: a URL is no template',
    ],
    [
      'method',
      withConfig({ method: 'post' }),
      'actions[0].config.method: expected one of POST, PUT, PATCH, GET, DELETE; found "post"',
    ],
    [
      'header name',
      withConfig({ headers: { 'a b': '1' } }),
      'actions[0].config.headers.a b: expected a header name: letters, digits and -',
    ],
    [
      'header of the connection',
      withConfig({ headers: { 'Content-Length': '1' } }),
      'actions[0].config.headers.Content-Length: this header is set for every request: leave it out',
    ],
    [
      'header with a line break',
      withConfig({ headers: { A: '1\r\nHost: x' } }),
      'actions[0].config.headers.A: expected a text of at most 8192 characters of ASCII in one line',
    ],
    [
      'header of the signature',
      withConfig({ headers: { 'Webhook-Signature': 'v1,x' } }),
      'actions[0].config.headers.Webhook-Signature: this header is set for every request: leave it out',
    ],
    [
      'unknown name in the template of a header',
      withConfig({ headers: { A: '{{ trigger.nothing }}' } }),
      'actions[0].config.headers.A: trigger.nothing is not there. trigger has id, name, version',
    ],
    [
      'unknown name in the template of a query',
      withConfig({ query: { a: '{{ delivery.score }}' } }),
      'actions[0].config.query.a: delivery.score is not there. delivery has id, attempt, kind, original_id',
    ],
    [
      'query that is no text',
      withConfig({ query: { a: 1 } }),
      'actions[0].config.query.a: expected a text of at most 8192 characters',
    ],
    [
      'query without a name',
      withConfig({ query: { '': 'x' } }),
      'actions[0].config.query.: expected a name of 1 to 200 characters',
    ],
    [
      'header that is no text',
      withConfig({ headers: { A: 1 } }),
      'actions[0].config.headers.A: expected a text of at most 8192 characters of ASCII in one line',
    ],
    [
      'time',
      withConfig({ timeout_ms: 999 }),
      'actions[0].config.timeout_ms: expected a whole number from 1000 to 60000; found 999',
    ],
    [
      'attempts',
      withConfig({ max_attempts: 21 }),
      'actions[0].config.max_attempts: expected a whole number from 1 to 20; found 21',
    ],
    [
      'a schedule that is none',
      withConfig({ retry_schedule: '5s' }),
      'actions[0].config.retry_schedule: expected a list of 1 to 19 pauses, such as ["5s", "5m", "2h"]; found "5s"',
    ],
    [
      'an empty schedule',
      withConfig({ retry_schedule: [] }),
      'actions[0].config.retry_schedule: expected a list of 1 to 19 pauses, such as ["5s", "5m", "2h"]; found []',
    ],
    [
      'a schedule without end',
      withConfig({ retry_schedule: Array(20).fill('1s') }),
      expect.stringMatching(/^actions\[0\].config.retry_schedule: expected a list of 1 to 19 pauses, /),
    ],
    [
      'a pause that is too long',
      withConfig({ retry_schedule: ['5s', '25h'] }),
      'actions[0].config.retry_schedule[1]: expected a pause from 1s to 24h, such as 30s, 5m or 2h; found "25h"',
    ],
    [
      'a pause that is a number',
      withConfig({ retry_schedule: [5] }),
      'actions[0].config.retry_schedule[0]: expected a pause from 1s to 24h, such as 30s, 5m or 2h; found 5',
    ],
    [
      'body of a GET',
      withConfig({ method: 'GET', body_template: 'x' }),
      'actions[0].config.body_template: expected nothing: a GET request has no body; found "x"',
    ],
    [
      'template syntax',
      withConfig({ body_template: 'a\n {{ event.id' }),
      'actions[0].config.body_template: output "{{ event.id" not closed (line 2, column 2)',
    ],
    [
      'template syntax inside JSON',
      withConfig({ body_template: { a: [1, '{% if %}'] } }),
      'actions[0].config.body_template.a[1]: invalid value expression: "" (line 1, column 6)',
    ],
    [
      'unknown filter',
      withConfig({ body_template: '{{ event.id | shout }}' }),
      'actions[0].config.body_template: undefined filter: shout (line 1, column 1)',
    ],
    [
      'unknown name in a template',
      withConfig({ body_template: '{{ trigger.owner }}' }),
      'actions[0].config.body_template: trigger.owner is not there. trigger has id, name, version',
    ],
    [
      'unknown root in a template',
      withConfig({ body_template: '{{ agent.id }}' }),
      'actions[0].config.body_template: agent is not there. There are event, trigger, match, state, chain, links, delivery, test, file, alert',
    ],
    ['NUL', { ...document, name: 'a\0' }, 'name: expected a text without NUL characters and lone surrogates'],
    [
      'lone surrogate in a value',
      withCondition({ condition_type: 'tag_equals', value: '\ud800' }),
      'conditions[0].value: expected a text without NUL characters and lone surrogates',
    ],
    [
      'NUL in a key',
      withConfig({ body_template: { 'a\0': 1 } }),
      'actions[0].config.body_template: the key "a\\u0000" cannot be stored',
    ],
    [
      '__proto__',
      withConfig({ body_template: JSON.parse('{"__proto__": 1}') }),
      'actions[0].config.body_template: the key "__proto__" cannot be stored',
    ],
  ])('%s', (_, input, problem) => expect(problemsOf(input)).toEqual([problem]))

  test('an unknown chain', () => {
    expect(problemsOf({ ...document, chain_id: 4 })).toEqual([
      expect.stringMatching(/^chain_id: expected a chain with known registries: 1, 10, .*; found 4$/),
    ])
  })

  test('nesting without end', () => {
    let deep: unknown = 'x'
    for (let level = 0; level < 10_000; level += 1) deep = [deep]
    expect(problemsOf(withConfig({ body_template: deep }))).toEqual([
      expect.stringMatching(/^actions\[0\].config.body_template\[0\].*: nested deeper than 64 levels$/),
    ])
  })
})

test('one answer lists every wrong field of every part', () => {
  const problems = problemsOf({
    name: 5,
    registry: 'reputation',
    chain_id: 4,
    surprise: true,
    conditions: [
      { condition_type: 'nothing' },
      low,
      7,
      { condition_type: 'score_threshold', value: 1 },
      { condition_type: 'file_uri_exists', field: 'token_uri' },
    ],
    actions: [
      { action_type: 'email', config: {} },
      {
        action_type: 'rest',
        config: {
          url: 'x',
          headers: { Host: 'x', b: 2 },
          body_template: ['{{', '{{ x }}'],
          timeout_ms: 0,
          more: 1,
        },
      },
    ],
  })
  expect(problems.map((problem) => problem.split(': ', 1)[0])).toEqual([
    'name',
    'conditions[2]',
    'actions[0].action_type',
    'actions[1].config.url',
    'actions[1].config.headers.Host',
    'actions[1].config.headers.b',
    'actions[1].config.body_template[0]',
    'actions[1].config.body_template[1]',
    'actions[1].config.timeout_ms',
    'actions[1].config.more',
    'surprise',
    'chain_id',
    'conditions[0].condition_type',
    'conditions[3].operator',
    'conditions[4].field',
  ])
})

test('no secret is repeated in a problem', () => {
  const secret = 'hunter2-hunter2'
  const problems = problemsOf(
    withConfig({
      url: `https://me:${secret}@x.example/`,
      headers: {
        A: `${secret}\n`,
        B: { token: secret },
        C: `${secret}{{`,
        D: `x{{${secret}`,
        E: `{% ${secret}`,
      },
      query: { a: [secret] },
    }),
  )
  expect(problems).toHaveLength(7)
  expect(problems.join()).not.toContain(secret)
})

test('an unknown registry does not hide an unknown condition type', () => {
  const problems = problemsOf({ ...withCondition({ ...low, condition_type: 'score' }), registry: 'reviews' })
  expect(problems).toEqual([
    expect.stringMatching(/^registry: expected one of /),
    expect.stringMatching(/^conditions\[0\]\.condition_type: expected one of .*; found "score"$/),
  ])
})
