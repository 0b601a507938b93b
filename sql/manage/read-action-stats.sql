-- $1 first hour, $2 the hour before which it ends. Attempts by the hour in which they began, and the type of their action.
select hour, action_type, total_executions as count, success_count as success, failure_count as failure,
  round(avg_duration_ms)::integer as avg_duration_ms, round(p95_duration_ms)::integer as p95_duration_ms
from action_metrics_hourly
where hour >= $1::timestamptz and hour < $2::timestamptz
order by hour, action_type
