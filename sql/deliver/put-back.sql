-- $1 deliveries that were taken as due, and whose jobs could not be added.
update deliveries set state = 'pending' where id = any ($1::uuid[]) and state = 'enqueued'
