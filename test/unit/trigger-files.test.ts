import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { knownChains } from '../../src/chains.ts'
import { parseTriggerDocument, type TriggerDocument } from '../../src/trigger-document.ts'
import { compactDocument } from '../../src/trigger-files/compact-document.ts'
import { diffDocuments } from '../../src/trigger-files/format-change.ts'
import { parseTriggerFile } from '../../src/trigger-files/parse-trigger-file.ts'
import { planChanges } from '../../src/trigger-files/plan-changes.ts'

const read = (text: string) => parseTriggerFile('t.yaml', text, knownChains)

const document = (changes: object = {}) => ({
  name: 'rated low',
  chain_id: 8453,
  registry: 'reputation',
  conditions: [{ condition_type: 'score_threshold', operator: '<', value: 70 }],
  actions: [{ action_type: 'rest', config: { url: 'https://hooks.example.com/a' } }],
  ...changes,
})

const parsed = (input: unknown): TriggerDocument => {
  const result = parseTriggerDocument(input, knownChains)
  if ('problems' in result) throw new Error(JSON.stringify(result.problems))
  return result.ok
}

/** As the API shows it. */
const stored = (id: string, input: object) => {
  const { actions, ...rest } = parsed(input)
  const shown = actions.map((action, index) => ({
    ...action,
    id: index + 1,
    destination_id: 5,
    ...(action.action_type === 'rest'
      ? {
          config: {
            ...action.config,
            headers: Object.fromEntries(Object.keys(action.config.headers).map((name) => [name, '***'])),
          },
        }
      : {}),
  }))
  return { ...rest, id, version: 3, generation: 1, is_stateful: false, actions: shown }
}

const examples = [
  ...readFileSync('docs/triggers.md', 'utf8').matchAll(/```json\n(\{\n {2}"name"[\s\S]*?)```/g),
].map(([, text = '']) => parsed(JSON.parse(text)))

describe('a trigger file', () => {
  test('is one trigger, a list, or several documents, in YAML or JSON', () => {
    const one = stringify(document())
    const other = stringify(document({ name: 'b' }))
    const names = (text: string) => {
      const { triggers, problems } = read(text)
      expect(problems).toEqual([])
      return triggers.map(({ document: { name } }) => name)
    }
    expect(names(one)).toEqual(['rated low'])
    expect(names(`# a comment\n---\n${one}---\n---\n${other}`)).toEqual(['rated low', 'b'])
    expect(names(stringify([document(), document({ name: 'b' })]))).toEqual(['rated low', 'b'])
    expect(names(JSON.stringify([document(), document({ name: 'b' })], null, '\t'))).toEqual([
      'rated low',
      'b',
    ])
    expect(names('')).toEqual([])
    expect(names('# nothing\n')).toEqual([])
  })

  test('keeps addresses and long numbers as they are written, with or without quotes', () => {
    const id = '115792089237316195423570985008687907853269984665640564039457584007913129639935'
    const address = '0x5FbDB2315678afecb367f032d93F642f64180aa3'
    const text = `
name: n
chain_id: 1
registry: reputation
conditions:
  - { condition_type: agent_id_equals, value: ${id} }
  - { condition_type: client_whitelist, value: [${address}] }
actions:
  - { action_type: telegram, config: { chat_id: "1" } }
`
    const { triggers, problems } = read(text)
    expect(problems).toEqual([])
    expect(triggers[0]?.document.conditions.map(({ value }) => value)).toEqual([id, [address.toLowerCase()]])
  })

  test('has a place for every problem: the value, the key that is not known, or what something is missing in', () => {
    const text = `name: a
chain_id: 1
registry: reputation
colour: red
conditions:
  - condition_type: score_threshold
    operator: "~"
    value: 70
actions:
  - action_type: rest
    config:
      url: ftp://x
---
- name: b
  chain_id: 1
  registry: reputation
  conditions: []
`
    const { triggers, problems } = read(text)
    expect(triggers).toEqual([])
    expect(problems.map(({ line, column, path }) => [line, column, path])).toEqual([
      [4, 1, 'colour'],
      [7, 15, 'conditions[0].operator'],
      [12, 12, 'actions[0].config.url'],
      [14, 3, 'actions'],
    ])
    for (const { file, message } of problems) {
      expect(file).toBe('t.yaml')
      expect(message).toMatch(/expected|unknown/)
    }
  })

  test('that is no YAML says where, and what is right beside it is still read', () => {
    expect(read('name: [a\n').problems[0]).toMatchObject({
      line: expect.any(Number),
      message: expect.stringMatching(/YAML/),
    })
    expect(read('name: a\nname: b\n').problems[0]).toMatchObject({ line: 2, column: 1 })
    const { triggers, problems } = read(`${stringify(document())}---\n5\n`)
    expect(triggers).toHaveLength(1)
    expect(problems).toHaveLength(1)
  })

  test('cannot be made to fill the memory by references that multiply', () => {
    const levels = Array.from(
      { length: 12 },
      (_, n) => `l${n}: &l${n} [${Array(10).fill(n === 0 ? 'x' : `*l${n - 1}`)}]`,
    )
    expect(read(levels.join('\n')).problems.length).toBeGreaterThan(0)
  })
})

