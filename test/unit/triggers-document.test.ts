import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { knownChains } from '../../src/chains.ts'
import { conditionTypes } from '../../src/conditions/condition-types.ts'
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
  expect(examples).toHaveLength(5)
  for (const example of examples) {
    const result = parseTriggerDocument(example, knownChains)
    if ('problems' in result) expect.fail(JSON.stringify(result.problems))
    for (const action of result.ok.actions) {
      if (action.action_type === 'rest') renderBody(action.config.body_template, scope)
      if (action.action_type === 'telegram') readTelegramText({ ...makeParts(action.config, scope)[0] })
    }
  }
})

test('the table of docs/triggers.md has every condition type with its fields and operators', () => {
  const rows = page.split('\n').filter((line) => /^\| `\w+` \| `\w+`.* \| `.+` /.test(line))
  const names = (cell: string | undefined) => [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name)
  const [, ...table] = rows.map((row) => row.split(' | ').map(names))
  const expected = Object.entries(conditionTypes).map(([name, { fields, operators }]) => [
    [name],
    [...fields],
    [...operators],
  ])
  expect(table).toEqual(expected)
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
