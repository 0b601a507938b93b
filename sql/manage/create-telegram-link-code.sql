-- $1 SHA-256 of the code, $2 user, $3 for how long it is good, in ms. Of a user's codes the newest 20 are kept.
with expired as (
  delete from telegram_link_codes where expires_at <= now()
),
surplus as (
  delete from telegram_link_codes where code_hash in (
    select code_hash from telegram_link_codes where user_id = $2 order by created_at desc offset 19
  )
)
insert into telegram_link_codes (code_hash, user_id, expires_at)
values ($1, $2, now() + $3 * interval '1 millisecond')
returning expires_at
