-- $1 chain, $2 states as they are now, as a JSON array (a null state: there is none), $3 what they were before each block that can still be
-- replaced, $4 the last block that cannot.
with slot as (
  select *
  from jsonb_to_recordset($2::jsonb) as s (
    trigger_id text, generation integer, position integer, scope text, state jsonb, wake_at timestamptz
  )
),
removed as (
  delete from trigger_state s
  using slot n
  where n.state is null
    and (s.trigger_id, s.generation, s.position, s.scope) = (n.trigger_id, n.generation, n.position, n.scope)
  returning s.trigger_id
),
written as (
  insert into trigger_state as s (chain_id, trigger_id, generation, position, scope, state, wake_at)
  select $1, n.trigger_id, n.generation, n.position, n.scope, n.state, n.wake_at
  from slot n
  join triggers t on t.id = n.trigger_id
  where n.state is not null
  on conflict (trigger_id, generation, position, scope) do update set
    state = excluded.state, wake_at = excluded.wake_at, updated_at = now()
  returning s.trigger_id
),
journaled as (
  insert into trigger_state_journal (chain_id, block_number, trigger_id, generation, position, scope, state, wake_at)
  select $1, j.block_number, j.trigger_id, j.generation, j.position, j.scope, j.state, j.wake_at
  from jsonb_to_recordset($3::jsonb) as j (
    block_number bigint, trigger_id text, generation integer, position integer, scope text, state jsonb, wake_at timestamptz
  )
  -- A block that was cut in two by the size of a batch: its first change counts.
  on conflict do nothing
  returning block_number
),
forgotten as (
  delete from trigger_state_journal where chain_id = $1 and block_number <= $4
  returning block_number
)
select
  (select count(*) from written) + (select count(*) from removed) as written,
  (select count(*) from journaled) as journaled,
  (select count(*) from forgotten) as forgotten
