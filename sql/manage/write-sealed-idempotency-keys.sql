-- $1 rows as a JSON array: key, before, after. One that was changed meanwhile stays as it is.
update idempotency_keys k
set body = n.after ->> 'body'
from jsonb_to_recordset($1::jsonb) as n (key jsonb, before jsonb, after jsonb)
where k.user_id = n.key ->> 0 and k.key = n.key ->> 1 and k.body = n.before ->> 'body'
returning n.key
