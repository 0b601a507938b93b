import type { Database } from '../../src/db.ts'
import type { Registry } from '../../src/event.ts'

type NewTrigger = {
  chain_id?: number
  registry?: Registry
  active_since?: Date
  conditions?: { condition_type: string; field: string; operator: string; value: unknown }[]
  actions?: { config: Record<string, unknown>; priority?: number; alerts?: boolean }[]
}

/** Writes a trigger straight into the tables, active from the beginning of time unless said otherwise. Returns its id. */
export async function insertTrigger(db: Database, trigger: NewTrigger = {}): Promise<string> {
  const { chain_id = 31337, registry = 'reputation', active_since = new Date(0), conditions = [] } = trigger
  const actions = trigger.actions ?? [{ config: { url: 'http://127.0.0.1:9/' } }]
  return (await db.begin(async (tx) => {
    await tx`insert into users (id, username) values ('test', 'test') on conflict do nothing`
    const [row] = await tx<{ id: string }[]>`
      insert into triggers (user_id, name, chain_id, registry, active_since)
      values ('test', 'Test', ${chain_id}, ${registry}, ${active_since}) returning id
    `
    const id = String(row?.id)
    for (const [position, { condition_type, field, operator, value }] of conditions.entries()) {
      await tx`
        insert into trigger_conditions (trigger_id, position, condition_type, field, operator, value)
        values (${id}, ${position}, ${condition_type}, ${field}, ${operator}, ${tx.json(value as never)})
      `
    }
    for (const [position, { config, priority = 1, alerts = false }] of actions.entries()) {
      const full = { method: 'POST', headers: {}, timeout_ms: 5_000, max_attempts: 8, ...config }
      await tx`
        insert into trigger_actions (trigger_id, position, action_type, priority, alerts, config)
        values (${id}, ${position}, 'rest', ${priority}, ${alerts}, ${tx.json(full as never)})
      `
    }
    return id
  })) as string
}
