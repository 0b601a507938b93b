-- $1 chain, $2 agent, $3 identity registry (lower case: agents of an older registry on the same chain have the same ids).
-- The agent's URI as the canonical chain has it now. No row: no registration of it is known.
select e.token_uri as uri
from events_canonical e
where e.chain_id = $1
  and e.agent_id = $2
  and e.registry = 'identity'
  and e.event_type in ('Registered', 'URIUpdated')
  and e.contract_address = $3
order by e.block_number desc, e.log_index desc
limit 1
