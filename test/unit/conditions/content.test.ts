import { describe, expect, it } from 'vitest'
import type { ConditionInput } from '../../../src/conditions/check-conditions.ts'
import type { FileVerdict } from '../../../src/conditions/compiled-trigger.ts'
import { checkContent, compileContent, compileFileChanged } from '../../../src/conditions/content.ts'
import { fileNeedOf, noFile } from '../../../src/conditions/file-need.ts'
import { checkJsonPath, readJsonPath } from '../../../src/conditions/json-path.ts'
import { type EventType, eventTypes, type RegistryEvent } from '../../../src/event.ts'
import { sampleEvent } from '../../support/events.ts'

const identity = { registry: 'identity', possible: eventTypes.identity } as const
const registered = sampleEvent('Registered')
const updated = sampleEvent('URIUpdated')
const fetched = (json: unknown, hash = 'raw'): FileVerdict => ({ status: 'fetched', error: null, hash, json })
const failed: FileVerdict = { status: 'failed', error: 'it answered HTTP 404', hash: 'unavailable' }
const file = {
  name: 'Seven',
  active: true,
  fee: 2.5,
  count: '12',
  nothing: null,
  empty: '',
  skills: ['search', 'translate'],
  services: [
    { name: 'A2A', endpoint: 'https://a.example' },
    { name: 'MCP', endpoint: 'https://m.example/mcp' },
  ],
}

function check(input: ConditionInput, possible: readonly EventType[] = identity.possible) {
  return checkContent({ registry: 'identity', possible }, input)
}

function conditionOf(input: ConditionInput, possible?: readonly EventType[]) {
  const checked = check(input, possible)
  if ('problems' in checked) throw new Error(JSON.stringify(checked.problems))
  return checked.condition
}

function json(path: string, operator: string, value?: unknown): ConditionInput {
  return { condition_type: 'file_json', operator, value, config: { path } }
}

function ask(input: ConditionInput, verdict: FileVerdict, event: RegistryEvent = updated) {
  return compileContent(conditionOf(input), 0).test(event, verdict)
}

describe('conditions on files', () => {
  it('file_fetched tells whether the file could be had', () => {
    const input = (value?: boolean) => ({ condition_type: 'file_fetched', value })
    expect(ask(input(), fetched({}))).toEqual({ holds: true, seen: true })
    expect(ask(input(), failed)).toEqual({ holds: false, seen: 'it answered HTTP 404' })
    expect(ask(input(false), failed).holds).toBe(true)
    expect(ask(input(false), fetched({})).holds).toBe(false)
  })

  it('file_hash compares the verdict', () => {
    const input = (operator: string, value: unknown) => ({ condition_type: 'file_hash', operator, value })
    expect(ask(input('=', 'mismatch'), fetched({}, 'mismatch'))).toEqual({ holds: true, seen: 'mismatch' })
    expect(ask(input('in', ['raw', 'jcs']), fetched({}, 'jcs')).holds).toBe(true)
    expect(ask(input('not_in', ['raw', 'jcs']), fetched({}, 'jcs')).holds).toBe(false)
    expect(ask(input('!=', 'raw'), failed)).toEqual({ holds: true, seen: 'unavailable' })
  })

  it.each([
    [json('$.active', '=', true), true, true],
    [json('$.active', '=', 'true'), false, true],
    [json('$.name', '=', 'Seven'), true, 'Seven'],
    [json('$.name', '!=', 'Seven'), false, 'Seven'],
    [json('$.missing', '!=', 'Seven'), false, null],
    [json('$.fee', '>', 2), true, 2.5],
    [json('$.fee', '=', '2.50'), true, 2.5],
    [json('$.count', '>=', 12), true, '12'],
    [json('$.count', '=', 12), true, '12'],
    [json('$.name', '<', 12), false, 'Seven'],
    [json('$.name', 'in', ['Six', 'Seven']), true, 'Seven'],
    [json('$.name', 'contains', 'eve'), true, 'Seven'],
    [json('$.skills', 'contains', 'search'), true, '[["search","translate"]]'],
    [json('$.skills', 'contains', 'sear'), false, '[["search","translate"]]'],
    [json('$.skills[*]', '=', 'translate'), true, '["search","translate"]'],
    [json('$.skills[*]', '!=', 'translate'), false, '["search","translate"]'],
    [json('$.skills[*]', 'not_in', ['cook']), true, '["search","translate"]'],
    [json("$.services[?@.name=='MCP'].endpoint", 'exists'), true, 'https://m.example/mcp'],
    [json("$.services[?@.name=='OASF'].endpoint", 'exists'), false, null],
    [json("$.services[?@.name=='OASF'].endpoint", 'exists', false), true, null],
    [json('$.nothing', 'exists'), false, null],
    [json('$.empty', 'exists'), false, ''],
    [json('$..endpoint', 'contains', 'm.example'), true, '["https://m.example/mcp","https://a.example"]'],
  ])('file_json: %j', (input, holds, seen) => {
    const result = ask(input, fetched(file))
    expect(result.holds).toBe(holds)
    if (!String(seen).startsWith('["http')) expect(result.seen).toBe(seen)
  })

  it('file_json says nothing of a file that is not there, is no JSON, or is not named', () => {
    for (const input of [json('$.a', 'exists', false), json('$.a', '!=', 'b'), json('$.a', 'exists')]) {
      expect(ask(input, failed)).toEqual({ holds: false, seen: 'it answered HTTP 404' })
      expect(ask(input, fetched(undefined)).holds).toBe(false)
      expect(ask(input, noFile, sampleEvent('Registered', { token_uri: ' ' }))).toEqual({
        holds: false,
        seen: 'the event names no file',
      })
    }
    const fetchedFalse = { condition_type: 'file_fetched', value: false }
    expect(ask(fetchedFalse, noFile, sampleEvent('Transfer')).holds).toBe(false)
  })
})

