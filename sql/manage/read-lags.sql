-- Of each chain, in seconds: for how long the oldest event that triggers have not been asked about has been stored; and how long after they were due the last
-- deliveries of the last five minutes were begun, at most 1000 of all chains: the median, the 95th percentile, the longest (null: there were none).
with at as materialized (
  select c.chain_id, c.last_block_number, coalesce(m.block_number, -1) as block_number, coalesce(m.log_index, -1) as log_index
  from checkpoints c
  left join matcher_cursors m using (chain_id)
),
sent as (
  select chain_id,
    percentile_cont(array[0.5, 0.95, 1]) within group (order by greatest(extract(epoch from started_at - due_at), 0)::float8) as seconds
  from (
    select d.chain_id, d.started_at, d.due_at
    from deliveries d
    where d.finished_at > now() - interval '5 minutes' and d.chain_id is not null and d.started_at is not null and d.due_at is not null
    order by d.finished_at desc
    limit 1000
  ) d
  group by chain_id
)
select at.chain_id,
  coalesce((
    select greatest(extract(epoch from clock_timestamp() - e.created_at), 0)
    from events e
    where e.chain_id = at.chain_id and e.block_number <= at.last_block_number
      and (e.block_number, e.log_index) > (at.block_number, at.log_index)
      -- The same once more, as a plain comparison: batches of compressed chunks are left out by it.
      and e.block_number >= at.block_number
      and not exists (select from newest_event_status s where s.event_id = e.id and s.status = 'retracted')
    order by e.block_number, e.log_index
    limit 1
  ), 0)::float8 as unmatched_seconds,
  s.seconds as sent_seconds
from at
left join sent s using (chain_id)
order by at.chain_id
