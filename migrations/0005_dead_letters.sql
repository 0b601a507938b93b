-- Up Migration

-- How many of the attempts belong to earlier schedules: who retries a delivery by hand gives it a whole new one, while attempts goes on
-- counting, so that every attempt keeps a number of its own.
alter table deliveries add column attempts_before integer not null default 0;

-- What has ended has a time at which it did.
update deliveries set finished_at = updated_at where state = 'unknown' and finished_at is null;

-- A page of one state, and the deliveries that ended since some time.
create index deliveries_state on deliveries (state, created_at, id);
create index deliveries_finished on deliveries (finished_at) where finished_at is not null;

-- Where the action goes: host and, unless it is the default, port of its URL, in lower case.
alter table trigger_actions add column destination text generated always as (
  left(
    regexp_replace(
      regexp_replace(
        lower(substring(config ->> 'url' from '(?i)^\s*(https?:[/\\]*[^/\\?#\s]+)')),
        '^(http:.*):80$|^(https:.*):443$', '\1\2'
      ),
      '^https?:[/\\]*', ''
    ),
    300
  )
) stored;

create index trigger_actions_destination on trigger_actions (destination);

-- Down Migration

drop index trigger_actions_destination;
alter table trigger_actions drop column destination;
drop index deliveries_finished;
drop index deliveries_state;
alter table deliveries drop column attempts_before;
