-- $1 key of the last row of the batch before (null: the first batch), $2 how many at most. Rest actions with headers.
select
  array[a.id::text] as key, t.user_id, coalesce(a.config ->> 'url', '') as url, a.config -> 'headers' as texts
from trigger_actions a
join triggers t on t.id = a.trigger_id
where a.action_type = 'rest'
  and jsonb_typeof(a.config -> 'headers') = 'object'
  and a.config -> 'headers' <> '{}'
  and not jsonb_path_exists(a.config, '$.headers.* ? (@.type() != "string")')
  and ($1::text[] is null or a.id > ($1::text[])[1]::bigint)
order by a.id
limit $2
