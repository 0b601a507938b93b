-- Makes the partitions of the next three months; does nothing on a hypertable.
select ensure_events_partitions(now() + interval '3 months') as made
