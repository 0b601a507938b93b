import type { Database } from '../../src/db.ts'

/**
 * Makes deliveries as the matcher writes them, a match each, spread evenly over all actions; and wakes the relay, unless they
 * are due later. There must be an event for them to be about.
 *
 * @param options.from how many were made before, so that the next ones go to the next actions.
 */
export async function makeDeliveries(
  db: Database,
  count: number,
  { dueAt = 'now', from = 0 }: { dueAt?: string; from?: number } = {},
): Promise<void> {
  await db`
    with action as (
      select a.*, row_number() over (order by a.id) - 1 as number, count(*) over () as actions from trigger_actions a
    ), decided as (
      insert into matches (trigger_id, trigger_version, chain_id, occurrence, event_id, block_number, block_time, evidence)
      select a.trigger_id, 1, e.chain_id, gen_random_uuid()::text, e.id, e.block_number, e.block_time, '[]'
      from generate_series(${from + 1}::integer, ${from + count}::integer) as n
      join action a on a.number = n % a.actions
      cross join (select * from events limit 1) e
      returning *
    )
    insert into deliveries
      (match_id, trigger_id, action_id, occurrence, event_id, block_time, action_type, priority, destination_id, due_at)
    select m.id, m.trigger_id, a.id, m.occurrence, m.event_id, m.block_time, a.action_type, a.priority, a.destination_id,
      ${dueAt}::text::timestamptz
    from decided m join action a on a.trigger_id = m.trigger_id`
  if (dueAt === 'now') await db`select pg_notify('delivery_pending', '')`
}
