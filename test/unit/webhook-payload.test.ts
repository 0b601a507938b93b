import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { buildDeliveryScope, type DeliveryParts } from '../../src/delivery-scope.ts'
import { type EventType, eventTypes, registries } from '../../src/event.ts'
import { renderBatch, renderBody } from '../../src/render-template.ts'
import { sampleEvent } from '../../src/sample-events.ts'

const schema = JSON.parse(
  readFileSync(new URL('../../docs/webhook-payload.schema.json', import.meta.url), 'utf8'),
)
const validate = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false }).compile(schema)

const types = registries.flatMap((registry): readonly EventType[] => eventTypes[registry])
const id = '8a1f4b1e-6a39-4a2a-9f0e-0d5f1f6f2a11'

const scopeOf = (type: EventType, parts: Partial<DeliveryParts> = {}) =>
  buildDeliveryScope({
    event: sampleEvent(type),
    trigger: { id: 't', name: 'n', version: 3 },
    evidence: [
      {
        position: 0,
        condition_type: 'agent_id_equals',
        field: 'agent_id',
        operator: 'in',
        value: ['7'],
        config: {},
        seen: '7',
        holds: true,
      },
    ],
    delivery: { id, attempt: 1, kind: 'match' },
    ...parts,
  })
const matched = (type: EventType) => JSON.parse(renderBody(undefined, scopeOf(type)))
const alert = { id: 3, kind: 'breaker_open', message: 'a.example failed 5 times in a row' }

/** Every path to a value in it. */
function pathsIn(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [path]
  const own = path.length === 0 ? [] : [path]
  const entries = Array.isArray(value) ? value.map((item, index) => [index, item]) : Object.entries(value)
  return [...own, ...entries.flatMap(([key, item]) => pathsIn(item, [...path, key]))]
}

/** A copy with the value at the path replaced; `undefined` leaves it out. */
function replaced(value: unknown, [key, ...rest]: (string | number)[], by: unknown): unknown {
  if (key === undefined) return by
  const copy = structuredClone(value) as Record<string | number, unknown>
  copy[key] = replaced(copy[key], rest, by)
  return JSON.parse(JSON.stringify(copy))
}

describe('docs/webhook-payload.schema.json', () => {
  it.each(types)('describes the default payload of %s, tests and alerts and batches included', (type) => {
    const test = { id, attempt: 1, kind: 'test' } as const
    const payloads = [
      matched(type),
      JSON.parse(renderBody(undefined, scopeOf(type, { delivery: test }))),
      JSON.parse(
        renderBody(
          undefined,
          scopeOf(type, { alert, evidence: null, delivery: { id, attempt: 1, kind: 'alert' } }),
        ),
      ),
      ...(['retraction', 'reinstatement'] as const).map((kind) =>
        JSON.parse(
          renderBody(undefined, scopeOf(type, { delivery: { id, attempt: 1, kind, original_id: id } })),
        ),
      ),
      JSON.parse(renderBatch(id, [scopeOf(type), scopeOf(type)])),
    ]
    expect(payloads.map((payload) => [validate(payload), validate.errors])).toEqual(
      payloads.map(() => [true, null]),
    )
  })

  it.each(types)('fails on each field of %s that is missing or of another type', (type) => {
    const payload = matched(type)
    // What is in args is the contract's affair, and any value may be asked for or seen by a condition.
    const paths = pathsIn(payload).filter(
      (path) =>
        !(path.includes('args') && path.at(-1) !== 'args') &&
        !path.includes('value') &&
        path.at(-1) !== 'seen' &&
        !path.includes('config'),
    )
    expect(paths.length).toBeGreaterThan(45)
    for (const path of paths) {
      const isItem = typeof path.at(-1) === 'number'
      if (!isItem)
        expect(validate(replaced(payload, path, undefined)), `without ${path.join('.')}`).toBe(false)
      for (const wrong of [{ wrong: 1 }, true, -1.5]) {
        const isSame = path.at(-1) === 'holds' && wrong === true
        // An object is what args may be.
        if (isSame || (path.at(-1) === 'args' && typeof wrong === 'object')) continue
        expect(validate(replaced(payload, path, wrong)), `${path.join('.')}: ${JSON.stringify(wrong)}`).toBe(
          false,
        )
      }
    }
  })

  it('fails on a field that another event type has, on another version, and on what is none of these', () => {
    const payload = matched('Registered')
    expect(validate({ ...payload, event: { ...payload.event, score: '1' } })).toBe(false)
    expect(validate({ ...payload, event: { ...payload.event, registry: 'reputation' } })).toBe(false)
    expect(validate({ ...payload, event: { ...payload.event, owner: null } })).toBe(false)
    expect(validate({ ...payload, version: 2 })).toBe(false)
    expect(validate({ ...payload, type: 'trigger.alert' })).toBe(false)
    expect(validate({})).toBe(false)
  })

  it('names every key that is sent', () => {
    const known = (name: string) => Object.keys(schema.$defs[name].properties)
    for (const type of types) {
      const payload = matched(type)
      expect(known('matched')).toEqual(expect.arrayContaining(Object.keys(payload)))
      expect(known('event').sort()).toEqual(Object.keys(payload.event).sort())
      expect(known('evidence')).toEqual([
        ...Object.keys(payload.match.evidence[0]),
        'scope',
        'state_before',
        'state',
        'held_back',
      ])
      expect(known('trigger')).toEqual(Object.keys(payload.trigger))
    }
  })
})
