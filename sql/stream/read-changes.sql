-- Changes from a place on ($1 transaction, $2 id; both belong to it), of these kinds ($3), of everybody and of these users ($4; null: of any),
-- since a time ($5; null: any), at most $6; and the `horizon` up to which these are all there are. In one snapshot, which is what makes
-- it true: a transaction below its xmin has ended, and each that begins to write later gets a higher number.
select h.horizon::text::bigint as horizon, c.*
from (select pg_snapshot_xmin(pg_current_snapshot()) as horizon) h
left join lateral (
  select s.xact_id::text::bigint as xact, s.id, s.kind, s.change, s.user_id, s.chain_id, s.size
  from stream_changes s
  where (s.xact_id, s.id) >= ($1::text::xid8, $2::bigint)
    and s.xact_id < h.horizon
    and s.kind = any ($3::text[])
    and (s.user_id is null or $4::text[] is null or s.user_id = any ($4::text[]))
    and ($5::timestamptz is null or s.at >= $5::timestamptz)
  order by s.xact_id, s.id
  limit $6
) c on true
order by c.xact, c.id
