import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/db.ts'
import type { RegistryEvent } from '../../src/event.ts'
import { maintainOnce } from '../../src/maintenance.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { matchStep, type TriggerCache } from '../../worker/match-step.ts'
import { sampleEvent } from '../support/events.ts'
import { insertEvents, setEventStatus } from '../support/insert-events.ts'
import { insertTrigger } from '../support/insert-trigger.ts'
import { createTestDatabase } from '../support/test-database.ts'

const chainId = 31337
const start = Date.UTC(2026, 1, 1)
let database: Awaited<ReturnType<typeof createTestDatabase>>
let db: Database
/** Of the matcher that goes on; a test that sets it back has one that starts anew. */
let cache: TriggerCache | undefined

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test' })
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
})
beforeEach(async () => {
  cache = undefined
  await db`truncate events, event_status, checkpoints, matcher_cursors, matches, deliveries, action_results, triggers,
    trigger_state_journal, trigger_changes, event_files, alerts cascade`
})

/** Feedback in block `n`, which is `n` seconds old. */
const feedback = (
  n: number,
  score: string,
  fields: Partial<RegistryEvent> & { fork?: string; tx?: string } = {},
) => {
  const { fork = 'a', tx = `0x${fork}${n}`, ...rest } = fields
  return sampleEvent('NewFeedback', {
    id: `${chainId}-${n}-0-${fork}`,
    block_number: n,
    log_index: 0,
    block_hash: `0x${fork}${n}`,
    transaction_hash: tx,
    occurrence: `${chainId}-${tx}-0-0`,
    block_time: new Date(start + n * 1000),
    score,
    ...rest,
  })
}

const match = async (eventsMax = 100) => {
  for (;;) {
    const step = await matchStep(db, chainId, cache, { eventsMax })
    cache = step.cache
    if (step.outcome !== 'more') return
  }
}
const arrive = async (events: RegistryEvent[], lastBlock: number, finalizedBlock = 0) => {
  await insertEvents(db, events, { chainId, lastBlock, finalizedBlock })
  await db`update checkpoints set last_block_time = ${new Date(start + lastBlock * 1000)}`
  await match()
}
const fired = async () =>
  (
    await db<{ kind: string; event_id: string }[]>`
      select kind, event_id from matches where status = 'standing' order by block_number, id
    `
  ).map(({ kind, event_id }) => `${kind} ${event_id.split('-').slice(1).join('-')}`)
const states = () =>
  db<{ scope: string; state: Record<string, unknown> }[]>`
    select scope, state from trigger_state where position >= 0 order by position, scope
  `

const average = (value: string, parts: Record<string, unknown> = {}) => ({
  condition_type: 'ema_threshold',
  field: 'score',
  operator: '<',
  value,
  config: { alpha: 0.5, scope: ['agent'], min_count: 1, ...parts },
})
const silence = { condition_type: 'absence', config: { time_window: '10s', scope: ['agent'] } }

