import type { Database, Transaction } from '../../src/db.ts'
import type { Registry } from '../../src/event.ts'

type NewTrigger = {
  chain_id?: number
  registry?: Registry
  active_since?: Date
  /** As they are stored: complete. */
  conditions?: {
    condition_type: string
    field?: string | null
    operator?: string | null
    value?: unknown
    config?: Record<string, unknown>
  }[]
  /** Further columns of `triggers`. */
  options?: {
    from_block?: number
    warm_up?: boolean
    finality?: unknown
    cooldown?: Record<string, unknown>
    max_fires?: Record<string, unknown>
  }
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
    const {
      from_block = null,
      warm_up = false,
      finality = 'latest',
      cooldown,
      max_fires,
    } = trigger.options ?? {}
    await tx`
      update triggers set from_block = ${from_block}, warm_up = ${warm_up}, finality = ${tx.json(finality as never)},
        cooldown = ${json(tx, cooldown)}, max_fires = ${json(tx, max_fires)}
      where id = ${id}
    `
    for (const [position, condition] of conditions.entries()) {
      const { condition_type, field = null, operator = null, value, config = {} } = condition
      await tx`
        insert into trigger_conditions (trigger_id, position, condition_type, field, operator, value, config)
        values (${id}, ${position}, ${condition_type}, ${field}, ${operator}, ${json(tx, value)}, ${json(tx, config)})
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

function json(tx: Transaction, value: unknown) {
  return value === undefined ? null : tx.json(value as never)
}
