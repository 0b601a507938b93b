-- For the rest of the transaction: the role that row-level security holds for, and $1, whose rows it sees.
select set_config('role', 'tocsin_api', true), set_config('app.current_user_id', $1, true)