describe('an average', () => {
  beforeEach(() => insertTrigger(db, { conditions: [average('70')] }))

  it('goes on from where it was, in a matcher that has just started too', async () => {
    await arrive([feedback(1, '80')], 1)
    await arrive([feedback(2, '70')], 2)
    cache = undefined
    await arrive([feedback(3, '60')], 3)
    expect(await fired()).toEqual(['event 3-0-a'])
    expect(await states()).toMatchObject([{ scope: '7', state: { count: 3 } }])
  })

  it('is on another fork what that fork alone would give', async () => {
    await arrive([feedback(1, '80'), feedback(2, '40')], 2)
    expect(await fired()).toEqual(['event 2-0-a'])
    await setEventStatus(db, feedback(2, '40'), 'retracted')
    await arrive([feedback(2, '80', { fork: 'b' }), feedback(3, '70', { fork: 'b' })], 3)
    expect(await fired()).toEqual([])
    await arrive([feedback(4, '55', { fork: 'b' })], 4)
    expect(await fired()).toEqual(['event 4-0-b'])
  })

  it('is as it was when the first fork comes back', async () => {
    await arrive([feedback(1, '80'), feedback(2, '40'), feedback(3, '90')], 3)
    const before = await states()
    for (const event of [feedback(2, '40'), feedback(3, '90')]) await setEventStatus(db, event, 'retracted')
    await arrive([feedback(2, '10', { fork: 'b' })], 3)
    expect(await states()).not.toEqual(before)
    await setEventStatus(db, feedback(2, '10', { fork: 'b' }), 'retracted')
    for (const event of [feedback(2, '40'), feedback(3, '90')]) await setEventStatus(db, event, 'reinstated')
    await match()
    expect(await states()).toEqual(before)
    expect(await fired()).toEqual(['event 2-0-a'])
  })

  it('takes back a match whose own event stands, when an earlier one has gone', async () => {
    await arrive([feedback(1, '10'), feedback(2, '80'), feedback(3, '80')], 3)
    expect(await fired()).toEqual(['event 1-0-a', 'event 2-0-a', 'event 3-0-a'])
    await setEventStatus(db, feedback(1, '10'), 'retracted')
    await match()
    expect(await fired()).toEqual([])
  })

  it('keeps no journal of blocks that are final', async () => {
    await arrive([feedback(1, '80'), feedback(2, '40')], 5, 1)
    expect(await db`select block_number from trigger_state_journal`).toEqual([{ block_number: 2 }])
    await arrive([], 5, 2)
    expect(await db`select from trigger_state_journal`).toHaveLength(0)
  })

  it('does not depend on the size of a batch, even within a block', async () => {
    const events = Array.from({ length: 9 }, (_, index) =>
      feedback(1 + Math.floor(index / 4), String(90 - index * 8), {
        id: `e${index}`,
        log_index: index,
        tx: `0x${index}`,
      }),
    )
    await insertEvents(db, events, { chainId, lastBlock: 5 })
    await match(2)
    const small = [await fired(), (await states()).map(({ state }) => state)]
    await db`truncate matcher_cursors, matches, deliveries, trigger_state, trigger_state_journal, trigger_progress cascade`
    cache = undefined
    await match(100)
    expect([await fired(), (await states()).map(({ state }) => state)]).toEqual(small)
  })
})

describe('the clock', () => {
  it('makes an absence fire when a block has passed the deadline, though it holds no event', async () => {
    await insertTrigger(db, { conditions: [silence] })
    await arrive([feedback(1, '80')], 11)
    expect(await fired()).toEqual([])
    await arrive([], 12)
    expect(await fired()).toEqual(['absence 1-0-a'])
    await arrive([], 50)
    expect(await fired()).toEqual(['absence 1-0-a'])
  })

  it('takes an absence back when a fork has the event after all', async () => {
    await insertTrigger(db, { conditions: [silence] })
    await arrive([feedback(1, '80')], 12)
    expect(await fired()).toEqual(['absence 1-0-a'])
    await arrive([feedback(8, '80', { fork: 'b' })], 13)
    expect(await fired()).toEqual([])
    await arrive([], 19)
    expect(await fired()).toEqual(['absence 8-0-b'])
  })

  it('goes back when a block of an earlier time takes the place of the one that passed a deadline', async () => {
    await insertTrigger(db, { conditions: [silence] })
    await arrive([feedback(1, '80')], 20)
    expect(await fired()).toEqual(['absence 1-0-a'])
    const early = feedback(21, '80', { fork: 'b', block_time: new Date(start + 9_000) })
    await arrive([early], 21)
    expect(await fired()).toEqual(['absence 21-0-b'])
  })

  it('delivers a digest of what a cooldown held back', async () => {
    await insertTrigger(db, { options: { cooldown: { period: '10s', scope: ['agent'], digest: true } } })
    await arrive([feedback(1, '80'), feedback(2, '80'), feedback(3, '80')], 5)
    expect(await fired()).toEqual(['event 1-0-a'])
    await arrive([], 12)
    expect(await fired()).toEqual(['event 1-0-a', 'digest 3-0-a'])
    expect(await db`select from deliveries`).toHaveLength(2)
  })
})

