import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { knownChains } from '../../src/chains.ts'
import { conditionTypeNames, conditionTypes } from '../../src/conditions/condition-types.ts'
import { statefulTypes } from '../../src/conditions/stateful-types.ts'
import { buildDeliveryScope } from '../../src/delivery-scope.ts'
import { renderBody } from '../../src/render-template.ts'
import { parseTriggerDocument } from '../../src/trigger-document.ts'
import { makeParts } from '../../worker/telegram/make-parts.ts'
import { sampleEvent } from '../support/events.ts'
import { readTelegramText } from '../support/telegram-text.ts'

const page = readFileSync(new URL('../../docs/triggers.md', import.meta.url), 'utf8')
const blocks = (kind: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${kind}\\n(.*?)^\`\`\``, 'gms'))].map(([, json]) =>
    JSON.parse(json ?? ''),
  )

const scope = buildDeliveryScope({
  event: sampleEvent('NewFeedback'),
  trigger: { id: 't', name: 'n', version: 1 },
  evidence: [{ position: 0 }],
  delivery: { id: 'd', attempt: 1, kind: 'match' },
})

test('every example of docs/triggers.md is a trigger that can be stored, and its bodies can be made', () => {
  const examples = blocks('json')
  expect(examples).toHaveLength(15)
  for (const example of examples) {
    const result = parseTriggerDocument(example, knownChains)
    if ('problems' in result) expect.fail(JSON.stringify(result.problems))
    for (const action of result.ok.actions) {
      if (action.action_type === 'rest') renderBody(action.config.body_template, scope)
      if (action.action_type === 'telegram') readTelegramText({ ...makeParts(action.config, scope)[0] })
    }
  }
})

const [beforeStateful = '', stateful = ''] = page.split('## Conditions that remember')

/** The cells of the table under a header, with the names in each. */
function tableOf(text: string, header: RegExp): string[][][] {
  const lines = text.split('\n')
  const start = lines.findIndex((line) => header.test(line)) + 2
  const length = lines.slice(start).findIndex((line) => !line.startsWith('|'))
  const names = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? '')
  return lines.slice(start, start + length).map((line) => line.split('|').slice(1, -1).map(names))
}

test('the table of docs/triggers.md has every stateless condition type with its fields and operators', () => {
  const expected = Object.entries(conditionTypes).map(([name, { fields, operators }]) => [
    [name],
    [...fields],
    [...operators],
  ])
  expect(tableOf(beforeStateful, /^\| `condition_type` /)).toEqual(expected)
})

test('the table of docs/triggers.md has every condition type that remembers, with all its settings', () => {
  const expected = Object.entries(statefulTypes).map(([name, { fields, operators, settings }]) => [
    [name],
    [...fields],
    [...operators],
    [],
    Object.keys(settings).toSorted(),
  ])
  const table = tableOf(stateful, /^\| `condition_type` /)
  expect(table.map((cells) => cells.map((cell, index) => (index === 4 ? cell.toSorted() : cell)))).toEqual(
    expected,
  )
  const described = tableOf(stateful, /^\| key of `config` /).flatMap(([names = []]) => names)
  const settings = Object.values(statefulTypes).flatMap((type) => Object.keys(type.settings))
  expect(described.toSorted()).toEqual([...new Set(settings)].toSorted())
})

test('docs/triggers.md has an example of every condition type beyond the stateless ones, and of every option', () => {
  const examples = blocks('json')
  const used = new Set(
    examples.flatMap(({ conditions }) => conditions).map(({ condition_type }) => condition_type),
  )
  const stateless: readonly string[] = Object.keys(conditionTypes)
  const wanted = conditionTypeNames.filter((name) => !stateless.includes(name))
  expect(wanted.filter((name) => !used.has(name))).toEqual([])
  const keys = new Set(examples.flatMap((example) => Object.keys(example)))
  for (const option of ['finality', 'from_block', 'warm_up', 'cooldown', 'max_fires'])
    expect(keys).toContain(option)
})

test('the default payload of docs/triggers.md has the shape of the real one', () => {
  const [shown] = blocks('json payload')
  const real = JSON.parse(renderBody(undefined, scope))
  expect(Object.keys(shown)).toEqual(Object.keys(real))
  expect(Object.keys(shown.trigger)).toEqual(Object.keys(real.trigger))
  expect(Object.keys(shown.match)).toEqual(Object.keys(real.match))
  expect(Object.keys(real.event)).toEqual(expect.arrayContaining(Object.keys(shown.event)))
  expect([shown.type, shown.version]).toEqual([real.type, real.version])
})
