-- $1 chain. What a matcher needs to know before a step, all in one snapshot. `locked` is false when another matcher holds the chain.
with at as materialized (
  select
    p.last_block_number,
    p.last_block_time,
    least(p.finalized_block_number, p.last_block_number) as finalized_block_number,
    coalesce(c.block_number, -1) as block_number,
    coalesce(c.log_index, -1) as log_index,
    coalesce(c.event_seq, 0) as event_seq,
    coalesce(c.status_id, 0) as status_id,
    coalesce(c.finalized_block_number, -1) as matched_finalized_block,
    case when c.clock > '-infinity' then c.clock end as clock,
    coalesce(c.step, 0) as step
  from checkpoints p
  left join matcher_cursors c on c.chain_id = p.chain_id
  where p.chain_id = $1
)
select
  pg_try_advisory_xact_lock(hashtextextended('tocsin matcher ' || $1::bigint, 0)) as locked,
  at.*,
  -- Compared with a plain column, batches of compressed chunks are left out by their newest seq.
  coalesce((select max(e.seq) from events e where e.chain_id = $1 and e.seq > at.event_seq), at.event_seq) as newest_event_seq,
  coalesce((select max(s.id) from event_status s where s.chain_id = $1), 0) as newest_status_id,
  coalesce((select r.revision from trigger_revisions r where r.chain_id = $1), 0) as trigger_revision,
  exists (select from matches m where m.chain_id = $1 and m.in_question) as has_questions
from at
