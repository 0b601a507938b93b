-- For the rest of the transaction: $1, who acts, as JSON, for the audit log.
select set_config('app.actor', $1, true)
