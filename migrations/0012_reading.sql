-- Up Migration

-- What GET /v1/events reads along: each filter that narrows a lot has an index in the order of its pages, so that a page costs the
-- same wherever it is. They are in the order of the chain's time, which is also that of partitions and chunks; the end of that order
-- (block, log, arrival) is not in them: events of one second are few, and are sorted.
drop index events_agent;
drop index events_client;
drop index events_validator;
create index events_agent on events (chain_id, agent_id, block_time) where agent_id is not null;
create index events_client on events (chain_id, client_address, block_time) where client_address is not null;
create index events_validator on events (chain_id, validator_address, block_time) where validator_address is not null;
create index events_owner on events (chain_id, owner, block_time) where owner is not null;
create index events_chain_type on events (chain_id, event_type, block_time);
-- Tags can be megabytes long, and an entry of an index cannot: the beginning is compared, and the whole where it is longer.
create index events_tag on events (chain_id, left(coalesce(tag1, tag), 64), block_time)
  where left(coalesce(tag1, tag), 64) <> '';
create index events_tag2 on events (chain_id, left(tag2, 64), block_time) where left(tag2, 64) <> '';
-- The score last: a range of it is looked for in the entries, in the order of the pages, and only what is in it is read.
create index events_score on events (chain_id, block_time, score) where score is not null;

-- Down Migration

drop index events_score;
drop index events_tag2;
drop index events_tag;
drop index events_chain_type;
drop index events_owner;
drop index events_validator;
drop index events_client;
drop index events_agent;
create index events_agent on events (chain_id, agent_id, seq) where agent_id is not null;
create index events_client on events (chain_id, client_address, seq) where client_address is not null;
create index events_validator on events (chain_id, validator_address, seq) where validator_address is not null;
