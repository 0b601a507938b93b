-- $1 chain, $2 block. Everything as it was when that block ended: states from the journal, triggers with a position of their own, and
-- every match that was decided later is in question until the fold comes to it again.
with undone as (
  delete from trigger_state_journal where chain_id = $1 and block_number > $2
  returning block_number, trigger_id, generation, position, scope, state, wake_at
),
before as (
  select distinct on (trigger_id, generation, position, scope) *
  from undone
  order by trigger_id, generation, position, scope, block_number
),
removed as (
  delete from trigger_state s
  using before b
  where b.state is null
    and (s.trigger_id, s.generation, s.position, s.scope) = (b.trigger_id, b.generation, b.position, b.scope)
  returning s.trigger_id
),
restored as (
  insert into trigger_state as s (chain_id, trigger_id, generation, position, scope, state, wake_at)
  select $1, b.trigger_id, b.generation, b.position, b.scope, b.state, b.wake_at
  from before b
  join triggers t on t.id = b.trigger_id
  where b.state is not null
  on conflict (trigger_id, generation, position, scope) do update set
    state = excluded.state, wake_at = excluded.wake_at, updated_at = now()
  returning s.trigger_id
),
questioned as (
  update matches m
  set in_question = true
  where m.chain_id = $1 and m.block_number > $2 and m.status = 'standing' and not m.in_question
  returning m.id
),
moved as (
  update trigger_progress p
  set block_number = $2, log_index = 2147483647
  where p.chain_id = $1 and p.block_number > $2
  returning p.trigger_id
)
select
  (select count(*) from undone) as undone,
  (select count(*) from removed) + (select count(*) from restored) as restored,
  (select count(*) from questioned) as questioned,
  (select count(*) from moved) as moved
