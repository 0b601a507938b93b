-- $1 users, $2 URLs in the same order: the rest destination of each, with its signing secrets, the newest first.
select
  w.number, x.id as destination_id, x.secrets_revision,
  coalesce(
    (
      select jsonb_agg(
        jsonb_build_object('secret', s.secret, 'expires_in_ms', ceil(extract(epoch from s.expires_at - now()) * 1000))
        order by s.id desc
      )
      from destination_secrets s
      where s.destination_id = x.id and (s.expires_at is null or s.expires_at > now())
    ),
    '[]'
  ) as secrets
from unnest($1::text[], $2::text[]) with ordinality as w (user_id, url, number)
join destinations x on x.user_id = w.user_id and x.action_type = 'rest' and x.address = url_address(w.url)
