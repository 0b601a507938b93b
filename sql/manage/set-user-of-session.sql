-- Until it is said otherwise, on this connection: $1 is the user whose rows the role tocsin_api sees. And which role that is.
select set_config('app.current_user_id', $1, false) as id, current_user::text as role
