select exists (select from users where is_admin and is_active) as is_there
