-- User $1: $2 whether they are an administrator, $3 whether their credentials are good (each null: as before).
update users set is_admin = coalesce($2::boolean, is_admin), is_active = coalesce($3::boolean, is_active) where id = $1
