import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ParseMode, telegramConfigSchema } from '../../src/actions/telegram.ts'
import { buildDeliveryScope } from '../../src/delivery-scope.ts'
import { type EventType, eventTypes } from '../../src/event.ts'
import { defaultMessage } from '../../src/telegram-message.ts'
import { makeParts, type Part } from '../../worker/telegram/make-parts.ts'
import { parseHtml } from '../../worker/telegram/parse-html.ts'
import { parseMarkdownV2 } from '../../worker/telegram/parse-markdown-v2.ts'
import { splitMessage } from '../../worker/telegram/split-message.ts'
import { sampleEvent } from '../support/events.ts'
import { cleanText, readTelegramText } from '../support/telegram-text.ts'

const modes: ParseMode[] = ['HTML', 'MarkdownV2', 'plain']

const scopeOf = (tag1: string, name = 'A trigger', eventType: EventType = 'NewFeedback') =>
  buildDeliveryScope({
    event: sampleEvent(eventType, eventType === 'NewFeedback' ? { tag1 } : {}),
    trigger: { id: 't', name, version: 1 },
    evidence: [],
    delivery: { id: 'd', attempt: 1, kind: 'match' },
  })

const configOf = (config: Record<string, unknown>) => telegramConfigSchema.parse({ chat_id: '1', ...config })

const read = (part: Part | undefined) => readTelegramText({ ...part })

/** Pieces of every markup, of templates and of Unicode, in any order. */
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        ...[
          '<',
          '>',
          '&',
          '"',
          "'",
          '</b>',
          '</code>',
          '<b>',
          '<a href="tg://user?id=1">',
          '&lt;',
          '&#60;',
          '&amp',
        ],
        ...[
          '*',
          '_',
          '__',
          '`',
          '```',
          '~',
          '||',
          '[',
          '](',
          ')',
          '(http://a.b)',
          '![',
          '\\',
          '\\\\',
          '\n',
          '\n>',
          '>',
        ],
        ...[
          '{{ event }}',
          '{% raw %}',
          '@admin',
          '/unsubscribe',
          'https://evil.example',
          '#',
          '+',
          '-',
          '=',
          '{',
          '}',
          '.',
        ],
        ...['!', '\0', '\t', '\r', '\u202e', '\u200b', '👩‍👩‍👧', '\ud83d', '𝕏', 'é', ' ', 'x', '1', '|'],
      ),
      fc.string({ unit: 'binary', maxLength: 8 }),
    ),
    { minLength: 1, maxLength: 12 },
  )
  .map((pieces) => pieces.join(''))

const fuzzed = { numRuns: 2000, seed: 8004 }
const seen = (text: string) => cleanText(text.toWellFormed())

