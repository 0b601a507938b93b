import fc from 'fast-check'

const long = 100_000

function nest(depth: number): unknown {
  let value: unknown = 'deep'
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? [value] : { a: value }
  return value
}

/** Texts that break what takes them for granted. */
export const hostileTexts = [
  ...[
    '',
    ' ',
    '\0',
    'a\0b',
    '\ud800',
    '\udfff x',
    '\ufeff',
    '\u202e',
    '\n',
    '\r\n\r\n',
    '👩‍👩‍👧‍👦',
    'ｆｕｌｌ',
  ],
  ...["' or 1=1 --", "'; drop table triggers; --", '$1', "\\'", '%', '%%', '_', '\\', '../../etc/passwd'],
  ...['{{ 1 | divided_by: 0 }}', '{% for i in (1..99999999) %}x{% endfor %}', '{{', '{% if %}', '#{7*7}'],
  ...['__proto__', 'constructor', 'toString', 'null', 'undefined', 'NaN', 'Infinity', '-0', '1e400', '0x10'],
  ...['9223372036854775807', '9223372036854775808', '-9223372036854775809', '2147483648', '1e21', '٣'],
  ...['9'.repeat(78), '9'.repeat(1000), '0.'.padEnd(400, '1'), '١٢٣', '00', '+1', '1_000', '1,5'],
  ...['0001-01-01T00:00:00Z', '9999-12-31T23:59:59Z', '0000-00-00', '2026-02-30', '+275760-09-13T00:00:00Z'],
  ...['2026-01-01T00:00:60Z', '2026-01-01T00:00:00+24:00', '-000001-01-01T00:00:00Z', 'infinity', 'epoch'],
  ...['(a+)+$', '[', '$..*', '$[?(@.a=="'],
  ...['http://', 'http://[::1]:99999/', 'javascript:alert(1)', 'file:///etc/passwd', 'http://a\tb/', '//x'],
  'x'.repeat(long),
  '\u0800'.repeat(long / 10),
  '('.repeat(5000),
]

/** Numbers that JSON can say and JavaScript or Postgres cannot keep; `raw` ones go into the text of the body as they are. */
export const hostileNumbers = [
  ...[-0, -1, 0, 0.1, 1.5, 2 ** 31, -(2 ** 31) - 1, 2 ** 32, 2 ** 53, 2 ** 53 + 2, 2 ** 63, 2 ** 64],
  ...[1e21, -1e21, 1e300, 5e-324, Number.MAX_VALUE],
]

export const hostileValues: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<unknown>(...hostileTexts) },
  { weight: 2, arbitrary: fc.constantFrom<unknown>(...hostileNumbers) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<unknown>(
      ...[null, true, false, [], {}, [[]], [null], ['a', 'a'], { $ref: '#' }, nest(31), nest(500)],
      Array.from({ length: 2000 }, () => 0),
      JSON.parse('{"__proto__": {"is_admin": true}}'),
      { constructor: { prototype: {} } },
      { '\0': 1 },
      { '\ud800': 1 },
      { length: 1e9 },
      { toString: 1, valueOf: 1, toJSON: 1 },
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 30 }) },
  { weight: 1, arbitrary: fc.jsonValue({ stringUnit: 'binary' }) },
)

/** Bodies that are no JSON, or hardly. Bytes as latin1 text. */
export const hostileBodies = fc.constantFrom(
  ...[
    '',
    ' ',
    '{',
    '[',
    '"',
    '{"a":',
    '{"a":1,}',
    "{'a':1}",
    'null',
    'true',
    '0',
    '""',
    '[]',
    '{}',
    '\0',
    '//',
  ],
  ...[
    '1e400',
    '-1e400',
    '{"name":1e400}',
    '{"a":1}{"a":1}',
    '\xff\xfe{\0}\0',
    '\xef\xbb\xbf{}',
    '"\xed\xa0\x80"',
  ],
  ...['{"name":"\\ud800"}', '{"name":"\\u0000"}', '{"name":"a","name":"b"}', '{"__proto__":{"name":"a"}}'],
  ...['{"chain_id":9007199254740993}', `[${'1'.repeat(400)}]`, '\xc3\x28', 'a=1&b=2', '<xml/>'],
  `${'['.repeat(10_000)}${']'.repeat(10_000)}`,
  `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`,
  `{"name":"${'x'.repeat(300_000)}"}`,
  `{${Array.from({ length: 5000 }, (_, index) => `"k${index}":${index}`).join(',')}}`,
)

