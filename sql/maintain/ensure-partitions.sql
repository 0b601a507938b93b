-- Makes the partitions of the next three months, and those of the past that may still be kept: $1 days (null: all). Does nothing on
-- a hypertable.
select ensure_events_partitions(
  now() + interval '3 months',
  greatest(timestamptz '2025-10-01 00:00:00+00', now() - $1::integer * interval '1 day')
) as made
