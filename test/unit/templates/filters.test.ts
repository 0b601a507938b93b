import { describe, expect, test } from 'vitest'
import { buildDeliveryScope } from '../../../src/delivery-scope.ts'
import { checkTemplate, renderBody, renderText, renderValue } from '../../../src/render-template.ts'
import { sampleEvent } from '../../../src/sample-events.ts'

const scope = buildDeliveryScope({
  event: sampleEvent('NewFeedback', { args: { big: '123456789012345678901234567890' } }),
  trigger: { id: 't', name: 'n', version: 1 },
  evidence: [],
  delivery: { id: 'd', attempt: 1, kind: 'match' },
})
const render = (template: string) => renderText(template, scope, { escape: 'none', path: 't' })

const address = '0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed'

test.each([
  // The example of EIP-55.
  [`"${address}" | checksum_address`, '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed'],
  ['"0x5AAE" | checksum_address', '0x5AAE'],
  [`"${address}" | short_address`, '0x5aae…eaed'],
  ['event.transaction_hash | short_address', '0xcdcd…cdcd'],
  ['"nobody" | short_address', 'nobody'],
  ['"1500000000000000000" | units: 18', '1.5'],
  ['"1" | units: 18', '0.000000000000000001'],
  ['"-25" | units: 1', '-2.5'],
  ['event.args.big | units: 18', '123456789012.34567890123456789'],
  ['12 | units: 0', '12'],
  ['"a lot" | units: 18', 'a lot'],
  ['event.score | decimals: 2', '70.50'],
  ['"2.675" | decimals: 2', '2.68'],
  ['"-0.5" | decimals: 0', '-1'],
  ['"-0.04" | decimals: 1', '0.0'],
  ['"99.99" | decimals: 1', '100.0'],
  ['"7" | decimals: 0', '7'],
  ['event.args.big | decimals: 1', '123456789012345678901234567890.0'],
  ['1.5 | decimals: 0', '2'],
  ['event.args.big | number', '123,456,789,012,345,678,901,234,567,890'],
  ['"-1234567.8901" | number', '-1,234,567.8901'],
  ['"1234.5" | number: " "', '1 234.5'],
  ['"123" | number: "$&"', '123'],
  ['0.0000001 | number', '0.0000001'],
  ['event.args.big | units: 9 | decimals: 2 | number', '123,456,789,012,345,678,901.23'],
  ['"0x6869" | hex_to_text', 'hi'],
  ['"0xff" | hex_to_text', '\ufffd'],
  ['"0x686" | hex_to_text', '0x686'],
  ['"a b&c" | url_encode', 'a%20b%26c'],
  ['"%" | url_decode', '%'],
  ['"aGk=" | base64_decode', 'hi'],
  ['"abcdefghij" | truncate: 5', 'ab...'],
  ['event.block_time | date: "%Y-%m-%d %H:%M"', '2026-02-01 00:00'],
  ['"2026-06-07T23:30:00-02:00" | date: "%d %B, %H:%M"', '08 June, 01:30'],
  // Without a zone it is UTC, wherever the worker runs.
  ['"2026-06-07 23:30" | date: "%H:%M"', '23:30'],
])('{{ %s }} is %j', (expression, expected) => expect(render(`{{ ${expression} }}`)).toBe(expected))

test('now is the time of the block: what is sent is the same for every attempt', () => {
  for (const now of ['now', 'today']) {
    expect(render(`{{ "${now}" | date: "%Y-%m-%dT%H:%M:%S" }}`)).toBe('2026-02-01T00:00:00')
  }
  expect(render('{{ "now" | date_to_xmlschema }}')).toBe('2026-02-01T00:00:00+00:00')
})

test.each(['units', 'decimals: "x"', 'decimals: 101', 'units: -1'])(
  'a filter that is misused by the author says so: %s',
  (filter) =>
    expect(() => render(`{{ event.score | ${filter} }}`)).toThrow(/needs a whole number from 0 to 100/),
)

