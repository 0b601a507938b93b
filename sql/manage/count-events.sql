-- Events by chain and type, retracted ones too, by the hourly counts.
select chain_id, event_type, sum(event_count)::bigint as count
from events_hourly_all
group by chain_id, event_type
order by chain_id, event_type
