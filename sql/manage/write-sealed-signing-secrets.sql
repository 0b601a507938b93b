-- $1 rows as a JSON array: key, before, after. One that was changed meanwhile stays as it is.
update destination_secrets s
set secret = n.after ->> 'secret'
from jsonb_to_recordset($1::jsonb) as n (key jsonb, before jsonb, after jsonb)
where s.id = (n.key ->> 0)::bigint and s.secret = n.before ->> 'secret'
returning n.key
