import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/db.ts'
import type { RegistryEvent } from '../../src/event.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { finishDeliveries, sweepDeliveries } from '../../src/store/delivering.ts'
import { matchStep } from '../../worker/match-step.ts'
import { sampleEvent } from '../support/events.ts'
import { insertEvents, setEventStatus } from '../support/insert-events.ts'
import { insertTrigger } from '../support/insert-trigger.ts'
import { createTestDatabase } from '../support/test-database.ts'

const chainId = 31337
let database: Awaited<ReturnType<typeof createTestDatabase>>
let db: Database

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
  await db`truncate events, event_status, checkpoints, matcher_cursors, matches, deliveries, action_results, triggers cascade`
})

/** Feedback in block `n` of a fork. A transaction that is mined again keeps its `tx`. */
const feedback = (n: number, fork = 'a', tx = `0x${fork}${n}`): RegistryEvent =>
  sampleEvent('NewFeedback', {
    id: `${chainId}-${n}-0-${fork}`,
    block_number: n,
    log_index: 0,
    block_hash: `0x${fork}${n}`,
    transaction_hash: tx,
    occurrence: `${chainId}-${tx}-0-0`,
    block_time: new Date(Date.UTC(2026, 1, 1) + n * 1000),
  })

const match = async () => {
  for (;;) {
    const step = await matchStep(db, chainId, undefined, { eventsMax: 100 })
    if (step.outcome !== 'more') return
  }
}
const head = (lastBlock: number, finalizedBlock = 0) =>
  insertEvents(db, [], { chainId, lastBlock, finalizedBlock }).then(match)
const arrive = (events: RegistryEvent[], lastBlock: number) =>
  insertEvents(db, events, { chainId, lastBlock }).then(match)
const leave = (event: RegistryEvent) => setEventStatus(db, event, 'retracted').then(match)
const comeBack = (event: RegistryEvent) => setEventStatus(db, event, 'reinstated').then(match)

/** Kind, state and whether it is due, of all deliveries in the order of their making. */
const deliveries = () =>
  db<{ kind: string; state: string; due: boolean; event_id: string }[]>`
    select kind, state, due_at is not null as due, event_id from deliveries order by created_at, kind
  `
const matches = () => db<{ status: string; event_id: string }[]>`select status, event_id from matches`

/** As a worker would leave it after one attempt. */
const attempt = (state: 'succeeded' | 'pending' | 'running' = 'succeeded') =>
  db`update deliveries set state = ${state}, attempts = 1 where kind = 'match'`

const triggerWith = async (
  trigger: { finality?: unknown },
  action: { finality?: unknown; on_retraction?: string } = {},
) => {
  const id = await insertTrigger(db)
  await db`update triggers set finality = ${db.json((trigger.finality ?? 'latest') as never)} where id = ${id}`
  await db`
    update trigger_actions set
      finality = ${action.finality === undefined ? null : db.json(action.finality as never)},
      on_retraction = ${action.on_retraction ?? 'ignore'}
    where trigger_id = ${id}
  `
  return id
}

