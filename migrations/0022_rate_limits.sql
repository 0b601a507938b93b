-- Up Migration

-- What callers have used of their rate limits, for all processes of the API: docs/limits.md. Unlogged: after a crash everybody begins anew.
-- Columns are as the library rate-limiter-flexible has them. The role tocsin_api has no part in it.
create unlogged table rate_limits (
  key    varchar(255) primary key,
  points integer      not null default 0,
  -- Milliseconds since 1970.
  expire bigint
);

create index rate_limits_expire on rate_limits (expire);

-- Down Migration

drop table rate_limits;
