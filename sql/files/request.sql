-- $1 chain, $2 files as a JSON array.
with wanted as (
  select r.key, r.uri, r.hash, r.host
  from jsonb_to_recordset($2::jsonb) as r (key text, uri text, hash text, host text)
), written as (
  insert into event_files as f (key, uri, expected_hash, host, chain_ids)
  select w.key, w.uri, w.hash, w.host, array[$1::bigint] from wanted w
  order by w.key
  on conflict (key) do update set
    chain_ids = case when $1 = any (f.chain_ids) then f.chain_ids else f.chain_ids || excluded.chain_ids end,
    status = 'waiting',
    attempts = case when f.status = 'waiting' then f.attempts else 0 end,
    due_at = case when f.status = 'waiting' then f.due_at else now() end,
    fetched_at = null
    where (f.status = 'waiting' and $1 <> all (f.chain_ids))
      or (f.status = 'failed' and f.fetched_at < now() - interval '1 day')
  returning 1
)
select count(*)::integer as requested, case when count(*) > 0 then pg_notify('file_wanted', '') end as notified
from written