describe('history', () => {
  const events = [feedback(1, '40'), feedback(2, '80'), feedback(3, '80'), feedback(4, '80')]
  const since = new Date(start + 3_500)

  it('is not looked at by a trigger that does not ask', async () => {
    await arrive(events, 4)
    await insertTrigger(db, { active_since: since, conditions: [average('70')] })
    await arrive([feedback(5, '60')], 5)
    expect(await fired()).toEqual(['event 5-0-a'])
  })

  it('warms up the state of one that asks, and fires nothing', async () => {
    await arrive(events, 4)
    await insertTrigger(db, { active_since: since, conditions: [average('70')], options: { warm_up: true } })
    await arrive([feedback(5, '60'), feedback(6, '60')], 6)
    // 40, 60, 70, 75, 67.5, 63.75
    expect(await fired()).toEqual(['event 5-0-a', 'event 6-0-a'])
    expect(await states()).toMatchObject([{ state: { count: 6 } }])
    expect(await db`select from trigger_progress where block_number is not null`).toHaveLength(0)
  })

  it('fires from the block that a trigger names', async () => {
    await arrive(events, 4)
    await insertTrigger(db, { active_since: since, options: { from_block: 3 } })
    await match(1)
    expect(await fired()).toEqual(['event 3-0-a', 'event 4-0-a'])
  })

  it('is read in small steps, while the chain goes on, and a fork meanwhile is no matter', async () => {
    await arrive(events, 4)
    await insertTrigger(db, { active_since: since, conditions: [average('70')], options: { from_block: 0 } })
    await matchStep(db, chainId, undefined, { eventsMax: 2 })
    await setEventStatus(db, feedback(2, '80'), 'retracted')
    await insertEvents(db, [feedback(2, '60', { fork: 'b' }), feedback(5, '80')], { chainId, lastBlock: 5 })
    await match(2)
    // 40, 50, 65, 72.5, 76.25
    expect(await fired()).toEqual(['event 1-0-a', 'event 2-0-b', 'event 3-0-a'])
  })
})

describe('a change', () => {
  it('of the conditions begins a new generation, with the next event', async () => {
    const id = await insertTrigger(db, { conditions: [average('70')] })
    await arrive([feedback(1, '10')], 1)
    await db`update triggers set generation = 2, version = 2 where id = ${id}`
    await arrive([feedback(2, '80')], 2)
    expect(await fired()).toEqual(['event 1-0-a'])
    expect(await states()).toHaveLength(2)
    const [current] = await db`select state from trigger_state where generation = 2`
    expect(current).toMatchObject({ state: { count: 1 } })
  })

  it('does not decide again what was decided before it, when the chain goes back', async () => {
    const id = await insertTrigger(db, { conditions: [average('0')] })
    await arrive([feedback(1, '80'), feedback(2, '80')], 2)
    await db`update trigger_conditions set value = '"100"'`
    await db`update triggers set generation = 2, version = 2 where id = ${id}`
    await match()
    await setEventStatus(db, feedback(1, '80'), 'retracted')
    await arrive([feedback(1, '80', { fork: 'b' })], 2)
    expect(await fired()).toEqual(['event 1-0-b'])
  })
})

describe('a trigger that looks into files', () => {
  const isMcp = {
    condition_type: 'file_json',
    field: null,
    operator: 'exists',
    value: true,
    config: { path: '$.endpoint' },
  }
  const answer = (event: string, status: 'fetched' | 'failed', content: unknown) =>
    db`
      update event_files set status = ${status}, content = ${db.json(content as never)}, fetched_at = now(), error = 'x'
      where uri = ${`https://a.example/${event}`}
    `
  const named = (n: number) => feedback(n, '80', { file_uri: `https://a.example/${n}` })

  it('waits for the file, in order, while the chain goes on for the others', async () => {
    await insertTrigger(db, { conditions: [isMcp] })
    await insertTrigger(db, { conditions: [average('100')] })
    await arrive([named(1), named(2), named(3)], 3)
    expect(await fired()).toEqual(['event 1-0-a', 'event 2-0-a', 'event 3-0-a'])
    expect(await db`select from event_files`).toHaveLength(3)

    await answer('2', 'fetched', { endpoint: 'x' })
    await match()
    expect(await fired()).toHaveLength(3)
    await answer('1', 'failed', null)
    await match()
    expect((await fired()).filter((match) => match === 'event 2-0-a')).toHaveLength(2)
    await arrive([named(4)], 4)
    await answer('3', 'fetched', {})
    await match()
    await answer('4', 'fetched', { endpoint: 'x' })
    await match()
    expect((await fired()).filter((match) => match === 'event 4-0-a')).toHaveLength(2)
    expect((await fired()).filter((match) => match === 'event 3-0-a')).toHaveLength(1)
    expect(await db`select from trigger_progress where block_number is not null`).toHaveLength(0)
  })

  it('takes each event once where two matchers take turns', async () => {
    const often = {
      ...{ condition_type: 'rate_limit', operator: '>=', value: '9' },
      config: { time_window: '1h', scope: ['trigger'] },
    }
    await insertTrigger(db, { conditions: [isMcp, often] })
    await arrive([named(1)], 1)
    const first = cache
    cache = undefined
    await answer('1', 'fetched', { endpoint: 'x' })
    await arrive([named(2)], 2)
    cache = first
    await match()
    await answer('2', 'fetched', { endpoint: 'x' })
    await match()
    expect((await states()).map(({ state }) => state.times)).toEqual([[start + 1000, start + 2000]])
  })

  it('that is switched off while it waits leaves no match in question', async () => {
    const id = await insertTrigger(db, { conditions: [isMcp] })
    await arrive([named(1)], 1)
    await answer('1', 'fetched', { endpoint: 'x' })
    await arrive([named(2)], 2)
    await db`update triggers set enabled = false where id = ${id}`
    await setEventStatus(db, named(1), 'retracted')
    await match()
    expect(await db`select status, in_question from matches`).toEqual([
      { status: 'retracted', in_question: false },
    ])
  })

  it('does not fire for an event that leaves the chain while it waits', async () => {
    await insertTrigger(db, { conditions: [isMcp] })
    await arrive([named(1), named(2)], 2)
    await setEventStatus(db, named(1), 'retracted')
    await match()
    for (const n of ['1', '2']) await answer(n, 'fetched', { endpoint: 'x' })
    await match()
    expect(await fired()).toEqual(['event 2-0-a'])
  })
})

