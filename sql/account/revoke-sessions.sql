-- $1 user, $2 family (null: all), $3 family that stays (null: none).
update refresh_tokens
set revoked_at = now()
where user_id = $1 and revoked_at is null
  and ($2::uuid is null or family_id = $2)
  and ($3::uuid is null or family_id <> $3)
returning id