describe('a compact document', () => {
  test('means the same, and says nothing that it need not', () => {
    expect(examples.length).toBeGreaterThan(2)
    for (const example of examples) {
      const compact = compactDocument(example)
      expect(parsed(compact)).toEqual(example)
      expect(compactDocument(parsed(compact))).toEqual(compact)
      // And through a file.
      expect(read(stringify(compact)).triggers[0]?.document).toEqual(example)
    }
    const written = document({
      conditions: [{ condition_type: 'score_threshold', operator: '<', value: '70' }],
    })
    expect(compactDocument(parsed({ ...written, enabled: true, finality: 'latest' }))).toEqual(written)
    expect(compactDocument(parsed({ ...written, enabled: false }))).toEqual({ ...written, enabled: false })
  })
})

describe('what is to be done', () => {
  const wanted = (...inputs: object[]) => read(stringify(inputs)).triggers

  test('is nothing for what is stored already, however it is written', () => {
    const given = document({ enabled: true, description: 'd' })
    const { changes, problems } = planChanges(wanted(given), [stored('1', given)])
    expect(problems).toEqual([])
    expect(changes.map(({ action }) => action)).toEqual(['unchanged'])
    for (const example of examples) {
      const again = planChanges(wanted(compactDocument(example)), [stored('1', compactDocument(example))])
      expect(again.changes.map(({ action }) => action)).toEqual(['unchanged'])
    }
  })

  test('is found by name, or by id where there is one', () => {
    const kept = [
      stored('1', document()),
      stored('2', document({ name: 'old' })),
      stored('3', document({ name: 'gone' })),
    ]
    const files = wanted(
      document({ enabled: false }),
      { id: '2', ...document({ name: 'renamed' }) },
      document({ name: 'new' }),
    )
    const shown = (prune: boolean) =>
      planChanges(files, kept, { prune }).changes.map((change) => [
        change.action,
        'id' in change ? change.id : undefined,
      ])
    expect(shown(false)).toEqual([
      ['change', '1'],
      ['change', '2'],
      ['create', undefined],
    ])
    expect(shown(true)).toEqual([...shown(false), ['delete', '3']])
  })

  test('is refused where a name or an id does not say which trigger is meant', () => {
    const kept = [stored('1', document()), stored('2', document())]
    const problemOf = (...inputs: object[]) =>
      planChanges(wanted(...inputs), kept).problems.map(({ message }) => message)
    expect(problemOf(document())).toEqual([
      expect.stringMatching(/2 stored triggers have this name.*\(1, 2\)/),
    ])
    expect(problemOf({ id: '1', ...document() })).toEqual([])
    expect(problemOf({ id: '9', ...document() })).toEqual([expect.stringMatching(/no trigger with this id/)])
    expect(problemOf(document({ name: 'x' }), document({ name: 'x' }))).toEqual([
      expect.stringMatching(/same trigger/),
    ])
    expect(problemOf({ id: '1', ...document() }, { id: '1', ...document({ name: 'x' }) })).toEqual([
      expect.stringMatching(/same trigger/),
    ])
  })

  test('does not compare header values, which cannot be read, and writes them when it is told to', () => {
    const headers = (value: string) =>
      document({
        actions: [
          { action_type: 'rest', config: { url: 'https://a.example/', headers: { 'X-Key': value } } },
        ],
      })
    const kept = [stored('1', headers('geheim'))]
    const plan = (value: string, secrets = false) =>
      planChanges(wanted(headers(value)), kept, { secrets }).changes[0]
    expect(plan('***')).toMatchObject({ action: 'unchanged', unknownSecrets: 0 })
    expect(plan('another')).toMatchObject({ action: 'unchanged', unknownSecrets: 1 })
    expect(plan('another', true)).toMatchObject({ action: 'change' })
    expect(plan('***', true)).toMatchObject({ action: 'unchanged' })
    expect(planChanges(wanted(headers('***')), []).problems[0]?.path).toBe('actions[0].config.headers.X-Key')
  })

  test('is shown as the lines that differ, without the values of headers', () => {
    const before = parsed(document())
    const after = parsed(
      document({
        conditions: [{ condition_type: 'score_threshold', operator: '<', value: 50 }],
        actions: [
          {
            action_type: 'rest',
            config: { url: 'https://hooks.example.com/a', headers: { 'X-Key': 'geheim' } },
          },
        ],
      }),
    )
    const lines = diffDocuments({ before, document: after })
    expect(lines).toContain('-    value: "70"')
    expect(lines).toContain('+    value: "50"')
    expect(lines.join('\n')).not.toContain('geheim')
    expect(lines.join('\n')).not.toContain('chain_id')
  })
})
