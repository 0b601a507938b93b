import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildDeliveryScope, type DeliveryScope } from '../../src/delivery-scope.ts'
import { PermanentError } from '../../src/errors.ts'
import { type JsonValue, renderBody } from '../../src/render-template.ts'
import { sampleEvent } from '../support/events.ts'

function scopeOf(fields: Parameters<typeof sampleEvent>[1] = {}): DeliveryScope {
  return buildDeliveryScope({
    event: sampleEvent('NewFeedback', { args: { note: 'n', list: [1, 2] }, ...fields }),
    trigger: { id: 'trigger-1', name: 'Low scores', version: 3 },
    evidence: [{ position: 0, field: 'score', seen: '12.5' }],
    delivery: { id: 'delivery-1', attempt: 2, kind: 'match' },
  })
}

function failureOf(template: JsonValue, scope = scopeOf()): string {
  try {
    renderBody(template, scope)
  } catch (error) {
    expect(error).toBeInstanceOf(PermanentError)
    return (error as Error).message
  }
  return expect.fail('it was rendered')
}

test('without a template the body is the default payload, the same for every attempt', () => {
  const first = scopeOf()
  const body = JSON.parse(renderBody(undefined, first))
  expect(body).toEqual({
    type: 'trigger.matched',
    version: 1,
    delivery_id: 'delivery-1',
    trigger: { id: 'trigger-1', name: 'Low scores', version: 3 },
    event: first.event,
    match: { kind: 'event', evidence: [{ position: 0, field: 'score', seen: '12.5' }] },
  })
  const later = { ...first, delivery: { ...first.delivery, attempt: 7 } }
  expect(renderBody(undefined, later)).toBe(renderBody(undefined, first))
})

test('each string of a JSON template is rendered, all else stays what it is', () => {
  const template = {
    text: 'Agent {{ event.agent_id }}: {{ event.score }}',
    list: ['{{ trigger.name | upcase }}', 1, true, null, { deep: '{{ match.evidence[0].seen }}' }],
    time: '{{ event.block_time }}',
    '{{ key }}': 'as it is',
  }
  expect(JSON.parse(renderBody(template, scopeOf()))).toEqual({
    text: 'Agent 7: 70.5',
    list: ['LOW SCORES', 1, true, null, { deep: '12.5' }],
    time: '2026-02-01T00:00:00.000Z',
    '{{ key }}': 'as it is',
  })
  expect(renderBody(null, scopeOf())).toBe('null')
})

test('a template that is a string makes the whole body', () => {
  expect(renderBody('{"id": {{ event.id | json }}, "n": {{ event.agent_id }}}', scopeOf())).toBe(
    '{"id": "31337-12-3-cdcdcdcdcdcdcdcd", "n": 7}',
  )
})

describe('what a chain says cannot break out', () => {
  const hostile = [
    '", "admin": true, "x": "',
    '\\", "admin": true',
    'line\nbreak\r\n\t\u2028\u2029',
    '{{ trigger.id }} {% raw %}',
    '\u0000\u0001\u001f',
    '🦺 – ü – \u202e',
    '</script>',
  ]

  test.each(hostile)('%j stays one string', (tag1) => {
    const scope = scopeOf({ tag1 })
    const body = JSON.parse(renderBody({ tag: 'tag: {{ event.tag1 }}', admin: false }, scope))
    expect(body).toEqual({ tag: `tag: ${tag1}`, admin: false })
    expect(JSON.parse(renderBody('{"tag": {{ event.tag1 | json }}}', scope))).toEqual({ tag: tag1 })
    expect(JSON.parse(renderBody(undefined, scope)).event.tag1).toBe(tag1)
  })

  test('any text stays one string', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (tag1) => {
        const scope = scopeOf({ tag1 })
        expect(JSON.parse(renderBody(['{{ event.tag1 }}'], scope))).toEqual([tag1])
        expect(JSON.parse(renderBody('[{{ event.tag1 | json }}]', scope))).toEqual([tag1])
      }),
    )
  })

  test('a character that a filter cut in half is replaced', () => {
    expect(renderBody(['{{ event.tag1 | split: "" | first }}'], scopeOf({ tag1: '🦺' }))).toBe('["\ufffd"]')
  })
})