describe.each(modes)('%s', (parse_mode) => {
  it('text from the chain stays text in the default message: accepted, all of it seen, no formatting of its own', () => {
    fc.assert(
      fc.property(hostile, hostile, (tag, name) => {
        const [part, ...more] = makeParts(configOf({ parse_mode }), scopeOf(tag, name))
        expect(more).toEqual([])
        const plain = seen(defaultMessage(scopeOf(tag, name), 'plain'))
        const shown = read(part)
        // Telegram drops white space before the first letter or entity.
        expect([plain, plain.replace(/^[ \n]*/, '')]).toContain(shown.text)
        const own = shown.entities.filter(({ type }) => type !== 'code' && type !== 'bold')
        expect(own).toEqual([])
      }),
      fuzzed,
    )
  })

  it('text from the chain stays text in a template, wherever it stands', () => {
    const templates = {
      HTML: '<b>A</b> {{ event.tag1 }} <i>{{ event.tag1 }}</i> <code>{{ event.tag1 }}</code> <a href="https://a.example/?q={{ event.tag1 }}">{{ event.tag1 }}</a> Z',
      MarkdownV2:
        '*A* {{ event.tag1 }} _{{ event.tag1 }}_ `{{ event.tag1 }}` [{{ event.tag1 }}](https://a.example/?q={{ event.tag1 }}) Z',
      plain: 'A {{ event.tag1 }} {{ event.tag1 }} {{ event.tag1 }} {{ event.tag1 }} Z',
    }
    const config = configOf({ parse_mode, message_template: templates[parse_mode] })
    fc.assert(
      fc.property(fc.oneof({ weight: 9, arbitrary: hostile }, fc.constant('')), (tag) => {
        const [part] = makeParts(config, scopeOf(tag))
        const shown = read(part)
        expect(shown.text).toBe(`A ${Array(4).fill(seen(tag)).join(' ')} Z`)
        const types = shown.entities.map(({ type }) => type).filter((type) => type !== 'text_link')
        const visible = seen(tag) !== ''
        expect(types).toEqual(parse_mode === 'plain' ? [] : visible ? ['bold', 'italic', 'code'] : ['bold'])
      }),
      fuzzed,
    )
  })

  it('has a default message for every type of event', () => {
    for (const eventType of Object.values(eventTypes).flat()) {
      const [part] = makeParts(configOf({ parse_mode }), scopeOf('', 'T', eventType))
      expect(read(part).text).toMatch(/^T\nAgent 7 .+ on local\n/)
    }
  })

  it('cuts a long message into parts that Telegram accepts, loses nothing, and keeps its formatting', () => {
    const marks = { HTML: ['<b>', '</b>', '<code>'], MarkdownV2: ['*', '*', '`'], plain: ['', '', ''] }[
      parse_mode
    ]
    const close = parse_mode === 'HTML' ? '</code>' : marks[2]
    const line = `${marks[0]}{{ event.tag1 }}${marks[1]} and ${marks[2]}{{ event.tag1 }}${close}\n`
    const config = configOf({ parse_mode, message_template: line.repeat(20) })
    fc.assert(
      fc.property(fc.array(hostile, { minLength: 40, maxLength: 60 }), (tags) => {
        const tag = tags.join('').slice(0, 700)
        const parts = makeParts(config, scopeOf(tag))
        const whole = `${seen(tag)} and ${seen(tag)}\n`.repeat(20)
        const shown = parts.map(read)
        expect(
          shown
            .map(({ text }) => text)
            .join('')
            .replaceAll(/\s/g, ''),
        ).toBe(whole.replaceAll(/\s/g, ''))
        if (parse_mode === 'plain') return
        const lengthOf = (type: string) =>
          shown
            .flatMap(({ entities }) => entities)
            .reduce((sum, entity) => sum + (entity.type === type ? entity.length : 0), 0)
        for (const type of ['bold', 'code'])
          expect(lengthOf(type)).toBeGreaterThan(19 * seen(tag).trim().length)
      }),
      { numRuns: 100, seed: 8004 },
    )
  })
})

describe('splitMessage', () => {
  it('prefers the end of a line, then of a word, and never cuts a character', () => {
    const cut = (text: string) => splitMessage({ text, entities: [] }, 10).map((part) => part.text)
    expect(cut('one\ntwo three')).toEqual(['one\n', 'two three'])
    expect(cut('one two three')).toEqual(['one two ', 'three'])
    expect(cut('x'.repeat(25))).toEqual(['x'.repeat(10), 'x'.repeat(10), 'x'.repeat(5)])
    expect(cut('x'.repeat(9) + '👍'.repeat(2))).toEqual(['x'.repeat(9), '👍👍'])
    expect(cut(`${'\n'.repeat(30)}end`)).toEqual(['end'])
  })

  it('is the text again when put together, with every part within the limit', () => {
    fc.assert(
      fc.property(fc.array(hostile, { maxLength: 60 }), fc.integer({ min: 8, max: 100 }), (pieces, max) => {
        const text = pieces.join('|').toWellFormed()
        const parts = splitMessage(
          { text, entities: [{ type: 'bold', offset: 0, length: text.length }] },
          max,
        )
        const kept = parts.map((part) => part.text).join('')
        expect(kept.replaceAll(/\s/g, '')).toBe(text.replaceAll(/\s/g, ''))
        for (const part of parts) {
          expect(part.text.length).toBeLessThanOrEqual(max)
          expect(part.text.isWellFormed()).toBe(true)
          expect(part.entities).toEqual([{ type: 'bold', offset: 0, length: part.text.length }])
        }
      }),
    )
  })
})

