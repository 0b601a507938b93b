import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/db.ts'
import type { FoldedMatch } from '../../src/engine/fold.ts'
import type { Slot } from '../../src/engine/memory.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { matchStep, type TriggerCache } from '../../worker/match-step.ts'
import { insertEvents, setEventStatus } from '../support/insert-events.ts'
import { chainId, forkArbitrary, triggerArbitrary } from '../support/reference/arbitraries.ts'
import { describeFolded, describeReference } from '../support/reference/describe-result.ts'
import { evaluateChain } from '../support/reference/evaluate-chain.ts'
import type { Chain, ReferenceTrigger } from '../support/reference/trigger.ts'
import { createTestDatabase } from '../support/test-database.ts'

const numRuns = Number(process.env.TOCSIN_TEST_RUNS ?? 15)
let database: Awaited<ReturnType<typeof createTestDatabase>>
let db: Database

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'test' })
  await db`insert into users (id, username) values ('test', 'test')`
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
})

const insertTrigger = async (trigger: ReferenceTrigger): Promise<string> =>
  (await db.begin(async (tx) => {
    const json = (value: unknown) => tx.json(value as never)
    const { registry, active_since, finality, from_block, warm_up, cooldown, max_fires } = trigger
    const [row] = await tx<{ id: string }[]>`
      insert into triggers (user_id, name, chain_id, registry, active_since, finality, from_block, warm_up, cooldown, max_fires)
      values ('test', 'Test', ${chainId}, ${registry}, ${active_since}, ${json(finality)}, ${from_block}, ${warm_up},
        ${cooldown && json(cooldown)}, ${max_fires && json(max_fires)})
      returning id
    `
    const id = String(row?.id)
    for (const { position, condition_type, field, operator, value, config } of trigger.conditions) {
      await tx`
        insert into trigger_conditions (trigger_id, position, condition_type, field, operator, value, config)
        values (${id}, ${position}, ${condition_type}, ${field ?? null}, ${operator ?? null},
          ${value === undefined ? null : json(value)}, ${json(config ?? {})})
      `
    }
    for (const [position, action] of trigger.actions.entries()) {
      await tx`
        insert into trigger_actions (trigger_id, position, action_type, finality, config)
        values (${id}, ${position}, 'rest', ${action.finality && json(action.finality)}, ${json({ url: 'http://127.0.0.1:9/' })})
      `
    }
    return id
  })) as string

/** Steps, up to so many; and whether there may be more to do. */
const createStepper = (eventsMax: number) => {
  let cache: TriggerCache | undefined
  return async (stepsMax: number, keepsMemory: boolean) => {
    for (let left = stepsMax; left > 0; left -= 1) {
      const result = await matchStep(db, chainId, keepsMemory ? cache : undefined, { eventsMax })
      cache = result.cache
      if (result.outcome !== 'more') return
    }
  }
}

const setHead = (time: number | undefined) =>
  db`update checkpoints set last_block_time = ${time === undefined ? null : new Date(time)} where chain_id = ${chainId}`

const readStored = async (id: string) => ({
  matches: await db<FoldedMatch[]>`
    select kind, occurrence, event_id, block_number, evidence from matches
    where trigger_id = ${id} and status = 'standing' and not in_question
  `,
  undecided: [],
  slots: (await db<Slot[]>`select position, scope, state from trigger_state where trigger_id = ${id}`).map(
    (slot) => slot,
  ),
})

const readDeliveries = async (id: string) =>
  db<{ occurrence: string; action: number; waits_on: string | null; waits_for: number | null }[]>`
    select d.occurrence, a.position as action, d.waits_on, d.waits_for
    from deliveries d join trigger_actions a on a.id = d.action_id join matches m on m.id = d.match_id
    where not m.in_question and d.trigger_id = ${id} and d.kind = 'match' and d.state = 'pending'
    order by d.occurrence, a.position
  `

const expectSame = async (id: string, trigger: ReferenceTrigger, chain: Chain) => {
  const reference = evaluateChain(trigger, chain)
  const { undecided: _, ...found } = describeFolded(await readStored(id), reference)
  const { undecided: __, ...expected } = describeReference(reference)
  expect(found).toEqual(expected)

  // What was decided beyond the end of a chain that has become shorter is in question until it is as long again.
  const doubtful = await db`
    select from matches where trigger_id = ${id} and in_question and block_number <= ${chain.head.block_number}
  `
  expect(doubtful).toHaveLength(0)

  const deliveries = await readDeliveries(id)
  const named = (list: readonly { occurrence: string; action: number }[]) =>
    list.map(({ occurrence, action }) => `${occurrence} ${action}`).toSorted()
  expect(named(deliveries)).toEqual(named(reference.deliveries))
  for (const { occurrence, action, waits_on, waits_for } of deliveries) {
    const wanted = reference.deliveries.find(
      (one) => one.occurrence === occurrence && one.action === action,
    )?.waits
    if (wanted === undefined) continue
    // One that was released stays so, even if the chain becomes shorter.
    if (waits_on === null && wanted?.on === 'head') continue
    expect(waits_on === null ? null : { on: waits_on, for: waits_for }).toEqual(wanted)
  }
}