describe('a name that is not there is an error that says what is', () => {
  test.each([
    ['{{ event.args.nope }}', 'body_template: event.args.nope is not there. event.args has note, list'],
    [
      '{{ event.args.nope.deeper }}',
      'body_template: event.args.nope is not there. event.args has note, list',
    ],
    ['{{ trigger.owner }}', 'body_template: trigger.owner is not there. trigger has id, name, version'],
    [
      '{{ agent }}',
      'body_template: agent is not there. There are event, trigger, match, state, chain, links, delivery, test',
    ],
    [
      '{{ trigger.constructor }}',
      'body_template: trigger.constructor is not there. trigger has id, name, version',
    ],
  ])('%s', (template, message) => expect(failureOf(template)).toBe(message))

  test('with the path of the string in a JSON template', () => {
    expect(failureOf({ a: [{ b: '{{ delivery.x }}' }] })).toBe(
      'body_template.a[0].b: delivery.x is not there. delivery has id, attempt, kind, original_id',
    )
  })

  test('but a template can ask for what may be missing, and null is nothing', () => {
    const template =
      '{{ event.args.nope | default: "none" }}{% if event.args.nope %}!{% endif %}{{ event.tag }}.'
    expect(renderBody(template, scopeOf())).toBe('none.')
  })
})

describe('limits', () => {
  const big = 'x'.repeat(100_000)

  test.each<[string, JsonValue, RegExp]>([
    [
      'long loops',
      '{% for i in (1..100000000) %}x{% endfor %}',
      /too much text or too many rounds of a loop/,
    ],
    [
      'loops in loops',
      '{% for i in (1..40000) %}{% for j in (1..90) %}{{ i }}{% endfor %}{% endfor %}',
      /longer than 1000 ms|too many rounds|more than 1048576 bytes/,
    ],
    [
      'repeated text',
      '{% for i in (1..1000) %}{{ event.tag1 }}{% endfor %}',
      /a body of more than 1048576 bytes/,
    ],
    [
      'text beyond what a string can hold',
      '{% for i in (1..90000) %}{{ event.tag1 }}{% endfor %}',
      /a body of more than 1048576 bytes/,
    ],
    [
      'captured text',
      '{% capture x %}{% for i in (1..1000) %}{{ event.tag1 }}{% endfor %}{% endcapture %}{% if x contains "q" %}q{% endif %}',
      /too much text/,
    ],
    [
      'doubled text',
      `{% assign s = 'ab' %}{% for i in (1..50) %}{% assign s = s | append: s %}{% endfor %}{{ s }}`,
      /too much text/,
    ],
    [
      'many strings of one JSON value',
      Array(12).fill('{{ event.tag1 }}'),
      /a body of more than 1048576 bytes/,
    ],
    ['bytes, not characters', Array(5).fill('{{ event.tag2 }}'), /a body of more than 1048576 bytes/],
    ['long templates', 'x{{ event.id }}'.repeat(10_000), /longer than 65536 characters/],
  ])('%s', (_, template, message) => {
    expect(failureOf(template, scopeOf({ tag1: big, tag2: '€'.repeat(100_000) }))).toMatch(message)
  })

  test('the time is shared by all strings of one JSON value', () => {
    const slow = '{% for i in (1..1000) %}{% for j in (1..1000) %}{% endfor %}{% endfor %}'
    const before = performance.now()
    expect(failureOf(Array(50).fill(slow))).toMatch(/longer than 1000 ms/)
    expect(performance.now() - before).toBeLessThan(10_000)
  })

  test.each([
    '{% include "a" %}',
    '{% render "/etc/passwd" %}',
    '{% layout "a" %}',
    '{% block a %}{% endblock %}',
  ])('no template reaches another file: %s', (template) =>
    expect(failureOf(template)).toMatch(/tag "\w+" not found/),
  )
})