describe('finality', () => {
  it('latest: a delivery is due at once', async () => {
    await triggerWith({})
    await arrive([feedback(5)], 5)
    expect(await deliveries()).toMatchObject([{ state: 'pending', due: true }])
  })

  it('confirmations: a delivery is due when so many blocks have followed', async () => {
    await triggerWith({ finality: { confirmations: 3 } })
    await arrive([feedback(5)], 5)
    expect(await deliveries()).toMatchObject([{ state: 'pending', due: false }])
    await head(7)
    expect(await deliveries()).toMatchObject([{ due: false }])
    await head(8)
    expect(await deliveries()).toMatchObject([{ state: 'pending', due: true }])
  })

  it('finalized: a delivery is due when its block is final', async () => {
    await triggerWith({ finality: 'finalized' })
    await arrive([feedback(5)], 5)
    await head(100, 4)
    expect(await deliveries()).toMatchObject([{ due: false }])
    await head(100, 5)
    expect(await deliveries()).toMatchObject([{ due: true }])
  })

  it('what is old enough already does not wait', async () => {
    await triggerWith({ finality: { confirmations: 3 } })
    await arrive([feedback(5)], 20)
    expect(await deliveries()).toMatchObject([{ due: true }])
  })

  it('an action can wait longer than its trigger', async () => {
    await triggerWith({}, { finality: 'finalized' })
    await arrive([feedback(5)], 5)
    expect(await deliveries()).toMatchObject([{ due: false }])
  })

  it('a match whose event is retracted while it waits is never sent', async () => {
    await triggerWith({ finality: { confirmations: 3 } })
    const event = feedback(5)
    await arrive([event], 5)
    await leave(event)
    await head(50)
    expect(await deliveries()).toMatchObject([{ state: 'cancelled' }])
    expect(await matches()).toMatchObject([{ status: 'retracted' }])
  })

  it('counts from the block in which the transaction ends up, when it is mined again', async () => {
    await triggerWith({ finality: { confirmations: 3 } })
    await arrive([feedback(5, 'a', '0xsame')], 5)
    await setEventStatus(db, feedback(5, 'a', '0xsame'), 'retracted')
    await arrive([feedback(7, 'b', '0xsame')], 8)
    expect(await deliveries()).toMatchObject([
      { state: 'pending', due: false, event_id: feedback(7, 'b').id },
    ])
    await head(9)
    expect(await deliveries()).toMatchObject([{ due: false }])
    await head(10)
    expect(await deliveries()).toMatchObject([{ state: 'pending', due: true }])
    expect(await matches()).toMatchObject([{ status: 'standing', event_id: feedback(7, 'b').id }])
  })
})

