import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { compileTrigger } from '../../src/conditions/compile-trigger.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { applyMigrations } from '../../src/migrate.ts'
import {
  createTrigger,
  ensureUser,
  listTriggers,
  readEnabledTriggers,
  readTrigger,
  replaceTrigger,
  type StoredTrigger,
} from '../../src/store/triggers.ts'
import { parseTriggerDocument, type TriggerDocument } from '../../src/trigger-document.ts'
import { testSecrets } from '../support/secrets.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'

let database: TestDatabase
let db: Database
let userId: string

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'trigger options test' })
  userId = await ensureUser(db, 'bootstrap')
})

afterAll(async () => {
  await db?.end()
  await database?.drop()
})

beforeEach(async () => {
  await db`truncate triggers cascade`
})

const action = (fields: object = {}) => ({
  action_type: 'rest',
  config: { url: 'https://receiver.example/' },
  ...fields,
})
const document = {
  name: 'Low scores',
  chain_id: 31337,
  registry: 'reputation',
  conditions: [{ condition_type: 'score_threshold', operator: '<', value: 70 }] as object[],
  actions: [action()],
}

function parse(fields: object): TriggerDocument {
  const result = parseTriggerDocument({ ...document, ...fields }, [{ id: 31337 }, { id: 1 }])
  if ('problems' in result) throw new Error(JSON.stringify(result.problems))
  return result.ok
}

async function create(fields: object = {}): Promise<StoredTrigger> {
  const made = await createTrigger(db, testSecrets, userId, parse(fields))
  if (!('trigger' in made)) throw new Error(JSON.stringify(made))
  return made.trigger
}

async function put(id: string, fields: object): Promise<StoredTrigger> {
  const replaced = await replaceTrigger(db, testSecrets, { id }, parse(fields))
  if (replaced === undefined || 'problems' in replaced) throw new Error(JSON.stringify(replaced))
  return replaced.trigger
}

/** What was read, without what only the system knows. */
function documentOf(trigger: StoredTrigger): object {
  const { id, version, generation, is_stateful, paused_at, paused_reason, active_since, ...rest } = trigger
  const { created_at, updated_at, actions, ...given } = rest
  return {
    ...given,
    actions: actions.map(({ destination_id: _, signing_secret: __, ...one }) => one),
  }
}

const window = { time_window: '1h' }
const everyType = [
  { condition_type: 'expression', value: 'event.score < 20.0' },
  { condition_type: 'file_fetched' },
  { condition_type: 'file_hash', value: 'mismatch' },
  { condition_type: 'file_json', operator: 'exists', config: { path: '$.score' } },
  {
    condition_type: 'ema_threshold',
    operator: '<',
    value: '0.5',
    config: { window_size: 10, tag: 'uptime' },
  },
  { condition_type: 'distinct_count', value: 3, config: { ...window, scope: ['agent', 'tag'] } },
  { condition_type: 'sum_threshold', operator: '>', value: '9'.repeat(70), config: window },
  { condition_type: 'change', operator: '<', value: 70, config: { alpha: 0.1, reset: 80.5 } },
  {
    condition_type: 'sequence',
    config: {
      first: [{ condition_type: 'event_type_equals', value: 'NewFeedback' }],
      // biome-ignore lint/suspicious/noThenProperty: the name that the document has for it
      then: [{ condition_type: 'agent_id_equals', operator: 'in', value: [1, '2'] }],
      within: '7d',
    },
  },
  { condition_type: 'rate_limit', value: 5, config: { ...window, reset_on_trigger: false } },
]

describe('a document with everything', () => {
  const options = {
    finality: { confirmations: 12 },
    from_block: 9_007_199_254_740_991,
    warm_up: true,
    cooldown: { period: '5m', scope: 'client', digest: true },
    max_fires: { count: 3, within: '1d', scope: ['tag', 'agent'] },
    actions: [
      action({ finality: 'finalized', on_retraction: 'notify' }),
      action({ finality: { confirmations: 1 } }),
      action(),
    ],
  }

  test('is read back as it was checked, and is the same when it is sent back', async () => {
    const given = { ...options, conditions: everyType }
    const made = await create(given)
    const { actions, ...parsed } = parse(given)
    expect(made).toMatchObject(parsed)
    expect(made.conditions).toEqual(parsed.conditions)
    expect(made.actions).toMatchObject(actions)
    expect(made.is_stateful).toBe(true)
    expect(await readTrigger(db, made.id)).toEqual({
      ...made,
      actions: made.actions.map(({ signing_secret: _, ...rest }) => rest),
    })

    const again = await put(made.id, documentOf(made))
    expect(documentOf(again)).toEqual(documentOf(made))
    expect([again.version, again.generation]).toEqual([2, 1])
    const { rows } = await listTriggers(db, {}, { after: undefined, limit: 10 })
    expect(rows).toEqual([again])
  })

  test('is compiled from what the matcher reads', async () => {
    const made = await create({ ...options, conditions: everyType })
    const [row] = await readEnabledTriggers(db, 31337)
    if (row === undefined) throw new Error('The trigger is not there')
    const compiled = compileTrigger(row)
    expect(compiled).toMatchObject({
      id: made.id,
      generation: 1,
      from_block: 9_007_199_254_740_991,
      warm_up: true,
      readsFiles: true,
      // A revocation names no file.
      eventTypes: ['NewFeedback', 'ResponseAppended'],
      limits: [
        { kind: 'cooldown', count: 1, within: 300_000, digest: true },
        { kind: 'max_fires', count: 3, within: 86_400_000, digest: false },
      ],
    })
    expect(compiled.conditions.map(({ position }) => position)).toEqual([0])
    expect(compiled.content.map(({ position }) => position)).toEqual([1, 2, 3])
    expect(compiled.stateful.map(({ position }) => position)).toEqual([4, 5, 6, 7, 8, 9])
  })

  test.each(['absence', 'file_json'])('so is one of the type %s that stands for itself', async (type) => {
    const condition =
      type === 'absence'
        ? { condition_type: 'absence', config: window }
        : { condition_type: 'file_json', operator: 'changed', config: { path: '$.active', to: false } }
    const made = await create({ registry: 'identity', conditions: [condition] })
    expect(documentOf(await put(made.id, documentOf(made)))).toEqual(documentOf(made))
    const [row] = await readEnabledTriggers(db, 31337)
    const compiled = row && compileTrigger(row)
    expect(compiled?.stateful).toHaveLength(1)
    expect(compiled?.readsFiles).toBe(type === 'file_json')
    expect(made.is_stateful).toBe(true)
  })
})

