import { describe, expect, test } from 'vitest'
import { knownChains } from '../../src/chains.ts'
import { buildDeliveryScope, type DeliveryParts } from '../../src/delivery-scope.ts'
import { chainDisplays } from '../../src/explorers.ts'
import { sampleEvent } from '../../src/sample-events.ts'
import { checkTemplate } from '../../src/templates/check-template.ts'

const parts = (fields: Partial<DeliveryParts> = {}): DeliveryParts => ({
  event: sampleEvent('NewFeedback', { chain_id: 8453 }),
  trigger: { id: 't', name: 'n', version: 1 },
  evidence: [],
  delivery: { id: 'd', attempt: 1, kind: 'match' },
  ...fields,
})

describe('the scope of a delivery', () => {
  test('says where the event can be looked at', () => {
    const { chain, links } = buildDeliveryScope(parts())
    expect(chain).toEqual({ id: 8453, name: 'base', currency: 'ETH', explorer: 'https://basescan.org' })
    expect(links).toEqual({
      transaction: `https://basescan.org/tx/0x${'cd'.repeat(32)}`,
      block: 'https://basescan.org/block/12',
      agent: 'https://basescan.org/token/0x8004a169fb4a3325136eb29fa0ceb6d2e539a432?a=7',
      contract: 'https://basescan.org/address/0x8004baa17c55a88189ae136b182e5fda19de9b63',
    })
  })

  test('has null where there is nothing to look at, and for chains that nobody knows', () => {
    const nothing = { transaction: null, block: null, agent: null, contract: null }
    const local = buildDeliveryScope(parts({ event: sampleEvent('NewFeedback') }))
    expect([local.chain.name, local.chain.explorer, local.links]).toEqual(['local', null, nothing])
    const strange = buildDeliveryScope(parts({ event: sampleEvent('NewFeedback', { chain_id: 5 }) }))
    expect(strange.chain).toEqual({ id: 5, name: '5', currency: null, explorer: null })
    expect(strange.links).toEqual(nothing)
  })

  test('is the same for an event from the database and for the JSON of one', () => {
    const { event } = parts()
    const json = JSON.parse(JSON.stringify(event))
    expect(buildDeliveryScope(parts({ event: json }))).toEqual(buildDeliveryScope(parts({ event })))
  })

  test('is marked for a test only, and has a file and an alert only when there is one', () => {
    const plain = buildDeliveryScope(parts({ file: undefined, alert: undefined }))
    expect(plain.test).toBe(false)
    expect(Object.keys(plain)).not.toContain('file')
    const kind = { id: 'd', attempt: 1, kind: 'test' } as const
    const full = buildDeliveryScope(parts({ delivery: kind, file: { uri: 'u' }, alert: { message: 'm' } }))
    expect([full.test, full.file, full.alert]).toEqual([true, { uri: 'u' }, { message: 'm' }])
  })

  test('has the state of stateful conditions by type and by position', () => {
    const evidence = [
      { position: 0, condition_type: 'score_threshold' },
      { position: 1, condition_type: 'average', state: { mean: '40' } },
      { position: 2, condition_type: 'average', state: { mean: '50' } },
    ]
    expect(buildDeliveryScope(parts({ evidence })).state).toEqual({
      average: { mean: '40' },
      1: { mean: '40' },
      2: { mean: '50' },
    })
    expect(buildDeliveryScope(parts({ evidence: null })).state).toEqual({})
  })

  test('has exactly the names that a template is checked for', () => {
    const scope = buildDeliveryScope(parts({ file: {}, alert: {} }))
    const roots = Object.entries(scope) as [string, object][]
    expect(checkTemplate(roots.map(([root]) => `{{ ${root} }}`))).toEqual([])
    expect(checkTemplate('{{ nope }}')[0]?.message).toBe(
      `nope is not there. There are ${['event', 'trigger', 'match', 'state', 'chain', 'links', 'delivery', 'test', 'file', 'alert'].join(', ')}`,
    )
    expect(roots.map(([root]) => root).sort()).toEqual(
      (
        checkTemplate('{{ nope }}')[0]
          ?.message.replace(/.*There are /, '')
          .split(', ') ?? []
      ).sort(),
    )
    for (const [root, value] of roots.filter(([, value]) => typeof value === 'object')) {
      expect(checkTemplate(Object.keys(value).map((name) => `{{ ${root}.${name} }}`))).toEqual([])
      const [problem] = checkTemplate(`{{ ${root}.nope }}`)
      if (!['state', 'file', 'alert'].includes(root)) {
        expect(problem?.message).toBe(
          `${root}.nope is not there. ${root} has ${problem?.message.replace(/.* has /, '')}`,
        )
        const named = problem?.message.replace(/.* has /, '').split(', ') ?? []
        expect(Object.keys(value).sort()).toEqual(named.sort())
      } else expect(problem).toBeUndefined()
    }
  })
})

test('every known chain has an explorer and a currency, but the local ones', () => {
  const missing = knownChains.filter(({ id }) => !chainDisplays.has(id)).map(({ name }) => name)
  expect(missing).toEqual(['local', 'local-31338', 'local-31339', 'local-31340'])
  for (const { explorer } of chainDisplays.values()) expect(explorer).toMatch(/^https:\/\/.*[^/]$/)
})
