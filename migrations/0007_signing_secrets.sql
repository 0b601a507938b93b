-- Up Migration

-- What webhooks are signed with. The newest secret of a destination has no end; one that was replaced signs beside it until it expires.
create table destination_secrets (
  id             bigint      primary key generated always as identity,
  destination_id bigint      not null references destinations (id) on delete cascade,
  -- AES-256-GCM, with the id of its key.
  secret         text        not null check (secret like 'sealed:%'),
  created_at     timestamptz not null default now(),
  expires_at     timestamptz
);

create index destination_secrets_destination on destination_secrets (destination_id);
-- Of those who make the first secret of a destination at the same time, one does.
create unique index destination_secrets_newest on destination_secrets (destination_id) where expires_at is null;

-- Counts the changes of a destination's secrets: a worker that knows the revision knows whether its copy is current.
alter table destinations add column secrets_revision integer not null default 0;

-- By a trigger, so that no change goes unnoticed, whoever makes it.
create function note_secret_change() returns trigger language plpgsql as $$
begin
  update destinations
  set secrets_revision = secrets_revision + 1
  where id = case tg_op when 'DELETE' then old.destination_id else new.destination_id end;
  return null;
end $$;

create trigger destination_secrets_change after insert or update or delete on destination_secrets
  for each row execute function note_secret_change();

-- Down Migration

alter table destinations drop column secrets_revision;
drop table destination_secrets;
drop function note_secret_change();
