-- Event $1: whether it left the canonical chain, whether its contract is one of an earlier revision, and when it arrived.
select
  coalesce((select n.status = 'retracted' from newest_event_status n where n.event_id = e.id), false) as is_retracted,
  exists (
    select from legacy_registries l where l.chain_id = e.chain_id and l.contract_address = e.contract_address
  ) as is_legacy,
  e.created_at as arrived_at
from events e
where e.id = $1
