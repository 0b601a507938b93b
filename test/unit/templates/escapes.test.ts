import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildDeliveryScope, type DeliveryScope } from '../../../src/delivery-scope.ts'
import { renderBody, renderText, renderValue } from '../../../src/render-template.ts'
import { sampleEvent } from '../../../src/sample-events.ts'
import { parseHtml } from '../../../worker/telegram/parse-html.ts'
import { parseMarkdownV2 } from '../../../worker/telegram/parse-markdown-v2.ts'

/** Strings that each escape is held to, and that each way to take one from the scope is. */
const runsOfEscape = 10_000
const runsOfWay = 200

/** What somebody who wants to break out would write to a chain, in any order and amount, between any other characters. */
const hostile = fc.constantFrom(
  ...['{{', '}}', '{%', '%}', '{{ trigger.id }}', '{% raw %}', '{% endraw %}', '{{-', '-%}', '{# x #}'],
  ...['"', "'", '\\', '\\"', '\\u0022', '", "admin": true, "x": "', '}', '{', '[', ']', ',', ':', '//', '/*'],
  ...[
    '<',
    '>',
    '&',
    '&lt;',
    '&amp',
    '&#60;',
    '<b>',
    '</b>',
    '<a href="x">',
    '<!--',
    '-->',
    ']]>',
    '</script>',
  ],
  ...[
    '*',
    '_',
    '__',
    '~',
    '||',
    '`',
    '```',
    '[x](http://x)',
    '(',
    ')',
    '#',
    '+',
    '-',
    '=',
    '|',
    '.',
    '!',
    '>',
  ],
  ...['\0', '\u0001', '\u001b', '\u007f', '\n', '\r\n', '\t', ' ', '\u2028', '\u2029', '\ufeff', '\ufffe'],
  ...['\u202e', '\u200f', '\u2066', 'شبكة', 'שלום', '🦺', '👩‍👩‍👧', 'é', '\ud800', '\udfff', '\udc00\ud83d'],
  ...['12', '-0.5', '1e9', 'true', 'null', '007', '__proto__', 'constructor', '$value', 'toString', 'json'],
)
const chainText = fc
  .array(fc.oneof({ weight: 3, arbitrary: hostile }, fc.string({ unit: 'binary', maxLength: 3 })), {
    maxLength: 12,
  })
  .map((parts) => parts.join(''))

function scopeOf(tag1: string): DeliveryScope {
  return buildDeliveryScope({
    event: sampleEvent('NewFeedback', { tag1, args: { note: tag1, list: [tag1], deep: { a: tag1 } } }),
    trigger: { id: 'the-id-of-the-trigger', name: 'Low scores', version: 3 },
    evidence: [{ position: 0, seen: tag1 }],
    delivery: { id: 'd', attempt: 1, kind: 'match' },
  })
}

function forAny(numRuns: number, check: (text: string, scope: DeliveryScope) => void): void {
  fc.assert(
    fc.property(chainText, (text) => check(text.toWellFormed(), scopeOf(text))),
    { numRuns },
  )
}

/** Each of these is to output the text from the chain once, whole, and nothing else. */
const ways = [
  '{{ event.tag1 }}',
  '{{- event.tag1 -}}',
  '{{ event["tag1"] }}',
  '{{ event.args.list | first }}',
  '{{ event.args.list }}',
  '{{ event.args.nope | default: event.tag1 }}',
  '{{ "" | append: event.tag1 }}',
  '{{ event.tag1 | slice: 0, 9999 }}',
  '{{ "%" | replace: "%", event.tag1 }}',
  '{% assign x = event.tag1 %}{{ x }}',
  '{% capture x %}{{ event.tag1 }}{% endcapture %}{{ x }}',
  '{% capture x %}{% capture y %}{{ event.args.deep.a }}{% endcapture %}{{ y }}{% endcapture %}{{ x }}',
  '{% echo event.tag1 %}',
  '{% liquid echo event.tag1 %}',
  '{% cycle event.tag1 %}',
  '{% for x in event.args.list %}{{ x }}{% endfor %}',
  '{% if event.tag1 == event.args.note %}{{ match.evidence[0].seen }}{% endif %}',
  '{% case 1 %}{% when 1 %}{{ event.tag1 }}{% endcase %}',
  '{% unless false %}{{ event.tag1 | split: "what nobody writes" | join: "" }}{% endunless %}',
]

