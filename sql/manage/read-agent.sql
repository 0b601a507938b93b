-- $1 chain, $2 agent, $3 block (null: the checkpoint), $4 its registries' addresses in lower case (agents of older registries on the
-- chain have the same ids), $5 how many tags at most. What the canonical events up to the block say of the agent; no row: the chain
-- has no checkpoint. One statement, so that all of it is of one moment.
with place as (
  select coalesce($3::bigint, c.last_block_number) as block, c.last_block_number from checkpoints c where c.chain_id = $1
),
own as materialized (
  select e.event_type, e.block_number, e.log_index, e.block_time, e.owner, e.token_uri, e.metadata_key,
    case when length(e.metadata_value) <= 2050 then e.metadata_value end as metadata_value,
    length(e.metadata_value) / 2 - 1 as metadata_bytes,
    e.client_address, e.feedback_index, e.score, e.tag1, e.responder, e.validator_address, e.request_hash, e.response
  from place p
  join events_canonical e on e.block_number <= p.block
  where e.chain_id = $1 and e.agent_id = $2::numeric and e.contract_address = any($4::text[])
),
feedback as (
  select f.*, r.client_address is not null as revoked
  from own f
  left join (
    select distinct client_address, feedback_index from own where event_type = 'FeedbackRevoked'
  ) r using (client_address, feedback_index)
  where f.event_type = 'NewFeedback'
),
-- ema(1) = score(1), ema(i) = 0.2 * score(i) + 0.8 * ema(i - 1), as the sum that it is. What is older than the newest 400 weighs
-- less than 10^-38 and is left out.
weighted as (
  select tag1, score, age,
    power(0.8::numeric(41, 40), age) * case when age = standing - 1 then 1 else 0.2 end as weight
  from (
    select tag1, score,
      row_number() over (partition by tag1 order by block_number desc, log_index desc) - 1 as age,
      count(*) over (partition by tag1) as standing
    from feedback
    where not revoked
  ) aged
  where age < 400
),
tags as (
  select f.tag1, f.feedback_count, f.revoked_count, f.client_count, f.average, w.ema
  from (
    select tag1,
      count(*) filter (where not revoked) as feedback_count,
      count(*) filter (where revoked) as revoked_count,
      count(distinct client_address) filter (where not revoked) as client_count,
      round(sum(score) filter (where not revoked), 18) / nullif(count(score) filter (where not revoked), 0) as average
    from feedback
    group by tag1
  ) f
  left join (select tag1, sum(score * weight) as ema from weighted group by tag1) w
    on w.tag1 is not distinct from f.tag1
),
metadata as (
  select distinct on (metadata_key) metadata_key, metadata_value, metadata_bytes, block_number
  from own
  where event_type = 'MetadataSet'
  order by metadata_key, block_number desc, log_index desc
),
answers as (
  select distinct on (request_hash) request_hash, response
  from own
  where event_type = 'ValidationResponse'
  order by request_hash, block_number desc, log_index desc
)
select
  p.block,
  p.last_block_number,
  (select count(*) from own) as event_count,
  (
    select o.owner from own o where o.event_type in ('Registered', 'Transfer') order by o.block_number desc, o.log_index desc limit 1
  ) as owner,
  (
    select o.token_uri from own o where o.event_type in ('Registered', 'URIUpdated')
    order by o.block_number desc, o.log_index desc limit 1
  ) as uri,
  -- Twenty bytes, or none after the agent has changed hands.
  (
    select m.metadata_value from metadata m where m.metadata_key = 'agentWallet' and m.metadata_bytes = 20
  ) as wallet,
  (
    select coalesce(jsonb_agg(jsonb_build_object(
      'key', m.metadata_key, 'value', m.metadata_value, 'bytes', m.metadata_bytes, 'block_number', m.block_number
    ) order by m.metadata_key), '[]')
    from (select * from metadata order by metadata_key limit $5) m
  ) as metadata,
  (select count(*) from metadata) as metadata_count,
  (
    select jsonb_build_object(
      'count', count(*) filter (where not revoked), 'revoked', count(*) filter (where revoked),
      'clients', count(distinct client_address) filter (where not revoked))
    from feedback
  ) as feedback,
  (
    select coalesce(jsonb_agg(jsonb_build_object(
      'tag', t.tag1, 'count', t.feedback_count, 'revoked', t.revoked_count, 'clients', t.client_count,
      'average', trim_scale(round(t.average, 18))::text, 'ema', trim_scale(round(t.ema, 18))::text
    ) order by t.feedback_count desc, t.tag1), '[]')
    from (select * from tags order by feedback_count desc, tag1 limit $5) t
  ) as tags,
  (select count(*) from tags) as tag_count,
  (
    select jsonb_build_object('count', count(*), 'responders', count(distinct o.responder))
    from own o where o.event_type = 'ResponseAppended'
  ) as responses,
  (
    select jsonb_build_object(
      'requests', count(distinct o.request_hash) filter (where o.event_type = 'ValidationRequest'),
      'validators', count(distinct o.validator_address),
      'responses', count(*) filter (where o.event_type = 'ValidationResponse'),
      'answered', (select count(*) from answers),
      'average_response', (select trim_scale(round(round(sum(a.response), 18) / count(*), 18))::text from answers a))
    from own o where o.event_type in ('ValidationRequest', 'ValidationResponse')
  ) as validations,
  (
    select jsonb_build_object('block_number', o.block_number, 'block_time', o.block_time)
    from own o order by o.block_number, o.log_index limit 1
  ) as first_seen,
  (
    select jsonb_build_object('block_number', o.block_number, 'block_time', o.block_time)
    from own o order by o.block_number desc, o.log_index desc limit 1
  ) as last_seen
from place p
