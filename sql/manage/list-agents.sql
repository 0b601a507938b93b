-- A page of the agents that $1 owns now, by chain and id. $2 chains, $3 addresses of their identity registries in lower case,
-- $4 chain and $5 agent of the last row of the page before (null: the first page), $6 how many at most.
select
  a.chain_id, a.agent_id, newest.owner, uri.token_uri as uri,
  array[a.chain_id::text, a.agent_id::text] as page_key
from (
  select distinct e.chain_id, e.agent_id
  from unnest($2::bigint[]) as chain (id)
  join events_canonical e on e.chain_id = chain.id
  where e.owner = $1
    and e.contract_address = any($3::text[])
    and ($4::bigint is null or (e.chain_id, e.agent_id) > ($4, $5::numeric))
) a
-- What has changed hands since belongs to another.
cross join lateral (
  select e.owner
  from events_canonical e
  where e.chain_id = a.chain_id and e.agent_id = a.agent_id and e.owner is not null and e.contract_address = any($3)
  order by e.block_time desc, e.block_number desc, e.log_index desc
  limit 1
) newest
left join lateral (
  select e.token_uri
  from events_canonical e
  where e.chain_id = a.chain_id and e.agent_id = a.agent_id and e.event_type in ('Registered', 'URIUpdated')
    and e.contract_address = any($3)
  order by e.block_time desc, e.block_number desc, e.log_index desc
  limit 1
) uri on true
where newest.owner = $1
order by a.chain_id, a.agent_id
limit $6