test('a long text that looks like a number does not keep the filters busy', () => {
  const tag1 = `${'0'.repeat(200_000)}x`
  const long = { ...scope, event: { ...scope.event, tag1 } }
  const before = performance.now()
  const options = { escape: 'none', path: 't' } as const
  expect(renderText('{{ event.tag1 | number }}', long, options)).toBe(tag1)
  expect(performance.now() - before).toBeLessThan(1_000)
})

describe('$value', () => {
  const template = {
    number: { $value: 'event.block_number' },
    exact: { $value: 'event.score | to_number' },
    none: { $value: 'links.block' },
    list: [{ $value: 'event.args' }],
    flag: { $value: 'event.score == "70.5"' },
    asked: { $value: 'event.args.nope | default: 3' },
    text: '{{ event.block_number }}',
  }
  const expected = {
    number: 12,
    exact: 70.5,
    none: null,
    list: [scope.event.args],
    flag: true,
    asked: 3,
    text: '12',
  }

  test('is the value itself in bodies and in arguments', () => {
    expect(checkTemplate(template)).toEqual([])
    expect(renderValue(template, scope)).toEqual(expected)
    expect(JSON.parse(renderBody(template, scope))).toEqual(expected)
  })

  test.each([
    [{ a: { $value: 'event.nope' } }, ['a', '$value'], /event.nope is not there/],
    [{ a: { $value: '' } }, ['a', '$value'], /between {{ and }}/],
    [{ a: { $value: 'event.id }}{{ event.id' } }, ['a', '$value'], /between {{ and }}/],
    [{ a: { $value: 5 } }, ['a', '$value'], /between {{ and }}/],
    [{ a: { $value: 'event.id', b: 1 } }, ['a', '$value'], /only key/],
    [{ a: { $value: 'event.id | nope' } }, ['a', '$value'], /undefined filter: nope/],
  ])('that is wrong is found when it is written: %j', (wrong, path, message) => {
    expect(checkTemplate(wrong)).toEqual([{ path, message: expect.stringMatching(message) }])
  })

  test('of something missing says so with its path', () => {
    expect(() => renderValue({ a: [{ $value: 'event.args.nope' }] }, scope)).toThrow(
      'arguments_template.a[0].$value: event.args.nope is not there. event.args has big',
    )
  })
})

describe('a body that is one string is escaped for its content type', () => {
  const hostile = { ...scope, event: { ...scope.event, tag1: '"<x>' } }
  const body = (template: string, contentType?: string) => renderBody(template, hostile, { contentType })

  test.each([
    ['{"a": {{ event.tag1 }}}', undefined, '{"a": "\\"<x>"}'],
    ['{% assign a = 1 %} ["{{ event.tag1 }}"]', undefined, ' ["\\"<x>"]'],
    ['{{ event.tag1 | json }}', undefined, '"\\"<x>"'],
    ['[Alert] {{ event.tag1 }}', undefined, '[Alert] "<x>'],
    ['{{ event.tag1 }}', 'application/json; charset=utf-8', '"\\"<x>"'],
    ['{{ event.tag1 }}', 'application/problem+json', '"\\"<x>"'],
    ['{"a": "{{ event.tag1 }}"}', 'text/plain', '{"a": ""<x>"}'],
    ['<a>{{ event.tag1 }}</a>', 'application/xml', '<a>&quot;&lt;x&gt;</a>'],
    ['<a>{{ event.tag1 }}</a>', 'text/html', '<a>&quot;&lt;x&gt;</a>'],
    [
      '{"n": {{ event.score }}, "b": {{ event.block_number }}, "z": {{ links.block }}}',
      undefined,
      '{"n": 70.5, "b": 12, "z": null}',
    ],
  ])('%s as %s', (template, contentType, expected) => expect(body(template, contentType)).toBe(expected))
})