describe.each(ways)('text from a chain, taken by %s,', (way) => {
  const runs = way === ways[0] ? runsOfEscape : runsOfWay

  test('is itself in text, and in the strings of a JSON value', () => {
    forAny(runs, (text, scope) => {
      expect(renderText(`a ${way} z`, scope, { escape: 'none', path: 't' })).toBe(
        /\{\{-/.test(way) ? `a${text}z` : `a ${text} z`,
      )
      const rendered = renderBody({ x: [way], admin: false }, scope)
      expect(JSON.parse(rendered)).toEqual({ x: [text], admin: false })
    })
  }, 60_000)

  test('is text in HTML, for Telegram and for browsers', () => {
    forAny(runs, (text, scope) => {
      const options = { escape: 'html', path: 't' } as const
      const html = renderText(`<b>a</b><a href="https://x.example/?q=${way}">${way}</a>`, scope, options)
      const { text: shown, entities } = parseHtml(html)
      expect(shown).toBe(`a${text}`)
      // Telegram makes no link of an address that is none.
      const others = entities.filter(({ type }) => type !== 'text_link')
      expect(others).toEqual([{ type: 'bold', offset: 0, length: 1 }])
      expect(readHtml(html)).toEqual([
        ...['<b>', 'a', '</b>', `<a href="https://x.example/?q=${text}">`],
        ...(text === '' ? [] : [text]),
        '</a>',
      ])
    })
  }, 60_000)

  test('is text in MarkdownV2, in every kind of entity', () => {
    forAny(runs, (text, scope) => {
      const options = { escape: 'markdown_v2', path: 't' } as const
      for (const [begin, end, type] of entities) {
        const { text: shown, entities } = parseMarkdownV2(
          renderText(`a${begin}b${way}c${end}`, scope, options),
        )
        expect(shown).toBe(`ab${text}c`)
        expect(entities).toMatchObject([{ type, offset: 1, length: text.length + 2 }])
        expect(entities).toHaveLength(1)
      }
      const plain = parseMarkdownV2(renderText(`${way}`, scope, options))
      expect(plain).toEqual({ text, entities: [] })
    })
  }, 60_000)

  test('stays where it is in a body that is one string of JSON', () => {
    const template = `{"in": "a ${way}", "k${way}": [], "whole": ${way}, "admin": false}`
    forAny(runs, (text, scope) => {
      const given = /\{\{-/.test(way) ? { in: `a${text}` } : { in: `a ${text}` }
      const parsed = JSON.parse(renderBody(template, scope, { contentType: 'application/json' }))
      const { whole, ...rest } = parsed
      expect(rest).toEqual({ ...given, [`k${text}`]: [], admin: false })
      // A number keeps its kind, a list is a list; all other text has got its quotes.
      if (typeof whole === 'number') expect(whole).toBe(Number(text))
      else expect([whole].flat().map((part) => part.toWellFormed())).toEqual([text])
    })
  }, 60_000)
})

const entities = [
  ['*', '*', 'bold'],
  ['_', '_', 'italic'],
  ['__', '__', 'underline'],
  ['~', '~', 'strikethrough'],
  ['||', '||', 'spoiler'],
  ['`', '`', 'code'],
  ['```\n', '```', 'pre'],
  ['[', '](https://x.example/)', 'text_link'],
] as const

describe('whatever a chain says', () => {
  test('the default payload has it as it is', () => {
    forAny(runsOfEscape, (_, scope) => {
      // JSON can say halves of characters, so here even those stay what they are.
      expect(JSON.parse(renderBody(undefined, scope)).event).toEqual(scope.event)
    })
  }, 60_000)

  test('the filter json makes one value of it, in JSON and in text', () => {
    forAny(runsOfEscape, (text, scope) => {
      const body = renderBody('{"tag": {{ event.tag1 | json }}, "args": {{ event.args | json }}}', scope)
      expect(JSON.parse(body)).toEqual({ tag: scope.event.tag1, args: scope.event.args })
      const inString = renderBody('{"tag": "{{ event.tag1 | json }}", "admin": false}', scope)
      expect(JSON.parse(JSON.parse(inString).tag).toWellFormed()).toBe(text)
      const html = renderText('<code>{{ event.tag1 | json }}</code>', scope, { escape: 'html', path: 't' })
      expect(JSON.parse(parseHtml(html).text).toWellFormed()).toBe(text)
    })
  }, 60_000)

  test('$value has the value itself, and data cannot pass for what a filter made', () => {
    forAny(runsOfEscape, (text, scope) => {
      const forged = {
        json: '1}, "admin": true',
        output: 'x',
        toString: 'x',
        length: 3,
        $value: 'trigger.id',
      }
      const given = { ...scope, file: { content: forged, tag: scope.event.tag1 } }
      const template = { a: { $value: 'file.content' }, b: { $value: 'file.tag' } }
      expect(renderValue(template, given)).toEqual({ a: forged, b: text })
      expect(JSON.parse(renderBody('{"a": {{ file.content }}}', given))).toEqual({ a: forged })
    })
  }, 60_000)

  test('a backslash that the author left before it does not free it', () => {
    forAny(runsOfEscape, (text, scope) => {
      const markdown = renderText('*b\\{{ event.tag1 }}*', scope, { escape: 'markdown_v2', path: 't' })
      expect(parseMarkdownV2(markdown).text).toBe(`b\\${text}`)
      const body = renderBody('{"a": "b\\{{ event.tag1 }}", "admin": false}', scope)
      expect(JSON.parse(body)).toEqual({ a: `b\\${text}`, admin: false })
    })
  })

  test.each(filtersThatTakeText())(
    'it neither breaks out of nor breaks the filter %s',
    (filter) => {
      const way = `{{ event.tag1 | ${filter} }}`
      forAny(runsOfWay, (_, scope) => {
        const text = renderText(way, scope, { escape: 'none', path: 't' })
        expect(JSON.parse(renderBody(`{"a": "${way}"}`, scope))).toEqual({ a: text })
        const html = renderText(`<b>${way}</b>`, scope, { escape: 'html', path: 't' })
        expect(readHtml(html)).toEqual(text === '' ? ['<b>', '</b>'] : ['<b>', text, '</b>'])
        const markdown = renderText(`*a${way}*`, scope, { escape: 'markdown_v2', path: 't' })
        expect(parseMarkdownV2(markdown).text).toBe(`a${text}`)
      })
    },
    60_000,
  )
})

test.each([
  '{{ event.tag1 | raw }}',
  '{{ event.args.list | where_exp: "x", event.tag1 }}',
  '{{ event.args.list | find_exp: "x", event.tag1 }}',
  '{{ event.args.list | group_by_exp: "x", event.tag1 }}',
  '{{ event.args.list | sample }}',
  '{% increment event %}',
  '{% tablerow x in event.args.list %}{% endtablerow %}',
])('what could take the escaping away, run data or change the scope is not there: %s', (template) => {
  expect(() => renderText(template, scopeOf('x'), { escape: 'html', path: 't' })).toThrow(
    /undefined filter|tag "\w+" not found/,
  )
})

function filtersThatTakeText(): string[] {
  return [
    ...[
      'short_address',
      'checksum_address',
      'units: 18',
      'decimals: 2',
      'number',
      'to_number',
      'hex_to_text',
    ],
    ...['url_encode', 'url_decode', 'cgi_escape', 'uri_escape', 'truncate: 5', 'truncatewords: 2', 'upcase'],
    ...['date: "%Y"', 'date', 'escape', 'escape_once', 'strip_html', 'newline_to_br', 'base64_encode'],
    ...['base64_decode', 'slugify', 'split: ""', 'size', 'plus: 1', 'round', 'capitalize', 'json', 'inspect'],
    ...[
      'slice: 1, 2',
      'strip',
      'date_to_xmlschema',
      'reverse',
      'sort',
      'uniq',
      'sha256',
      'normalize_whitespace',
    ],
  ]
}

/** Tags and texts of HTML by the tokenizer of the HTML standard, as far as the templates above need it. */
function readHtml(html: string): string[] {
  const parts: string[] = []
  let text = ''
  let at = 0
  const flush = () => {
    if (text !== '') parts.push(text)
    text = ''
  }
  while (at < html.length) {
    const tag = /<(?:\/?[a-zA-Z](?:"[^"]*"|'[^']*'|[^>"'])*>|!--[\s\S]*?-->|[!?/][^>]*>)/y
    tag.lastIndex = at
    const [found] = tag.exec(html) ?? []
    if (found !== undefined) {
      flush()
      parts.push(decode(found))
      at += found.length
    } else {
      text += html.charAt(at)
      at += 1
    }
  }
  flush()
  return parts.map((part) => (part.startsWith('<') ? part : decode(part)))
}

function decode(text: string): string {
  const named: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"' }
  return text.replaceAll(/&(?:#(\d+)|(lt|gt|amp|quot));?/g, (_, code, name) =>
    code === undefined ? (named[name] ?? '') : String.fromCodePoint(Number(code)),
  )
}
