import type { Database } from '../src/db.ts'

/** How many agents there are over all chains; the lower its number, the more an agent gets. */
export const benchAgents = 100_000

const batch = 250_000

/**
 * Events as a year of five chains could leave them: every agent's registration first, then feedback (three in four), responses,
 * validations and changes; agents, clients and tags are skewed, every thousandth event is retracted. Made by Postgres.
 */
export async function fillEvents(db: Database, count: number): Promise<void> {
  for (let from = 0; from < count; from += batch) {
    await insertBatch(db, from, Math.min(from + batch, count), count)
    console.error(`${Math.min(from + batch, count)} events`)
  }
  await db`
    insert into event_status (event_id, chain_id, block_number, block_time, status, reason)
    select id, chain_id, block_number, block_time, 'retracted', 'bench' from events where seq % 1000 = 0 order by seq`
  await db`
    insert into checkpoints (chain_id, last_block_number, finalized_block_number)
    select chain_id, max(block_number), max(block_number) - 65 from events group by chain_id`
  // As the maintenance does.
  await db`select fold_event_counts()`
  await db`vacuum analyze`
}

async function insertBatch(db: Database, from: number, to: number, count: number): Promise<void> {
  await db`
    insert into events (
      id, chain_id, block_number, block_hash, block_time, transaction_hash, transaction_index, log_index, contract_address,
      registry, event_type, occurrence, agent_id, owner, previous_owner, token_uri, updated_by, metadata_key, metadata_value,
      client_address, feedback_index, value, value_decimals, score, tag1, tag2, endpoint, file_uri, file_hash, responder,
      validator_address, request_uri, request_hash, response, response_uri, response_hash, tag, args, topics, data
    )
    select
      format('%s-%s-%s-%s', chain, block, log, substr(hash, 3, 16)), chain, block, hash, time, hash, 0, log,
      -- The identity, reputation and validation registries of the mainnets; the test network's are others.
      case when type in ('NewFeedback', 'FeedbackRevoked', 'ResponseAppended')
        then case chain when 84532 then '0x8004b663056a597dffe9eccc1965a193b7388713' else '0x8004baa17c55a88189ae136b182e5fda19de9b63' end
        when type like 'Validation%'
        then case chain when 84532 then '0x8004cb1bf31daf7788923b405b754f57aceb4272' else '0x8004cc8439f36fd5f9f049d9ff86523df6daab58' end
        else case chain when 84532 then '0x8004a818bfb912233c491871b3d84c89a494bd9e' else '0x8004a169fb4a3325136eb29fa0ceb6d2e539a432' end
      end,
      case when type in ('NewFeedback', 'FeedbackRevoked', 'ResponseAppended') then 'reputation'
        when type like 'Validation%' then 'validation' else 'identity' end,
      type, format('%s-%s-%s', chain, hash, log), agent,
      case when type in ('Registered', 'Transfer') then '0x' || lpad(to_hex(agent / 3), 40, 'a') end,
      case when type = 'Transfer' then '0x' || repeat('0', 40) end,
      case when type in ('Registered', 'URIUpdated') then 'https://agents.example/' || agent || '/agent.json' end,
      case when type = 'URIUpdated' then '0x' || lpad(to_hex(agent / 3), 40, 'a') end,
      case when type = 'MetadataSet' then 'description' end,
      case when type = 'MetadataSet' then '0x7472616e736c61746573' end,
      case when type in ('NewFeedback', 'FeedbackRevoked', 'ResponseAppended') then '0x' || lpad(to_hex(client), 40, 'c') end,
      case when type in ('NewFeedback', 'FeedbackRevoked', 'ResponseAppended')
        then case when type = 'NewFeedback' then n else n - 1 - (random() * 1000)::integer end end,
      case when type = 'NewFeedback' then (score * 10)::integer end,
      case when type = 'NewFeedback' then 1 end,
      case when type = 'NewFeedback' then round(score, 1) end,
      case when type = 'NewFeedback' then
        case when pick < 0.4 then 'starred' when pick < 0.6 then 'uptime' when pick < 0.75 then 'responseTime'
          else 'tag-' || floor(2000 * random() ^ 3)::integer end end,
      case when type = 'NewFeedback' then case when pick > 0.9 then 'week' else '' end end,
      case when type = 'NewFeedback' then 'https://agents.example/' || agent || '/mcp' end,
      case when type = 'NewFeedback' then 'ipfs://bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku' end,
      case when type = 'NewFeedback' then hash end,
      case when type = 'ResponseAppended' then '0x' || lpad(to_hex(agent / 3), 40, 'a') end,
      case when type like 'Validation%' then '0x' || lpad(to_hex(client % 400), 40, 'd') end,
      case when type = 'ValidationRequest' then 'https://agents.example/request.json' end,
      case when type like 'Validation%' then '0x' || md5('request' || n / 2) || md5('r' || n / 2) end,
      case when type = 'ValidationResponse' then (score)::integer end,
      case when type in ('ResponseAppended', 'ValidationResponse') then 'https://agents.example/answer.json' end,
      case when type in ('ResponseAppended', 'ValidationResponse') then hash end,
      case when type = 'ValidationResponse' then 'audit' end,
      jsonb_build_object('agentId', agent::text, 'feedbackURI', 'ipfs://bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'),
      array[hash, hash, hash], '0x' || repeat('0', 640)
    from (
      select *,
        '0x' || md5(chain || '-' || block) || md5(block || '-' || chain) as hash,
        timestamptz '2025-11-20T00:00:00Z' + second * interval '1 second' as time
      from (
        select
          n, random() as pick, (random() * random() * 100)::numeric as score, n % 500 as log,
          c.chain, 20000000 + floor(n::float8 / ${count}::float8 * 31000000 / c.block_seconds)::bigint as block,
          floor(floor(n::float8 / ${count}::float8 * 31000000 / c.block_seconds) * c.block_seconds)::bigint as second,
          case when c.kind < 0.05 then 'Registered' else c.later end as type,
          floor(${benchAgents}::float8 * random() ^ 3)::bigint as agent,
          floor(200000 * random() ^ 2)::integer as client
        from (
          select n,
            case when r < 0.4 then 8453 when r < 0.65 then 56 when r < 0.85 then 1 when r < 0.95 then 84532 else 137 end as chain,
            case when r < 0.65 then 2 else 12 end as block_seconds,
            kind,
            case when kind < 0.06 then 'Transfer' when kind < 0.08 then 'URIUpdated' when kind < 0.12 then 'MetadataSet'
              when kind < 0.14 then 'FeedbackRevoked' when kind < 0.20 then 'ResponseAppended'
              when kind < 0.23 then 'ValidationRequest' when kind < 0.26 then 'ValidationResponse' else 'NewFeedback' end as later
          from (select n, random() as r, random() as kind from generate_series(${from}::bigint, ${to}::bigint - 1) as n) numbers
        ) c
      ) placed
    ) e
    order by time, n`
}
