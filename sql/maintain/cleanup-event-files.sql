-- $1 for how many days, $2 how many at most. Verdicts are needed again while the event that named the file can be replaced: hours.
with old as (
  select key from event_files where fetched_at < now() - $1 * interval '1 day' limit $2 for update skip locked
), deleted as (
  delete from event_files f using old where f.key = old.key returning 1
)
select count(*)::integer as deleted from deleted