export const hostileTypes = fc.constantFrom<string | undefined>(
  ...[undefined, '', 'text/plain', 'application/json; charset=utf-16', 'application/x-www-form-urlencoded'],
  ...[
    'multipart/form-data; boundary=x',
    'multipart/form-data',
    'application/jsonp',
    'APPLICATION/JSON',
    ';',
    'a/b/c',
  ],
)

/** Parts of an address as they are sent, escaped or wrongly so. */
export const hostileSegments = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ...[
        '%',
        '%zz',
        '%E0%A4%A',
        '%00',
        '%ff',
        '%ed%a0%80',
        '%2e%2e',
        '..',
        '.',
        '%2f',
        '%2F..%2F',
        '%252e',
        '+',
        '*',
      ],
      ...[
        ':id',
        '{id}',
        'null',
        '-1',
        '0',
        '1.0',
        '1e3',
        ' ',
        '%20',
        ';a=b',
        '@',
        '~',
        "'",
        '%27%20or%201=1--',
        '%0a',
      ],
      ...[
        '9'.repeat(20),
        '9'.repeat(400),
        '00000000-0000-0000-0000-000000000000',
        'a'.repeat(8000),
        '-'.repeat(200),
      ],
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(...hostileTexts)
      .map((text) => encodeURIComponent(text.toWellFormed().slice(0, 5000))),
  },
)

const printable = fc.string({
  unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)),
})

const headerNames = [
  ...[
    'if-match',
    'if-none-match',
    'idempotency-key',
    'last-event-id',
    'x-forwarded-for',
    'forwarded',
    'accept',
  ],
  ...[
    'x-request-id',
    'x-audit-reason',
    'origin',
    'accept-encoding',
    'user-agent',
    'mcp-protocol-version',
    'range',
  ],
  ...['access-control-request-method', 'traceparent', 'content-encoding', 'x-http-method-override', 'cookie'],
]

export const hostileHeaders = fc.dictionary(
  fc.constantFrom(...headerNames),
  fc.oneof(
    fc.constantFrom(
      ...[
        '',
        '*',
        '"',
        '""',
        'W/"a"',
        '"a", "b"',
        ',,,',
        '*,*',
        '"\xff"',
        '0',
        '-1',
        '99999999999999999999999999',
      ],
      ...[
        '0-0',
        '1-1',
        '18446744073709551615-9223372036854775807',
        '127.0.0.1',
        '::1',
        '1.2.3.4, 5.6.7.8',
        'for="[::1',
      ],
      ...[
        'text/csv',
        'application/x-ndjson',
        'text/csv;q=1e9',
        '*/*;q=x',
        ';',
        'text/*',
        'gzip, br;q=2',
        'a=b; c',
      ],
      ...[
        'null',
        'https://evil.example',
        'x'.repeat(300),
        'x'.repeat(20_000),
        'true',
        "'; drop table users --",
        '\t',
      ],
    ),
    printable,
  ),
  { minKeys: 1, maxKeys: 3 },
)

/** Cursors that are base64 of something, of another list, or of nothing. */
export const hostileCursors = fc.oneof(
  fc
    .oneof(
      fc.array(
        fc.constantFrom<unknown>(
          ...[
            '9999-99-99 99:99:99+00',
            '2026-01-01 00:00:00+00',
            '0000-01-01 00:00:00+00',
            '9'.repeat(18),
            '1',
            '',
          ],
          ...[
            '00000000-0000-0000-0000-000000000000',
            'x'.repeat(200),
            '\0',
            "'",
            1,
            1e300,
            null,
            {},
            '-1',
            '\ud800',
          ],
        ),
        { maxLength: 4 },
      ),
      fc.jsonValue(),
    )
    .map((key) => Buffer.from(JSON.stringify(key)).toString('base64url')),
  fc.constantFrom('', '=', 'W10', 'bnVsbA', '!!!!', 'A'.repeat(50_000), '@cursor'),
)
