-- $1 user, $2 key, $3 fingerprint, $4 status, $5 headers, $6 sealed body. One of the same key is a day old.
insert into idempotency_keys (user_id, key, fingerprint, status, headers, body) values ($1, $2, $3, $4, $5, $6)
on conflict (user_id, key) do update set
  fingerprint = excluded.fingerprint, status = excluded.status, headers = excluded.headers, body = excluded.body, created_at = now()