describe('markup is read as Telegram reads it', () => {
  it.each([
    ['<b>x', `Can't find end tag corresponding to start tag "b"`],
    ['x</b>', 'Unexpected end tag at byte offset 1'],
    ['é<b>x</i>', 'Unmatched end tag at byte offset 6, expected "</b>", found "</i>"'],
    ['<blink>x</blink>', 'Unsupported start tag "blink" at byte offset 0'],
    ['a < b', 'Unsupported start tag "" at byte offset 2'],
    ['<span>x</span>', 'Tag "span" must have class "tg-spoiler" at byte offset 0'],
    ['<a href="x', 'Unclosed start tag at byte offset 0'],
  ])('HTML %j is refused: %s', (markup, message) => {
    expect(() => parseHtml(markup)).toThrow(message)
  })

  it.each([
    ['a.b', `Character '.' is reserved and must be escaped with the preceding '\\'`],
    ['*x', `Can't find end of Bold entity at byte offset 0`],
    ['_é*x_', `Can't find end of Italic entity at byte offset 5`],
    ['x > y', `Character '>' is reserved and must be escaped with the preceding '\\'`],
    ['[x](y', `Can't find end of a URL at byte offset 4`],
    ['```x', `Can't find end of Pre entity at byte offset 0`],
  ])('MarkdownV2 %j is refused: %s', (markup, message) => {
    expect(() => parseMarkdownV2(markup)).toThrow(message)
  })

  it('entities are nested, and counted in UTF-16 units', () => {
    const bold = { type: 'bold', offset: 2, length: 6 }
    const italic = { type: 'italic', offset: 4, length: 4 }
    expect(parseHtml('👍<b>a <i>b &lt;</i></b>')).toEqual({
      text: '👍a b <',
      entities: [
        { ...bold, length: 5 },
        { ...italic, length: 3 },
      ],
    })
    expect(parseMarkdownV2('👍*a _b \\<_*')).toEqual({
      text: '👍a b <',
      entities: [
        { ...bold, length: 5 },
        { ...italic, length: 3 },
      ],
    })
    expect(parseHtml('<pre><code class="language-ts">x</code></pre>').entities).toEqual([
      { type: 'pre', offset: 0, length: 1, language: 'ts' },
    ])
    expect(parseMarkdownV2('```ts\nx```').entities).toEqual([
      { type: 'pre', offset: 0, length: 1, language: 'ts' },
    ])
    expect(parseMarkdownV2('>a\n>b\nc')).toEqual({
      text: 'a\nb\nc',
      entities: [{ type: 'blockquote', offset: 0, length: 4 }],
    })
    expect(parseHtml('<a href="a.example">x</a>').entities).toEqual([
      { type: 'text_link', offset: 0, length: 1, url: 'http://a.example' },
    ])
  })
})

describe('the document of a Telegram action', () => {
  it('has defaults for all but the chat', () => {
    expect(configOf({})).toMatchObject({ parse_mode: 'HTML', silent: false, max_attempts: 8 })
    expect(configOf({}).buttons.map(({ opens }) => opens)).toEqual(['open_event', 'mute'])
  })

  it.each([
    [{ parse_mode: 'Markdown' }, 'the old Markdown cannot escape everywhere'],
    [{ message_template: '{{ event.nothing }}' }, 'event.nothing is not there'],
    [{ message_template: '{{ event.tag1' }, 'not closed'],
    [{ chat_id: '@channel' }, 'expected the id of a chat as text'],
    [{ chat_id: '007' }, 'expected the id of a chat as text'],
  ])('refuses %j', (config, message) => {
    const result = telegramConfigSchema.safeParse({ chat_id: '1', ...config })
    expect(JSON.stringify(result.error?.issues)).toContain(message)
  })
})
