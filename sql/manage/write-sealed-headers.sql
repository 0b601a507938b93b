-- $1 rows as a JSON array: key, before, after. One that was changed meanwhile stays as it is.
update trigger_actions a
set config = jsonb_set(a.config, '{headers}', n.after)
from jsonb_to_recordset($1::jsonb) as n (key jsonb, before jsonb, after jsonb)
where a.id = (n.key ->> 0)::bigint and a.config -> 'headers' = n.before
returning n.key
