-- Attempts since the beginning, by the hourly counts, which stay when results are deleted.
select action_type, sum(success_count)::bigint as success, sum(failure_count)::bigint as failure,
  sum(total_executions - success_count - failure_count)::bigint as retried
from action_metrics_hourly
group by action_type
order by action_type
