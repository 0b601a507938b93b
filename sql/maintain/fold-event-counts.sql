-- Folds what was counted since the last time, so that events_hourly has little to add up. Does nothing on a hypertable.
select fold_event_counts() as folded
