import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/db.ts'
import type { RegistryEvent } from '../../src/event.ts'
import { applyMigrations } from '../../src/migrate.ts'
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

/** Feedback number `n`: block n of the fork, one log, its own transaction. A transaction mined again keeps its `tx`. */
const feedback = (
  n: number,
  options: { fork?: string; tx?: string; fields?: Partial<RegistryEvent> } = {},
) => {
  const { fork = 'a', tx = `0x${fork}${n}` } = options
  return sampleEvent('NewFeedback', {
    id: `${chainId}-${n}-0-${fork}`,
    block_number: n,
    log_index: 0,
    block_hash: `0x${fork}${n}`,
    transaction_hash: tx,
    occurrence: `${chainId}-${tx}-0-0`,
    block_time: new Date(Date.UTC(2026, 1, 1) + n * 1000),
    ...options.fields,
  })
}

/** Steps until nothing is left to do; returns the sum of what was stored. */
const matchAll = async (eventsMax = 1000) => {
  const sum = { events: 0, matches: 0, deliveries: 0 }
  for (;;) {
    const step = await matchStep(db, chainId, undefined, { eventsMax })
    sum.events += step.events
    sum.matches += step.matches
    sum.deliveries += step.deliveries
    if (step.outcome !== 'more') return sum
  }
}

const matchedEvents = async () =>
  (await db<{ event_id: string }[]>`select event_id from matches order by block_number, event_id`).map(
    (row) => row.event_id,
  )

describe('matchStep', () => {
  it('does nothing on a chain that was never indexed', async () => {
    expect(await matchAll()).toEqual({ events: 0, matches: 0, deliveries: 0 })
  })

  it('gives every match one delivery for each action', async () => {
    await insertTrigger(db, { actions: [{ config: {} }, { config: {}, priority: 5 }] })
    await insertEvents(db, [feedback(1), feedback(2)], { chainId, lastBlock: 2 })
    expect(await matchAll()).toEqual({ events: 2, matches: 2, deliveries: 4 })
    expect(await matchAll()).toEqual({ events: 0, matches: 0, deliveries: 0 })
  })

  it('fires only where all conditions hold, and keeps what it saw as evidence', async () => {
    await insertTrigger(db, {
      conditions: [
        { condition_type: 'score_threshold', field: 'score', operator: '<', value: '70' },
        { condition_type: 'agent_id_equals', field: 'agent_id', operator: '=', value: '7' },
      ],
    })
    const low = feedback(1, { fields: { score: '69.999999999999999999' } })
    const high = feedback(2, { fields: { score: '70' } })
    const otherAgent = feedback(3, { fields: { score: '1', agent_id: '8' } })
    await insertEvents(db, [low, high, otherAgent], { chainId, lastBlock: 3 })
    await matchAll()
    const rows = await db`select event_id, evidence from matches`
    expect(rows).toHaveLength(1)
    expect(rows[0]?.event_id).toBe(low.id)
    expect(rows[0]?.evidence).toMatchObject([
      { position: 0, field: 'score', operator: '<', value: '70', seen: '69.999999999999999999', holds: true },
      { position: 1, field: 'agent_id', seen: '7', holds: true },
    ])
  })

  it('reads any number of events in bounded batches, in chain order', async () => {
    await insertTrigger(db)
    const events = Array.from({ length: 25 }, (_, index) => feedback(index + 1))
    await insertEvents(db, events.toReversed(), { chainId, lastBlock: 25 })
    expect(await matchAll(10)).toEqual({ events: 25, matches: 25, deliveries: 25 })
  })

  it('splits a block over batches without losing a log', async () => {
    await insertTrigger(db)
    const events = Array.from({ length: 7 }, (_, index) =>
      feedback(5, { tx: `0x${index}`, fields: { id: `e${index}`, log_index: index } }),
    )
    await insertEvents(db, events, { chainId, lastBlock: 5 })
    expect((await matchAll(3)).matches).toBe(7)
  })

  it('leaves events beyond the checkpoint until their block is complete', async () => {
    await insertTrigger(db)
    await insertEvents(db, [feedback(1), feedback(2)], { chainId, lastBlock: 1 })
    expect((await matchAll()).matches).toBe(1)
    await insertEvents(db, [], { chainId, lastBlock: 2 })
    expect((await matchAll()).matches).toBe(1)
  })

  it('takes events of blocks from before the trigger was switched on for history', async () => {
    await insertTrigger(db, { active_since: feedback(2).block_time })
    await insertEvents(db, [feedback(1), feedback(2), feedback(3)], { chainId, lastBlock: 3 })
    await matchAll()
    expect(await matchedEvents()).toEqual([feedback(2).id, feedback(3).id])
  })

  it('uses a changed trigger from the next step on', async () => {
    const id = await insertTrigger(db)
    const first = await matchStep(db, chainId, undefined, { eventsMax: 10 })
    await insertEvents(db, [feedback(1)], { chainId, lastBlock: 1 })
    const second = await matchStep(db, chainId, first.cache, { eventsMax: 10 })
    expect(second.matches).toBe(1)
    await db`update triggers set enabled = false where id = ${id}`
    await insertEvents(db, [feedback(2)], { chainId, lastBlock: 2 })
    const third = await matchStep(db, chainId, second.cache, { eventsMax: 10 })
    expect(third.matches).toBe(0)
    await insertTrigger(db)
    await insertEvents(db, [feedback(3)], { chainId, lastBlock: 3 })
    // History skipping must not outlive the triggers it was computed from.
    expect((await matchStep(db, chainId, third.cache, { eventsMax: 10 })).matches).toBe(1)
  })

  it('goes on with the others when a stored trigger cannot be evaluated: it is paused, and its owner is told', async () => {
    const broken = await insertTrigger(db, {
      conditions: [{ condition_type: 'no_such_type', field: 'score', operator: '<', value: '1' }],
    })
    await insertTrigger(db)
    await insertEvents(db, [feedback(1)], { chainId, lastBlock: 1 })
    const step = await matchStep(db, chainId, undefined, { eventsMax: 10 })
    expect(step.matches).toBe(1)
    expect(step.paused).toEqual([
      { trigger_id: broken, version: 1, reason: expect.stringContaining('no_such_type') },
    ])
    const [trigger] = await db`select enabled, paused_reason from triggers where id = ${broken}`
    expect(trigger).toEqual({ enabled: false, paused_reason: expect.stringContaining('no_such_type') })
    const alerts = await db`select kind, message from alerts`
    expect(alerts).toEqual([{ kind: 'trigger_paused', message: expect.stringContaining('no_such_type') }])
  })

  it('lets one matcher at a time work on a chain', async () => {
    await insertTrigger(db)
    await insertEvents(db, [feedback(1)], { chainId, lastBlock: 1 })
    await db.begin(async (tx) => {
      await tx`select pg_advisory_xact_lock(hashtextextended('tocsin matcher ' || ${chainId}::bigint, 0))`
      expect((await matchStep(db, chainId, undefined, { eventsMax: 10 })).outcome).toBe('busy')
    })
    const steps = await Promise.allSettled(
      Array.from({ length: 5 }, () => matchStep(db, chainId, undefined, { eventsMax: 10 })),
    )
    const stored = steps.map((step) => (step.status === 'fulfilled' ? step.value.deliveries : 0))
    expect(stored.reduce((sum, count) => sum + count, 0)).toBe(1)
    expect(await db`select id from deliveries`).toHaveLength(1)
  })
})

