import { expect, test } from 'vitest'
import { hideSecrets, placeActions as place, type StoredAction } from '../../src/store/place-actions.ts'
import type { ActionDocument } from '../../src/trigger-document.ts'

type RestAction = Extract<ActionDocument, { action_type: 'rest' }>

const config = {
  url: 'https://a.example/',
  method: 'POST',
  headers: {},
  timeout_ms: 1000,
  max_attempts: 1,
} as const
const action = (fields: Partial<RestAction> = {}): RestAction => ({
  action_type: 'rest',
  priority: 1,
  alerts: false,
  finality: null,
  on_retraction: 'ignore',
  config: { ...config, headers: {} },
  ...fields,
})
const withHeaders = (headers: Record<string, string>) => ({ config: { ...config, headers } })
const stored: StoredAction[] = [
  { id: 10, action_type: 'rest', ...withHeaders({ Authorization: 'secret' }) },
  { id: 11, action_type: 'rest', ...withHeaders({}) },
]

const seal = ({ url, name }: { url: string; name: string }, value: string) =>
  `sealed:k:${new URL(url).origin} ${name} ${value}`
const placeActions = (actions: ActionDocument[], rows: StoredAction[]) => place(actions, rows, seal)

const idsOf = (actions: ActionDocument[]) => placeActions(actions, stored).placed.map(({ id }) => id)

test('an action without an id keeps the row at its position, further ones are new', () => {
  expect(idsOf([action(), action(), action()])).toEqual([10, 11, undefined])
  expect(idsOf([action()])).toEqual([10])
})

test('an action with an id keeps that row wherever it moves, and nobody else gets it', () => {
  expect(idsOf([action({ id: 11 }), action({ id: 10 })])).toEqual([11, 10])
  expect(idsOf([action(), action({ id: 10 })])).toEqual([undefined, 10])
})

test('an id that is not of this trigger, or is given twice, is refused', () => {
  expect(placeActions([action({ id: 12 })], stored).problems).toEqual([
    { path: ['actions', 0, 'id'], message: expect.stringMatching(/or nothing for a new one; found 12/) },
  ])
  expect(placeActions([action({ id: 10 }), action({ id: 10 })], stored).problems).toEqual([
    { path: ['actions', 1, 'id'], message: 'action 10 is given twice' },
  ])
})

test('a hidden header value keeps what is stored for that action; where nothing is, it is refused', () => {
  const keep = placeActions([action(withHeaders({ authorization: '***' }))], stored)
  expect(keep.problems).toEqual([])
  // Stored before there was encryption.
  expect(keep.placed[0]?.config).toMatchObject({
    headers: { authorization: 'sealed:k:https://a.example authorization secret' },
  })
  const again = [{ id: 10, action_type: 'rest' as const, ...withHeaders({ Authorization: 'sealed:k:x' }) }]
  expect(
    placeActions([action(withHeaders({ authorization: '***' }))], again).placed[0]?.config,
  ).toMatchObject({ headers: { authorization: 'sealed:k:x' } })

  const change = placeActions([action(withHeaders({ Authorization: 'sealed:k:new' }))], stored)
  expect(change.placed[0]?.config).toMatchObject({
    headers: { Authorization: 'sealed:k:https://a.example Authorization sealed:k:new' },
  })

  const invent = placeActions([action(), action(withHeaders({ Authorization: '***' }))], stored)
  expect(invent.problems).toEqual([
    {
      path: ['actions', 1, 'config', 'headers', 'Authorization'],
      message: '*** keeps a stored value, and there is none: expected the value',
    },
  ])
})

test.each([
  ['another host', 'https://b.example/', false],
  ['another scheme', 'http://a.example/', false],
  ['another port', 'https://a.example:8443/', false],
  ['a host that only looks alike', 'https://a.example.evil.example/', false],
  ['another path', 'https://a.example/other?x=1', true],
  ['the same, written otherwise', 'HTTPS://A.example:443/', true],
])('a hidden header value goes with the action to %s: %s is %s', (_, url, isKept) => {
  const moved = action({ config: { ...config, url, headers: { Authorization: '***' } } })
  const { placed, problems } = placeActions([moved], stored)
  expect(problems).toEqual(
    isKept
      ? []
      : [
          {
            path: ['actions', 0, 'config', 'headers', 'Authorization'],
            message: `*** keeps a stored value, which was stored for https://a.example and is not sent to ${new URL(url).origin}: expected the value`,
          },
        ],
  )
  if (!isKept) expect(JSON.stringify(placed)).not.toContain('secret')
})

test('hiding replaces every header value and nothing else', () => {
  expect(hideSecrets(action(withHeaders({ A: 'x', B: 'y' })))).toEqual(
    action(withHeaders({ A: '***', B: '***' })),
  )
})
