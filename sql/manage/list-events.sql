-- A page of events, the newest first: by the time of their block, then chain, block, log and arrival, which together are an order
-- of all events that nothing changes. $1 chains, $2 event types of which each is read along its own index (empty: along another),
-- $3 event types that are let through, $4 agent, $5 client, $6 validator, $7 tag (of a feedback the first), $8 second tag,
-- $9 lowest and $10 highest score, $11 time from and $12 before which, $13 first and $14 last block, $15 whether retracted events
-- are shown too, $16 to $20 the place of the last event of the page before (time, chain, block, log, arrival; null: the first page),
-- $21 how many at most, $22 registry. Null: any.
-- It is planned anew for each call, so that conditions on null are gone and the planner takes the index of the rarest value.
select
  e.id, e.seq, e.chain_id, e.block_number, e.block_hash, e.block_time, e.transaction_hash, e.transaction_index, e.log_index,
  e.contract_address, e.registry, e.event_type, e.occurrence, e.agent_id,
  e.owner, e.previous_owner, e.token_uri, e.updated_by, e.metadata_key, e.metadata_value,
  e.client_address, e.feedback_index, e.value, e.value_decimals, e.score, e.tag1, e.tag2, e.endpoint, e.file_uri, e.file_hash,
  e.responder, e.validator_address, e.request_uri, e.request_hash, e.response, e.response_uri, e.response_hash, e.tag, e.args,
  exists (select from newest_event_status n where n.event_id = e.id and n.status = 'retracted') as retracted,
  array[e.block_time::text, e.chain_id::text, e.block_number::text, e.log_index::text, e.seq::text] as page_key
from (
  select page.*
  from (
    -- A chain without a checkpoint has no events, and would be looked for in every partition.
    select id from unnest($1::bigint[]) as known (id) where exists (select from checkpoints p where p.chain_id = known.id)
  ) as chain
  left join unnest($2::text[]) as type (name) on true
  cross join lateral (
    select *
    from events e
    where e.chain_id = chain.id
      and (cardinality($2::text[]) = 0 or e.event_type = type.name)
      and ($3::text[] is null or e.event_type = any($3))
      and ($22::text is null or e.registry = $22)
      and ($4::numeric is null or e.agent_id = $4)
      and ($5::text is null or e.client_address = $5)
      and ($6::text is null or e.validator_address = $6)
      and ($7::text is null or left(coalesce(e.tag1, e.tag), 64) = left($7, 64)
        and (char_length($7) < 64 or coalesce(e.tag1, e.tag) = $7))
      and ($8::text is null or left(e.tag2, 64) = left($8, 64) and (char_length($8) < 64 or e.tag2 = $8))
      and ($9::numeric is null or e.score >= $9)
      and ($10::numeric is null or e.score <= $10)
      and ($11::timestamptz is null or e.block_time >= $11)
      and ($12::timestamptz is null or e.block_time < $12)
      and ($13::bigint is null or e.block_number >= $13)
      and ($14::bigint is null or e.block_number <= $14)
      and ($15::boolean
        or not exists (select from newest_event_status n where n.event_id = e.id and n.status = 'retracted'))
      and ($16::timestamptz is null or e.block_time <= $16
        and (e.block_time, e.chain_id, e.block_number, e.log_index, e.seq)
          < ($16, $17::bigint, $18::bigint, $19::integer, $20::bigint))
    order by e.block_time desc, e.block_number desc, e.log_index desc, e.seq desc
    limit $21
  ) page
  order by page.block_time desc, page.chain_id desc, page.block_number desc, page.log_index desc, page.seq desc
  limit $21
) e
order by e.block_time desc, e.chain_id desc, e.block_number desc, e.log_index desc, e.seq desc