describe('the maintenance', () => {
  it('forgets the state of earlier generations an hour after the change, and no other', async () => {
    const id = await insertTrigger(db, { conditions: [average('70')] })
    await arrive([feedback(1, '80')], 1)
    await db`update triggers set generation = 2 where id = ${id}`
    await arrive([feedback(2, '80')], 2)
    const generations = async () =>
      (await db`select generation from trigger_state`).map((row) => row.generation)
    await maintainOnce(db, { eventDays: undefined, resultDays: 90 })
    expect((await generations()).sort()).toEqual([1, 2])

    await db`alter table triggers disable trigger triggers_updated_at`
    await db`update triggers set updated_at = now() - interval '2 hours'`
    await db`alter table triggers enable trigger triggers_updated_at`
    await maintainOnce(db, { eventDays: undefined, resultDays: 90 })
    expect(await generations()).toEqual([2])
  })

  it('forgets that a trigger is gone a day after, and events that could not be decided with the results', async () => {
    const id = await insertTrigger(db)
    const kept = await insertTrigger(db)
    await arrive([feedback(1, '80')], 1)
    await db`delete from triggers where id = ${id}`
    await db`
      insert into undecided_events (trigger_id, trigger_version, chain_id, event_id, block_number, block_time, reason, created_at)
      select ${kept}, 1, ${chainId}, 'e' || age, 1, now(), 'no', now() - age * interval '1 day' from generate_series(80, 99) age
    `
    await db`update trigger_changes set changed_at = now() - interval '2 days'`
    await maintainOnce(db, { eventDays: undefined, resultDays: 90 })
    expect(await db`select trigger_id from trigger_changes`).toEqual([{ trigger_id: kept }])
    expect(await db`select from undecided_events`).toHaveLength(10)
  })
})

describe('an expression that fails', () => {
  it('is recorded for the event, and pauses the trigger when it goes on failing', async () => {
    const id = await insertTrigger(db, {
      conditions: [{ condition_type: 'expression', value: '1 / (int(event.score) - 80) > 0' }],
    })
    await arrive([feedback(1, '80'), feedback(2, '81')], 2)
    expect(await fired()).toEqual(['event 2-0-a'])
    expect(await db`select event_id from undecided_events`).toEqual([{ event_id: feedback(1, '80').id }])
    await arrive(
      Array.from({ length: 20 }, (_, index) => feedback(3 + index, '80')),
      30,
    )
    const [trigger] = await db`select enabled, paused_reason from triggers where id = ${id}`
    expect(trigger).toEqual({ enabled: false, paused_reason: expect.stringContaining('20 events in a row') })
    expect(await db`select kind from alerts`).toEqual([{ kind: 'trigger_paused' }])
  })
})
