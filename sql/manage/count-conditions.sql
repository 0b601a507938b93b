-- What is small enough to be counted at each look: breakers and disabled destinations, open alerts, triggers, retracted events; and
-- how many matches there are by the statistics that Postgres keeps.
select
  (select coalesce(jsonb_object_agg(breaker, n), '{}')
   from (select breaker, count(*) as n from destinations where disabled_at is null group by breaker) b) as breakers,
  (select count(*) from destinations where disabled_at is not null) as disabled_destinations,
  (select coalesce(jsonb_agg(jsonb_build_object('kind', kind, 'chain_id', chain_id, 'count', n)), '[]')
   from (select kind, chain_id, count(*) as n from alerts where resolved_at is null group by kind, chain_id) a) as alerts,
  (select count(*) from triggers where enabled) as enabled_triggers,
  (select count(*) from newest_event_status where status = 'retracted') as retracted_events,
  (select coalesce(n_live_tup, 0) from pg_stat_user_tables where relid = 'matches'::regclass) as matches
