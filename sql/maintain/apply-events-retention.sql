-- $1 days that events are kept (null: for ever).
select apply_events_retention($1::integer) as dropped
