import { readFileSync } from 'node:fs'
import type { Database, Transaction } from '../../src/db.ts'
import type { SimTrigger } from './random-triggers.ts'

/** The statements of src/store/triggers.ts, without the API around them: it would set `active_since` by today's clock. */
const insertTrigger = statement('manage/insert-trigger')
const updateTrigger = statement('manage/update-trigger')
const removeTrigger = statement('manage/delete-trigger')
const insertConditions = statement('manage/insert-conditions')
const deleteConditions = statement('manage/delete-conditions')
const insertActions = statement('manage/insert-actions')

const userId = 'sim'
const breaker = { failures: 5, open_for: '1m' }

/** Stores a new trigger and returns its id. */
export async function writeNewTrigger(db: Database, trigger: SimTrigger): Promise<string> {
  return (await db.begin(async (tx) => {
    await tx`insert into users (id, username) values (${userId}, ${userId}) on conflict do nothing`
    const [created] = await insertTrigger(tx, [userId, ...columnsOf(trigger)])
    const id = created?.id ?? ''
    await insertConditions(tx, [id, trigger.conditions])
    await insertActions(tx, [id, trigger.actions.map((action, position) => ({ ...action, position }))])
    await setActiveSince(tx, id, trigger)
    return id
  })) as string
}

/** Puts another document in its place; its actions stay. */
export async function writeChangedTrigger(db: Database, id: string, trigger: SimTrigger): Promise<void> {
  await db.begin(async (tx) => {
    await tx`select from triggers where id = ${id} for update`
    await updateTrigger(tx, [id, ...columnsOf(trigger), trigger.conditions])
    await deleteConditions(tx, [id])
    await insertConditions(tx, [id, trigger.conditions])
    await setActiveSince(tx, id, trigger)
  })
}

export async function writeDeletion(db: Database, id: string): Promise<void> {
  await removeTrigger(db, [id, userId])
}

function columnsOf(trigger: SimTrigger) {
  const { name, chain_id, registry, enabled, finality, from_block, warm_up, cooldown, max_fires } = trigger
  return [
    ...[name, null, chain_id, registry, enabled, breaker, finality],
    ...[from_block, warm_up, cooldown, max_fires, true],
  ]
}

/** In the world's time, not in ours. */
function setActiveSince(tx: Transaction, id: string, { active_since }: SimTrigger) {
  return tx`update triggers set active_since = ${active_since} where id = ${id}`
}

/** The store keeps these to itself. */
function statement(name: string) {
  const text = readFileSync(new URL(`../../sql/${name}.sql`, import.meta.url), 'utf8')
  return (db: Database | Transaction, parameters: readonly unknown[]) =>
    db.unsafe<{ id: string }[]>(text, parameters as never[], { prepare: true })
}
