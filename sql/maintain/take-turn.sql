-- Whether this process may maintain the database now: one at a time, until the end of its transaction. It gives way to others: who
-- waits for a lock longer than that tries again at its next turn, and nobody queues behind it.
select
  pg_try_advisory_xact_lock(hashtextextended('tocsin maintenance', 0)) as mine,
  set_config('lock_timeout', '2s', true) as lock_timeout
