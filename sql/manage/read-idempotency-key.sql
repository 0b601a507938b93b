-- What was answered under key $2 of user $1 within a day.
select fingerprint, status, headers, body
from idempotency_keys
where user_id = $1 and key = $2 and created_at > now() - interval '24 hours'