describe('matchStep after a reorg', () => {
  it('fires for an event in a block that replaced an empty one behind the cursor', async () => {
    await insertTrigger(db)
    await insertEvents(db, [feedback(1)], { chainId, lastBlock: 5 })
    await matchAll()
    await insertEvents(db, [feedback(3, { fork: 'b' })], { chainId, lastBlock: 6 })
    await matchAll()
    expect(await matchedEvents()).toEqual([feedback(1).id, feedback(3, { fork: 'b' }).id])
  })

  it('does not fire twice when the same transaction is mined again in another block', async () => {
    await insertTrigger(db)
    const before = feedback(3, { fork: 'a', tx: '0xsame' })
    await insertEvents(db, [before], { chainId, lastBlock: 4 })
    await matchAll()
    await setEventStatus(db, before, 'retracted')
    await insertEvents(db, [feedback(4, { fork: 'b', tx: '0xsame' })], { chainId, lastBlock: 6 })
    await matchAll()
    expect(await db`select id from deliveries`).toHaveLength(1)
  })

  it('passes over a retracted event, and takes it up again when it is reinstated', async () => {
    await insertTrigger(db)
    const event = feedback(2)
    await insertEvents(db, [event], { chainId, lastBlock: 0 })
    await setEventStatus(db, event, 'retracted')
    await insertEvents(db, [], { chainId, lastBlock: 4 })
    expect((await matchAll()).matches).toBe(0)
    await setEventStatus(db, event, 'reinstated')
    expect((await matchAll()).matches).toBe(1)
  })

  it('stores late events of finalized history without firing', async () => {
    await insertTrigger(db)
    await insertEvents(db, [feedback(10)], { chainId, lastBlock: 20, finalizedBlock: 15 })
    await matchAll()
    await insertEvents(db, [feedback(5, { fork: 'late' })], { chainId, lastBlock: 21, finalizedBlock: 15 })
    expect((await matchAll()).matches).toBe(0)
    await insertEvents(db, [feedback(16, { fork: 'late' })], { chainId, lastBlock: 22, finalizedBlock: 15 })
    expect((await matchAll()).matches).toBe(1)
  })

  it('goes back over blocks that became final only after they were matched, as after a long downtime', async () => {
    await insertTrigger(db)
    await insertEvents(db, [feedback(5)], { chainId, lastBlock: 8, finalizedBlock: 3 })
    await matchAll()
    await setEventStatus(db, feedback(5), 'retracted')
    const replacement = feedback(6, { fork: 'b' })
    const tooOld = feedback(2, { fork: 'b' })
    await insertEvents(db, [tooOld, replacement], { chainId, lastBlock: 60, finalizedBlock: 40 })
    await matchAll()
    expect(await matchedEvents()).toEqual([feedback(5).id, replacement.id])
  })

  it('follows a checkpoint that went back without losing its place', async () => {
    await insertTrigger(db)
    await insertEvents(db, [feedback(5)], { chainId, lastBlock: 8 })
    await matchAll()
    await insertEvents(db, [], { chainId, lastBlock: 4 })
    await matchAll()
    await setEventStatus(db, feedback(5), 'retracted')
    await insertEvents(db, [feedback(6, { fork: 'b' })], { chainId, lastBlock: 7 })
    await matchAll()
    expect(await matchedEvents()).toEqual([feedback(5).id, feedback(6, { fork: 'b' }).id])
  })
})