describe('a changed file', () => {
  const changed = (config: Record<string, unknown>) =>
    compileFileChanged(conditionOf({ condition_type: 'file_json', operator: 'changed', config }), 0)

  function run(config: Record<string, unknown>, verdicts: readonly FileVerdict[]): boolean[] {
    const condition = changed(config)
    let state: Parameters<typeof condition.step>[0]
    return verdicts.map((verdict, index) => {
      const outcome = condition.step(state, index === 0 ? registered : updated, verdict)
      state = outcome.state
      return outcome.holds
    })
  }

  it('differs from the one before, never from none', () => {
    const files = [{ active: true }, { active: true }, { active: false }, {}].map((own) => fetched(own))
    expect(run({ path: '$.active' }, files)).toEqual([false, false, true, true])
  })

  it('passes over what could not be read', () => {
    const files = [fetched({ a: 1 }), failed, fetched(undefined), fetched({ a: 1 }), fetched({ a: 2 })]
    expect(run({ path: '$.a' }, files)).toEqual([false, false, false, false, true])
  })

  it('may say from what and to what', () => {
    const files = [true, false, true, false].map((active) => fetched({ active }))
    expect(run({ path: '$.active', to: false }, files)).toEqual([false, true, false, true])
    expect(run({ path: '$.active', from: false, to: true }, files)).toEqual([false, false, true, false])
  })

  it('null stands for nothing there', () => {
    const files = [fetched({ a: 1 }), fetched({}), fetched({ a: null }), fetched({ a: 2 })]
    expect(run({ path: '$.a', to: null }, files)).toEqual([false, true, true, false])
    expect(run({ path: '$.a', from: null }, files)).toEqual([false, false, true, true])
  })

  it('keeps little, however much stands at the path', () => {
    const { state } = changed({ path: '$' }).step(undefined, registered, fetched('a'.repeat(100_000)))
    expect(JSON.stringify(state).length).toBeLessThan(250)
  })

  it('keeps one state an agent', () => {
    expect(changed({ path: '$' }).scopeOf(sampleEvent('URIUpdated', { agent_id: '77' }))).toBe('77')
  })
})