describe('an event that leaves the chain', () => {
  it('before it was sent: its delivery is cancelled, and comes back with the event', async () => {
    await triggerWith({}, { on_retraction: 'notify' })
    const event = feedback(5)
    await arrive([event], 5)
    await leave(event)
    expect(await deliveries()).toMatchObject([{ kind: 'match', state: 'cancelled' }])
    await comeBack(event)
    expect(await deliveries()).toMatchObject([{ kind: 'match', state: 'pending', due: true }])
    expect(await matches()).toMatchObject([{ status: 'standing' }])
  })

  it('after it was sent: an action that asks for it gets a retraction that names the delivery, once', async () => {
    await triggerWith({}, { on_retraction: 'notify' })
    const event = feedback(5)
    await arrive([event], 5)
    await attempt()
    await leave(event)
    await match()
    const rows = await db`select kind, state, original_id from deliveries order by created_at, kind`
    const [original] = await db`select id from deliveries where kind = 'match'`
    expect(rows).toMatchObject([
      { kind: 'match', state: 'succeeded', original_id: null },
      { kind: 'retraction', state: 'pending', original_id: original?.id },
    ])
  })

  it('after it was sent: an action that does not ask hears nothing', async () => {
    await triggerWith({}, { on_retraction: 'ignore' })
    const event = feedback(5)
    await arrive([event], 5)
    await attempt()
    await leave(event)
    expect(await deliveries()).toMatchObject([{ kind: 'match', state: 'succeeded' }])
  })

  it('while it was being tried again: no more tries, and a retraction, because it may have arrived', async () => {
    await triggerWith({}, { on_retraction: 'notify' })
    const event = feedback(5)
    await arrive([event], 5)
    await attempt('pending')
    await leave(event)
    expect(await deliveries()).toMatchObject([
      { kind: 'match', state: 'cancelled' },
      { kind: 'retraction', state: 'pending' },
    ])
  })

  it('while it was being tried: it is not tried again, and comes back with the event', async () => {
    await triggerWith({})
    await arrive([feedback(5)], 5)
    await db`update deliveries set state = 'running', attempts = 1, worker_id = 'w'`
    await leave(feedback(5))
    const [running] = await db<{ id: string }[]>`select id from deliveries`
    const outcome = { number: 0, id: running?.id, attempts: 1, state: 'pending', due_in_ms: 0, error: 'no' }
    await finishDeliveries(db, ['w', [outcome]])
    expect(await db`select state, retracted from deliveries`).toEqual([
      { state: 'cancelled', retracted: true },
    ])
    await comeBack(feedback(5))
    expect(await db`select state, retracted from deliveries`).toEqual([
      { state: 'pending', retracted: false },
    ])
  })

  it('while its worker died on it: it is not tried again either, unless it comes back', async () => {
    await triggerWith({})
    await arrive([feedback(5)], 5)
    await db`
      update deliveries set state = 'running', attempts = 1, worker_id = 'w', started_at = now(), lease_until = now() - interval '1 s'
    `
    await leave(feedback(5))
    await sweepDeliveries(db, [60_000])
    expect(await db`select state, retracted from deliveries`).toEqual([
      { state: 'cancelled', retracted: true },
    ])
    await comeBack(feedback(5))
    expect(await db`select state, retracted from deliveries`).toEqual([
      { state: 'pending', retracted: false },
    ])
  })

  it('A, B, A: whoever was told of the retraction hears that the event is back', async () => {
    await triggerWith({}, { on_retraction: 'notify' })
    const event = feedback(5)
    await arrive([event], 5)
    await attempt()
    await leave(event)
    await db`update deliveries set state = 'succeeded', attempts = 1 where kind = 'retraction'`
    await comeBack(event)
    expect((await deliveries()).map(({ kind, state }) => [kind, state])).toEqual([
      ['match', 'succeeded'],
      ['retraction', 'succeeded'],
      ['reinstatement', 'pending'],
    ])
    await leave(event)
    expect((await deliveries()).map(({ kind, state }) => [kind, state]).sort()).toEqual([
      ['match', 'succeeded'],
      ['reinstatement', 'cancelled'],
      ['retraction', 'pending'],
      ['retraction', 'succeeded'],
    ])
  })

  it('A, B, A before anybody was told: nobody hears of it', async () => {
    await triggerWith({}, { on_retraction: 'notify' })
    const event = feedback(5)
    await arrive([event], 5)
    await attempt()
    await leave(event)
    await comeBack(event)
    expect((await deliveries()).map(({ kind, state }) => [kind, state])).toEqual([
      ['match', 'succeeded'],
      ['retraction', 'cancelled'],
    ])
  })

  it('and whose transaction is mined again: the match moves with it, and its evidence of before is kept', async () => {
    await triggerWith({}, { on_retraction: 'notify' })
    await arrive([feedback(5, 'a', '0xsame')], 5)
    await attempt()
    await setEventStatus(db, feedback(5, 'a', '0xsame'), 'retracted')
    await arrive([feedback(6, 'b', '0xsame')], 6)
    expect(await matches()).toMatchObject([{ status: 'standing', event_id: feedback(6, 'b').id }])
    expect(await deliveries()).toMatchObject([{ kind: 'match', state: 'succeeded' }])
    const [row] = await db`select history from matches`
    expect(row?.history).toMatchObject([{ event_id: feedback(5, 'a').id }])
  })

  it('belongs to the generation of the trigger that decided it again, when its transaction is mined again', async () => {
    const id = await triggerWith({})
    const [lost, again] = [feedback(5, 'a', '0xsame'), feedback(5, 'b', '0xsame')]
    await arrive([lost], 5)
    await db`update triggers set generation = 2, version = 2 where id = ${id}`
    await match()
    await setEventStatus(db, lost, 'retracted')
    await arrive([again], 5)
    expect(await db`select event_id, generation, trigger_version from matches`).toEqual([
      { event_id: again.id, generation: 2, trigger_version: 2 },
    ])
  })

  it('does not take back what a version of the trigger decided that has changed since, while its event stands', async () => {
    const id = await triggerWith({}, { on_retraction: 'notify' })
    const kept = feedback(6)
    const lost = feedback(5)
    await arrive([lost, kept], 6)
    await attempt()
    // Now it would not fire for either.
    await db`
      insert into trigger_conditions (trigger_id, position, condition_type, field, operator, value)
      values (${id}, 0, 'agent_id_equals', 'agent_id', '=', '"999"')
    `
    await db`update triggers set generation = generation + 1, version = version + 1 where id = ${id}`
    await match()
    await leave(lost)
    const rows = await db`select event_id, status from matches order by block_number`
    expect(rows).toEqual([
      { event_id: lost.id, status: 'retracted' },
      { event_id: kept.id, status: 'standing' },
    ])
  })
})
