-- A page of events, the last to arrive first. $1 chains, $2 registry, $3 event type (null: any), $4 seq of the last event of the
-- page before (null: the first page), $5 how many at most. Each chain is read along its own index.
select
  e.id, e.seq, e.chain_id, e.block_number, e.block_hash, e.block_time, e.transaction_hash, e.transaction_index, e.log_index,
  e.contract_address, e.registry, e.event_type, e.occurrence, e.agent_id,
  e.owner, e.previous_owner, e.token_uri, e.updated_by, e.metadata_key, e.metadata_value,
  e.client_address, e.feedback_index, e.value, e.value_decimals, e.score, e.tag1, e.tag2, e.endpoint, e.file_uri, e.file_hash,
  e.responder, e.validator_address, e.request_uri, e.request_hash, e.response, e.response_uri, e.response_hash, e.tag, e.args,
  coalesce((
    select s.status from event_status s where s.event_id = e.id order by s.id desc limit 1
  ), 'reinstated') = 'retracted' as retracted,
  array[e.seq::text] as page_key
from (
  select page.*
  from unnest($1::bigint[]) as chain (id)
  cross join lateral (
    select *
    from events e
    where e.chain_id = chain.id
      and ($2::text is null or e.registry = $2)
      and ($3::text is null or e.event_type = $3)
      and ($4::bigint is null or e.seq < $4)
    order by e.seq desc
    limit $5
  ) page
  order by page.seq desc
  limit $5
) e
order by e.seq desc
