-- $1 how many to delete at most, $2 days that undecided events are kept. What no matcher looks at any more: state of earlier generations
-- of a trigger, an hour after it changed; that a trigger is gone, a day after; events that could not be decided, as long as results.
with state as (
  delete from trigger_state s
  using (
    select o.trigger_id, o.generation, o.position, o.scope
    from triggers t
    join trigger_state o on o.trigger_id = t.id and o.generation < t.generation
    where t.generation > 1 and t.updated_at < now() - interval '1 hour'
    limit $1
  ) old
  where (s.trigger_id, s.generation, s.position, s.scope) = (old.trigger_id, old.generation, old.position, old.scope)
  returning s.trigger_id
),
gone as (
  delete from trigger_changes c
  where c.changed_at < now() - interval '1 day' and not exists (select from triggers t where t.id = c.trigger_id)
  returning c.trigger_id
),
undecided as (
  delete from undecided_events u
  using (
    select id from undecided_events where created_at < now() - $2::integer * interval '1 day' order by id limit $1
  ) old
  where u.id = old.id
  returning u.id
)
select
  (select count(*) from state) + (select count(*) from gone) + (select count(*) from undecided) as deleted,
  greatest((select count(*) from state), (select count(*) from undecided)) = $1 as more
