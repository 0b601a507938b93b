-- Up Migration

-- Processes of the API remember for some seconds which keys are good (src/api/known-keys.ts). This tells them to forget, when what
-- decides it changes; not for each note of a use.
create function note_key_change() returns trigger language plpgsql as $$
begin
  perform pg_notify('key_changes', '');
  return null;
end $$;

create trigger api_keys_changed
  after delete or truncate or update of user_id, key_hash, scopes, expires_at, revoked_at on api_keys
  for each statement execute function note_key_change();
create trigger users_changed
  after delete or truncate or update of is_active, is_admin on users
  for each statement execute function note_key_change();

-- Down Migration

drop trigger users_changed on users;
drop trigger api_keys_changed on api_keys;
drop function note_key_change();