const arrivalArbitrary = fc.record({
  /** How many blocks arrive at once, and how many steps are made after them. */
  chunks: fc.array(
    fc.record({ blocks: fc.integer({ min: 1, max: 6 }), steps: fc.integer({ min: 0, max: 3 }) }),
    {
      maxLength: 8,
    },
  ),
  stepsAfterRetraction: fc.integer({ min: 0, max: 2 }),
  keepsMemory: fc.boolean(),
})

describe('the matcher and the reference', () => {
  it('end alike on the canonical chain, whatever was canonical before', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(triggerArbitrary(), { minLength: 1, maxLength: 5 }),
        triggerArbitrary(),
        forkArbitrary(16),
        fc.tuple(arrivalArbitrary, arrivalArbitrary, arrivalArbitrary, arrivalArbitrary),
        fc.integer({ min: 1, max: 30 }),
        async (triggers, late, { prefix, a, b }, arrivals, eventsMax) => {
          await db`
            truncate events, event_status, checkpoints, matcher_cursors, matches, deliveries, triggers,
              trigger_progress, trigger_state, trigger_state_journal, trigger_changes, trigger_revisions, undecided_events cascade
          `
          const step = createStepper(eventsMax)
          const all = new Map<string, ReferenceTrigger>()
          for (const trigger of triggers) all.set(await insertTrigger(trigger), trigger)

          const forkBlock = prefix.events.at(-1)?.block_number ?? 99
          const final = Math.min(prefix.finalized, forkBlock)
          // A chain never ends earlier, or with a lower block, than the one before: until the next event, or until it is as long
          // again, a matcher takes back no deadline and passes none.
          let height = 0
          let clock = 0
          const stages = [prefix, a, b, a].map(({ events, head }): Chain => {
            height = Math.max(height + 1, head.block_number)
            clock = Math.max(clock, head.time ?? 0)
            return { events, head: { block_number: height, time: clock }, finalized: final }
          })
          let before: Chain | undefined
          for (const [index, chain] of stages.entries()) {
            const { chunks, stepsAfterRetraction, keepsMemory } = arrivals[index] ?? { chunks: [] }
            const known = new Set(before?.events.map(({ id }) => id))
            const wanted = new Set(chain.events.map(({ id }) => id))
            for (const event of before?.events ?? []) {
              if (!wanted.has(event.id)) await setEventStatus(db, event, 'retracted')
            }
            const arriving = chain.events.filter(({ id }) => !known.has(id))
            if (before !== undefined) {
              await insertEvents(db, [], { chainId, lastBlock: forkBlock, finalizedBlock: final })
              await setHead(prefix.events.at(-1)?.block_time.getTime())
              await step(stepsAfterRetraction ?? 0, keepsMemory ?? false)
            }
            const blocks = [...new Set(arriving.map(({ block_number }) => block_number))]
            const arrive = async (some: readonly number[], head: Chain['head']) => {
              const events = arriving.filter(({ block_number }) => some.includes(block_number))
              await insertEvents(db, events, { chainId, lastBlock: head.block_number, finalizedBlock: final })
              // Only what came back has a status.
              for (const event of events) {
                const [status] = await db`select from event_status where event_id = ${event.id}`
                if (status !== undefined) await setEventStatus(db, event, 'reinstated')
              }
              await setHead(head.time)
            }
            for (const chunk of chunks) {
              const some = blocks.splice(0, chunk.blocks)
              const last = arriving.findLast(({ block_number }) => block_number === some.at(-1))
              if (last === undefined) break
              await arrive(some, { block_number: last.block_number, time: last.block_time.getTime() })
              await step(chunk.steps, keepsMemory ?? false)
            }
            await arrive(blocks, chain.head)
            if (index === 1 && (late.warm_up || late.from_block !== null)) {
              all.set(await insertTrigger(late), late)
            }
            await step(1000, keepsMemory ?? false)
            for (const [id, trigger] of all) await expectSame(id, trigger, chain)
            before = chain
          }
        },
      ),
      // To make an example smaller takes minutes here: the fold alone finds most of them (test/unit/engine).
      { numRuns, endOnFailure: true },
    )
  })
})
