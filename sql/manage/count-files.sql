-- Files that events name and that are to be fetched: how many wait, up to 100,000, and how many are being fetched.
select
  (select count(*) from (
    select from event_files f where f.status = 'waiting' and (f.lease_until is null or f.lease_until <= now()) limit 100000
  ) f) as waiting,
  (select count(*) from event_files f where f.status = 'waiting' and f.lease_until > now()) as active
