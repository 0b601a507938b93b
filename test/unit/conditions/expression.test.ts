import { describe, expect, it } from 'vitest'
import { EvaluationError } from '../../../src/conditions/evaluation-error.ts'
import { checkExpression, compileExpression, usedFields } from '../../../src/conditions/expression.ts'
import { type EventType, eventTypes } from '../../../src/event.ts'
import { sampleEvent } from '../../support/events.ts'

const all = Object.values(eventTypes).flat() as EventType[]
const feedback = (fields = {}) => sampleEvent('NewFeedback', { score: '69', tag1: 'uptime', ...fields })
const ask = (text: string, event = feedback()) => compileExpression(text)(event)

describe('an expression', () => {
  it.each([
    ['event.score < 70 || event.tag1 == "starred"', true],
    ['event.score >= 70 || event.tag1 == "starred"', false],
    ['!(event.score < 70) && event.tag1 == "uptime"', false],
    ['event.score == 69 && event.score != 70 && event.score == 69.0', true],
    ['event.score / 100 > 0.5 && event.score * 2 == 138 && 100 - event.score == 31', true],
    ['event.score in [68, 69] && event.score in [68.5, 69.0] && !(event.score in [1])', true],
    ['event.score > 50 ? event.tag1 == "uptime" : false', true],
    ['event.tag1.startsWith("up") && event.tag1.endsWith("me") && event.tag1.contains("ti")', true],
    ['event.tag1.size() == 6 && size(event.tag1) > 5 && event.tag1.lowerAscii() == "uptime"', true],
    ['event.agent_id == 42 || event.agent_id in [43, 44]', false],
    ['event.agent_id == 7 && event.agent_id % 2 == 1 && event.agent_id < 8', true],
    ['event.event_type == "NewFeedback" && event.registry == "reputation"', true],
    ['event.tag1 in ["starred", "uptime"] // and a comment', true],
    ['-event.score < 0 && int(event.score) == 69 && double(event.agent_id) == 7.0', true],
  ])('%s is %s', (text, expected) => {
    expect(checkExpression(text, ['NewFeedback'])).toBeUndefined()
    expect(ask(text)).toBe(expected)
  })

  it('compares token ids exactly, however many digits they have', () => {
    const id = `1${'0'.repeat(70)}1`
    const event = feedback({ agent_id: id })
    expect(ask(`event.agent_id == ${id}`, event)).toBe(true)
    expect(ask(`event.agent_id == 1${'0'.repeat(71)}`, event)).toBe(false)
    expect(ask(`event.agent_id > 1${'0'.repeat(71)}`, event)).toBe(true)
  })

  it('reads the time of the block in UTC', () => {
    const event = feedback({ block_time: new Date('2026-02-01T23:30:00Z') })
    const text =
      'event.block_time.getHours() == 23 && event.block_time.getDayOfWeek() == 0 && event.block_time.getDate() == 1'
    expect(ask(text, event)).toBe(true)
  })

  it('does not hold where it would need a field that the event does not have', () => {
    const revoked = sampleEvent('FeedbackRevoked')
    for (const text of ['event.score < 70', '!(event.score < 70)', 'event.score != 70', 'event.tag1 == ""']) {
      expect(ask(text, revoked), text).toBe(false)
    }
  })

  it('holds whatever the event lacks, where the rest decides', () => {
    const revoked = sampleEvent('FeedbackRevoked')
    expect(ask('event.score < 70 || event.event_type == "FeedbackRevoked"', revoked)).toBe(true)
    expect(ask('!(event.score < 70 && event.agent_id == 8)', revoked)).toBe(true)
    expect(ask('has(event.score) ? event.score < 70 : event.agent_id == 7', revoked)).toBe(true)
    expect(ask('has(event.score)', revoked)).toBe(false)
    expect(ask('has(event.score) && has(event.tag1)')).toBe(true)
  })

  it('sees the first 2,048 characters of a text', () => {
    const event = feedback({ tag1: `${'a'.repeat(2048)}b` })
    expect(ask('event.tag1.contains("b")', event)).toBe(false)
    expect(ask('size(event.tag1) == 2048', event)).toBe(true)
  })

  it('says why it fails for one event, and works for the next', () => {
    const decide = compileExpression('100 / event.feedback_index > 1')
    expect(() => decide(feedback({ feedback_index: '0' }))).toThrow(EvaluationError)
    expect(() => decide(feedback({ feedback_index: '0' }))).toThrow(
      'The expression failed at character 1: division by zero',
    )
    expect(decide(feedback({ feedback_index: '2' }))).toBe(true)
  })

  it('never fails for what a stranger can write into measures', () => {
    const value = `-${'9'.repeat(38)}`
    const text = 'event.value * event.value / (event.score - event.score) > 1 || event.value % 0 > 1'
    expect(ask(text, feedback({ value }))).toBe(true)
  })

  it('names the fields that it looks at', () => {
    expect(usedFields('event.score < 70 || has(event.tag1)')).toEqual(['score', 'tag1'])
  })
})

