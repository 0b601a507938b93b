-- $1 SHA-256 of the name, $2 how many failures are free, $3 the longest pause in seconds. Counts an attempt as failed before it is looked at, so
-- that attempts at the same time count as well. No row: it is locked. From the free ones on each failure doubles the pause.
insert into login_failures as f (name_hash, failures, locked_until) values ($1, 1, '-infinity')
on conflict (name_hash) do update set
  failures = case when f.updated_at < now() - interval '1 day' then 1 else f.failures + 1 end,
  locked_until = case
    when f.updated_at >= now() - interval '1 day' and f.failures + 1 >= $2::integer
    then now() + least($3::float8, power(2, least(f.failures + 1 - $2::integer, 30))) * interval '1 second'
    else '-infinity'
  end,
  updated_at = now()
where f.locked_until <= now()
returning failures
