-- $1 bot. Held by the session, until it ends. Asking again while it is held is harmless.
select
  exists (
    select from pg_locks l
    where l.locktype = 'advisory' and l.pid = pg_backend_pid() and l.granted
      and l.database = (select oid from pg_database where datname = current_database())
      and ((l.classid::bigint << 32) | l.objid::bigint) = hashtextextended('tocsin telegram bot ' || $1, 0)
  )
  or pg_try_advisory_lock(hashtextextended('tocsin telegram bot ' || $1, 0)) as held
