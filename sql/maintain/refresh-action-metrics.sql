-- Computes the hours of action_metrics_hourly again in which attempts were recorded since the last time.
select refresh_action_metrics() as hours