describe('checking an expression', () => {
  it.each([
    ['', 'the expression is empty'],
    ['event.score +', 'Unexpected token: the end, at the end'],
    ['(event.score < 1', 'Expected ), got the end, at the end'],
    ['event.score = 1', 'Unexpected character: =, at character 13: "= 1"'],
    ['event.score', 'the expression must be true or false, such as event.score < 70. This is of type double'],
    ['score < 70', 'write event.score, at character 1: "score < 70"'],
    [
      'event.agent_id == "7"',
      '== does not go with a whole number and a text, at character 1: "event.agent_id == \\"7". Numbers are written without quotes',
    ],
    [
      'event.score == null',
      'nothing equals null here: has(event.score) asks whether an event has a field, at character 1: "event.score == null"',
    ],
  ])('%s: %s', (text, expected) => {
    expect(checkExpression(text, all)).toBe(expected)
  })

  it.each([
    ['foo == 1', /^there is no foo, at character 1.* There are event\.agent_id, /],
    ['event.foo == 1', /^an event has no field foo, .* There are event\.agent_id, /],
    ['has(event.foo)', /^an event has no field foo/],
    ['has(event)', /^has\(\) asks for a field/],
    ['event.constructor == 1', /^an event has no field constructor/],
    ['event.__proto__ == 1', /^an event has no field __proto__/],
    ['event == 1', /^an event as a whole cannot be used/],
    ['event["score"] > 1', /^brackets/],
    ['event.score in [1, 2.5]', /^the values of a list must be of one type/],
    ['event.tag1', /must be true or false/],
    ['event.score && true', /^Logical operator requires bool/],
    ['event.client_address == "0x90F79bf6EB2c4f870365E785982E1f101E93b906"', /in lower case/],
  ])('refuses %s', (text, expected) => {
    expect(checkExpression(text, all)).toMatch(expected)
  })

  it('refuses a field that no event of the trigger fills', () => {
    expect(checkExpression('event.owner == "a"', ['NewFeedback', 'FeedbackRevoked'])).toMatch(
      /^no NewFeedback or FeedbackRevoked event fills owner\. They fill agent_id, /,
    )
    expect(checkExpression('event.score < 70', ['FeedbackRevoked', 'NewFeedback'])).toBeUndefined()
    expect(checkExpression('event.block_number > 5', ['Transfer'])).toBeUndefined()
  })

  it.each([
    ['a regular expression', 'event.tag1.matches("(a+)+$")'],
    ['a macro over a list', '[1, 2].exists(x, x > 1)'],
    ['nested macros', '[1].all(a, [1].all(b, [1].map(c, c) == [1]))'],
    ['a binding', 'cel.bind(x, 1, x > 0)'],
    ['joined texts', 'event.tag1 + event.tag1 == ""'],
    ['texts joined by a choice', '(event.score > 1.0 ? event.tag1 : "b") + "c" == "x"'],
    ['a time zone', 'event.block_time.getHours("Europe/Berlin") > 3'],
    ['a number from a text', 'double(event.tag1) > 1.0'],
    ['a map', '{"a": 1} == {"a": 1}'],
    ['bytes', 'b"a" == b"a"'],
    ['a constant of the library', 'google.protobuf.Duration == google.protobuf.Duration'],
    ['a function of another language', 'toString() == 1'],
    ['too long a text', `event.tag1 == "${'a'.repeat(2000)}"`],
    ['too many values', `event.score in [${Array(201).fill('1').join(',')}]`],
    ['too many operators', `${'1+'.repeat(400)}1 > 1`],
    ['too many nots', `${'!'.repeat(1990)}true`],
    ['too many parentheses', `${'('.repeat(900)}true${')'.repeat(900)}`],
    ['too deep a list', `${'['.repeat(40)}1${']'.repeat(40)} == []`],
  ])('refuses %s', (_what, text) => {
    expect(checkExpression(text, all)).toEqual(expect.any(String))
    expect(() => compileExpression(text)).toThrow('This expression cannot be used')
  })

  const long = 'a'.repeat(500_000)
  it.each([
    ['searches', `${'event.tag1.contains(event.tag2) || '.repeat(48)}false`],
    ['counts', `${'size(event.tag1) > 9999 || '.repeat(49)}false`],
    ['texts in lower case', `${'event.tag1.lowerAscii() == event.tag2 || '.repeat(42)}false`],
    ['comparisons', `${'event.tag1 == event.endpoint || '.repeat(49)}false`],
    ['missing fields', `${'event.owner == "a" || '.repeat(59)}false`],
    ['failures', `${'1 % 0 > 1 || '.repeat(49)}false`],
    ['products', `${'event.value * '.repeat(90)}1 < 0`],
  ])('what it allows takes milliseconds at worst: many %s', (_what, text) => {
    expect(checkExpression(text, all)).toBeUndefined()
    const decide = compileExpression(text)
    const event = feedback({ tag1: long, tag2: `${'a'.repeat(1000)}b`, endpoint: `${long}c` })
    const times = Array.from({ length: 15 }, () => {
      const startedMs = performance.now()
      try {
        decide(event)
      } catch (error) {
        expect(error).toBeInstanceOf(EvaluationError)
      }
      return performance.now() - startedMs
    })
    // The quickest of some: the machine does other things too.
    expect(Math.min(...times)).toBeLessThan(10)
  })
})
