-- $1 how many to delete at most. Those of a day ago.
with old as (
  select user_id, key from idempotency_keys where created_at < now() - interval '24 hours' limit $1 for update skip locked
), deleted as (
  delete from idempotency_keys k using old where (k.user_id, k.key) = (old.user_id, old.key) returning 1
)
select count(*)::integer as deleted from deleted