test('the matcher reads the enabled ones of its chain that it asks for', async () => {
  const one = await create()
  const two = await create()
  const disabled = await create({ enabled: false })
  const elsewhere = await create({ chain_id: 1 })
  const idsOf = async (ids?: string[]) => (await readEnabledTriggers(db, 31337, ids)).map(({ id }) => id)
  expect((await idsOf()).sort()).toEqual([one.id, two.id].sort())
  expect(await idsOf([two.id, disabled.id, elsewhere.id, 'none'])).toEqual([two.id])
  expect(await idsOf([])).toEqual([])
})

describe('is_stateful says whether a trigger remembers anything', () => {
  test.each<[string, object, boolean]>([
    ['nothing', {}, false],
    ['an expression', { conditions: [everyType[0]] }, false],
    ['content', { conditions: [everyType[1]] }, false],
    ['an average', { conditions: [everyType[4]] }, true],
    ['a cooldown', { cooldown: { period: '1h' } }, true],
    ['a number of matches', { max_fires: { count: 1 } }, true],
  ])('%s', async (_, fields, expected) => {
    const made = await create()
    expect((await put(made.id, fields)).is_stateful).toBe(expected)
    expect((await put(made.id, {})).is_stateful).toBe(false)
  })
})

describe('the generation', () => {
  test.each<[string, object]>([
    ['the chain', { chain_id: 1 }],
    ['the registry', { registry: 'identity', conditions: [] }],
    ['a value', { conditions: [{ ...document.conditions[0], value: 71 }] }],
    [
      'a further condition',
      { conditions: [...document.conditions, { condition_type: 'agent_id_equals', value: 1 }] },
    ],
    ['a condition less', { conditions: [] }],
    ['the start', { from_block: 5 }],
    ['the warm-up', { warm_up: true }],
  ])('goes up with %s, and the trigger is no longer paused', async (_, fields) => {
    const made = await create()
    await db`update triggers set paused_at = now(), paused_reason = 'x' where id = ${made.id}`
    const changed = await put(made.id, fields)
    expect([changed.generation, changed.paused_at, changed.paused_reason]).toEqual([2, null, null])
    expect((await put(made.id, fields)).generation).toBe(2)
    expect((await put(made.id, {})).generation).toBe(3)
  })

  test('goes up with a setting of a condition, and with the order of conditions', async () => {
    const rate = (time_window: string) => ({
      condition_type: 'rate_limit',
      value: 2,
      config: { time_window },
    })
    const made = await create({ conditions: [rate('1h'), rate('2h')] })
    expect((await put(made.id, { conditions: [rate('1h'), rate('3h')] })).generation).toBe(2)
    expect((await put(made.id, { conditions: [rate('3h'), rate('1h')] })).generation).toBe(3)
  })

  test('stays where the same is written in other words', async () => {
    const made = await create()
    const same = {
      condition_type: 'score_threshold',
      field: 'score',
      operator: '<',
      value: '070.0',
      config: {},
    }
    expect((await put(made.id, { conditions: [same], from_block: null, warm_up: false })).generation).toBe(1)
  })

  test('stays with everything that a trigger does rather than looks at', async () => {
    const made = await create()
    await db`update triggers set paused_at = '2026-01-01T00:00:00Z', paused_reason = 'x' where id = ${made.id}`
    const other = await put(made.id, {
      name: 'Other',
      description: 'x',
      finality: 'finalized',
      cooldown: { period: '1h' },
      max_fires: { count: 1 },
      actions: [action({ finality: 'finalized', on_retraction: 'notify' })],
    })
    expect([other.version, other.generation]).toEqual([2, 1])
    expect([other.paused_at, other.paused_reason]).toEqual([new Date('2026-01-01T00:00:00Z'), 'x'])
  })

  test('goes up when the trigger is switched on, and that ends a pause', async () => {
    const made = await create()
    await db`update triggers set enabled = false, paused_at = now(), paused_reason = 'x' where id = ${made.id}`
    const off = await put(made.id, { enabled: false })
    expect([off.generation, off.paused_reason]).toEqual([1, 'x'])
    const on = await put(made.id, { enabled: true })
    expect([on.generation, on.paused_at, on.paused_reason]).toEqual([2, null, null])
    expect((await put(made.id, { enabled: false })).generation).toBe(2)
  })
})
