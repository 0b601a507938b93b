-- Up Migration

-- A user who deletes a trigger changes its results: they lose it. Before Postgres 18 what follows from that runs as the user's role, which may
-- not see these hours.
alter function mark_action_metrics_dirty() security definer;
do $path$
begin
  execute format('alter function mark_action_metrics_dirty() set search_path = %I, pg_temp', current_schema());
end $path$;

-- Down Migration

alter function mark_action_metrics_dirty() security invoker;
alter function mark_action_metrics_dirty() reset search_path;
