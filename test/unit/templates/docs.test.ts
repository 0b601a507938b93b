import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { buildDeliveryScope } from '../../../src/delivery-scope.ts'
import { checkTemplate, renderBody, renderText } from '../../../src/render-template.ts'
import { sampleEvent } from '../../../src/sample-events.ts'
import { filters } from '../../../src/templates/filters.ts'

const page = readFileSync(new URL('../../../docs/templates.md', import.meta.url), 'utf8')
const scope = buildDeliveryScope({
  event: sampleEvent('NewFeedback', { chain_id: 8453 }),
  trigger: { id: 't', name: 'n', version: 1 },
  evidence: [],
  delivery: { id: 'd', attempt: 1, kind: 'match' },
})
const examples = [...page.matchAll(/^\| `(\{\{.*\}\})` \| `(.*)` \|$/gm)].map(
  ([, template = '', made = '']) => [template.replaceAll('\\|', '|'), made] as const,
)

test.each(examples)('docs/templates.md: %s makes %s', (template, made) => {
  expect(checkTemplate(template)).toEqual([])
  expect(renderText(template, scope, { escape: 'none', path: 't' })).toBe(made)
})

test('docs/templates.md has every filter of our own, every name, and an example that can be rendered', () => {
  expect(examples.length).toBeGreaterThan(10)
  for (const name of Object.keys(filters).filter((name) => !/decode|escape/.test(name))) {
    expect(page).toContain(name)
  }
  for (const name of [...Object.keys(scope), 'file', 'alert']) expect(page).toContain(`| \`${name}\` |`)
  const [, json = ''] = /^```json\n(.*?)^```/ms.exec(page) ?? []
  expect(JSON.parse(renderBody(JSON.parse(json), scope))).toMatchObject({
    text: 'Agent 7 got 70.5',
    score: 70.5,
    arguments: { agentId: '7' },
  })
})
