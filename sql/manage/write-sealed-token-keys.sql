-- $1 rows as a JSON array: key, before, after. One that was changed meanwhile stays as it is.
update token_keys k
set private_key = n.after ->> 'private_key'
from jsonb_to_recordset($1::jsonb) as n (key jsonb, before jsonb, after jsonb)
where k.kid = n.key ->> 0 and k.private_key = n.before ->> 'private_key'
returning n.key