describe('checking conditions on files', () => {
  const problemOf = (input: ConditionInput, possible?: readonly EventType[]) => {
    const checked = check(input, possible)
    return 'problems' in checked ? checked.problems[0] : undefined
  }

  it.each([
    [{ condition_type: 'file_fetched', value: 'yes' }, 'value', /true or false/],
    [{ condition_type: 'file_fetched', operator: '!=', value: true }, 'operator', /expected =/],
    [{ condition_type: 'file_hash', value: 'good' }, 'value', /one of raw, jcs/],
    [{ condition_type: 'file_hash', value: 'raw', config: { path: '$' } }, 'config', /unknown/],
    [{ condition_type: 'file_hash', value: 'raw', field: 'file_hash' }, 'field', /expected nothing/],
    [{ condition_type: 'file_json', value: 'a', config: { path: '$' } }, 'operator', /found none/],
    [json('$.a', '<', 'many'), 'value', /a number/],
    [json('$.a', 'in', []), 'value', /a list of 1 to/],
    [json('$.a', 'contains', ''), 'value', /at least one/],
    [json('$.a', '='), 'value', /found nothing/],
    [json('a', '=', 1), 'config', /expected a JSON path .* at character 1: "a"/],
    [json('$.a[', '=', 1), 'config', /it ends too early/],
    [json('$.a', 'changed', 5), 'value', /config.from and config.to/],
    [{ condition_type: 'file_json', operator: 'exists' }, 'config', /expected a JSON path/],
  ] as const)('refuses %j', (input, where, message) => {
    const problem = problemOf(input as ConditionInput)
    expect(problem?.path[0]).toBe(where)
    expect(problem?.message).toMatch(message)
  })

  it('refuses conditions on files for events that name none, and changes where no URI changes', () => {
    expect(problemOf({ condition_type: 'file_fetched' }, ['Transfer'])?.message).toBe(
      'no Transfer event names a file',
    )
    expect(problemOf(json('$.a', 'changed'), ['NewFeedback'])?.message).toMatch(/URIUpdated/)
  })

  it.each([
    '$..a..b',
    '$[*,*]..a[*,*]',
    "$['a','a']['a','a']",
    '$[?@[?@.a]]',
    '$[?$.a == 1]',
    '$[?@..a]',
    "$[?match(@.a, '(a+)+b')]",
    "$[?search(@.a, '(a+)+b')]",
    `$[${Array(11).fill('0').join(',')}]`,
    `$[?${Array(11).fill('@.a').join('||')}]`,
    '$[?@.a][?@.a][?@.a][?@.a]',
    `$${'.a'.repeat(300)}`,
  ])('refuses a path that could take long: %s', (path) => {
    expect(checkJsonPath(path)).toEqual(expect.any(String))
  })

  it('what it allows takes well under a second on the largest file that is kept', () => {
    const numbers = Array.from({ length: 10_000 }, () => 1)
    const path = `$..[?${Array(10).fill('@==2').join('||')}]`
    expect(checkJsonPath(path)).toBeUndefined()
    const startedMs = performance.now()
    readJsonPath(numbers, path)
    expect(performance.now() - startedMs).toBeLessThan(500)
  })
})

describe('the file that an event names', () => {
  it.each([
    ['Registered', 'token_uri', undefined],
    ['URIUpdated', 'token_uri', undefined],
    ['NewFeedback', 'file_uri', 'file_hash'],
    ['ResponseAppended', 'response_uri', 'response_hash'],
    ['ValidationRequest', 'request_uri', 'request_hash'],
    ['ValidationResponse', 'response_uri', 'response_hash'],
  ] as const)('of %s is at %s, with the hash %s', (eventType, uri, hash) => {
    const event = sampleEvent(eventType, {
      [uri]: ' https://a.example/f ',
      ...(hash && { [hash]: `0xAB${'0'.repeat(62)}` }),
    })
    expect(fileNeedOf(event)).toEqual({
      uri: 'https://a.example/f',
      hash: hash === undefined ? null : `0xab${'0'.repeat(62)}`,
    })
  })

  it('has no hash where the chain has zeros, and is none where the URI is empty', () => {
    const zeros = { file_hash: `0x${'0'.repeat(64)}` }
    expect(fileNeedOf(sampleEvent('NewFeedback', zeros))?.hash).toBeNull()
    expect(fileNeedOf(sampleEvent('NewFeedback', { file_uri: '' }))).toBeUndefined()
    expect(fileNeedOf(sampleEvent('Transfer'))).toBeUndefined()
  })
})
