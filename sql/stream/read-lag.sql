-- For how long the stream has been held back: since the oldest change was made that comes after a transaction that is still at work. And by
-- whom, where that may be seen: the session, or the prepared transaction. 0, and nobody, when nothing waits.
select
  coalesce(greatest(extract(epoch from clock_timestamp() - c.at), 0), 0)::float8 as seconds,
  case when c.at is not null then coalesce(
    (
      select 'process ' || a.pid || coalesce(' (' || nullif(a.application_name, '') || ')', '') || coalesce(', since ' || a.xact_start, '')
      from pg_stat_activity a where a.backend_xid = h.horizon::xid limit 1
    ),
    (
      select 'the prepared transaction ' || p.gid || ', since ' || p.prepared
      from pg_prepared_xacts p where p.transaction = h.horizon::xid limit 1
    )
  ) end as held_by
from (select pg_snapshot_xmin(pg_current_snapshot()) as horizon) h
left join lateral (
  select s.at from stream_changes s where s.xact_id >= h.horizon order by s.xact_id, s.id limit 1
) c on true
