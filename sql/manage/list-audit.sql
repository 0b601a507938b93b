-- A page of the audit log, the newest first. $1 user (null: of all), $2 who reads it (null: who runs the installation): an administrator sees of
-- other people's things that they were changed, not how. $3 actor, $4 action, $5 kind and $6 id of what was changed, $7 and $8 since when and until when (each null: any), $9 the last
-- id of the page before (null: the first page), $10 how many at most. Where somebody else sat who changed an account is not its owner's to know.
select
  l.id, l.at, l.user_id, l.actor_kind, l.actor_user_id, l.actor_key_id, l.actor_name, l.action, l.target_kind, l.target_id,
  case when $2::text is null or l.target_kind = 'user' or l.user_id = $2 then l.before end as before,
  case when $2::text is null or l.target_kind = 'user' or l.user_id = $2 then l.after end as after,
  case when $1::text is null or coalesce(l.actor_user_id, $1) = $1 then host(l.address) end as address,
  l.request_id, l.reason,
  array[l.id::text] as page_key
from audit_log l
where ($1::text is null or l.user_id = $1)
  and ($3::text is null or l.actor_user_id = $3)
  and ($4::text is null or l.action = $4)
  and ($5::text is null or l.target_kind = $5)
  and ($6::text is null or l.target_id = $6)
  and ($7::timestamptz is null or l.at >= $7)
  and ($8::timestamptz is null or l.at < $8)
  and ($9::text is null or l.id < $9::text::bigint)
order by l.id desc
limit $10
