-- Up Migration

-- The same as before, in a form that Postgres looks up for each row. What only asks whether there `exists` a trigger it may answer from a table of
-- all triggers of the user, which it makes for each query: to read one trigger took as long as to read all of them.
alter policy own on trigger_conditions
  using ((select t.user_id from triggers t where t.id = trigger_id) = (select app_user()));
alter policy own on trigger_actions
  using ((select t.user_id from triggers t where t.id = trigger_id) = (select app_user()));
alter policy own on trigger_state
  using ((select t.user_id from triggers t where t.id = trigger_id) = (select app_user()));
alter policy own on trigger_progress
  using ((select t.user_id from triggers t where t.id = trigger_id) = (select app_user()));
alter policy own on undecided_events
  using ((select t.user_id from triggers t where t.id = trigger_id) = (select app_user()));
alter policy own on destination_secrets
  using ((select x.user_id from destinations x where x.id = destination_id) = (select app_user()));

-- Down Migration

alter policy own on trigger_conditions
  using (exists (select from triggers t where t.id = trigger_id and t.user_id = (select app_user())));
alter policy own on trigger_actions
  using (exists (select from triggers t where t.id = trigger_id and t.user_id = (select app_user())));
alter policy own on trigger_state
  using (exists (select from triggers t where t.id = trigger_id and t.user_id = (select app_user())));
alter policy own on trigger_progress
  using (exists (select from triggers t where t.id = trigger_id and t.user_id = (select app_user())));
alter policy own on undecided_events
  using (exists (select from triggers t where t.id = trigger_id and t.user_id = (select app_user())));
alter policy own on destination_secrets
  using (exists (select from destinations x where x.id = destination_id and x.user_id = (select app_user())));
