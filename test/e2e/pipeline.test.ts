import { createPublicClient, http, parseEventLogs } from 'viem'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { identityAbi, reputationAbi, validationAbi } from '../../indexer/abi.ts'
import { countStages } from '../../src/store/stages.ts'
import { startReceiver } from '../support/receiver.ts'
import { type Stack, startStack } from '../support/stack.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

let database: Awaited<ReturnType<typeof createTestDatabase>>
let receiver: Awaited<ReturnType<typeof startReceiver>>
let stack: Stack

beforeAll(async () => {
  database = await createTestDatabase()
  receiver = await startReceiver()
  stack = await startStack(database.url)
})
afterAll(async () => {
  await stack?.stop()
  await receiver?.close()
  await database?.drop()
})

const actions = (...paths: string[]) =>
  paths.map((path) => ({ action_type: 'rest', config: { url: `${receiver.url}${path}` } }))

/** Three triggers, one with two actions, so that some events make no delivery, some one and some two. */
const createTriggers = () =>
  Promise.all(
    [
      {
        name: 'New agent',
        registry: 'identity',
        conditions: [{ condition_type: 'event_type_equals', value: 'Registered' }],
        actions: actions('/agents/a', '/agents/b'),
      },
      {
        name: 'Low score',
        registry: 'reputation',
        conditions: [
          { condition_type: 'tag_equals', field: 'tag1', value: 'starred' },
          { condition_type: 'score_threshold', operator: '<', value: 70 },
        ],
        actions: actions('/scores'),
      },
      { name: 'Validation', registry: 'validation', conditions: [], actions: actions('/validations') },
    ].map((trigger) => stack.createTrigger({ chain_id: 31337, ...trigger })),
  )

/** What the chain itself says: every log of the registries, and the deliveries that must come of them. */
const readChain = async () => {
  const client = createPublicClient({ transport: http(stack.chain.rpcUrl) })
  const { identity, reputation, validation } = stack.registries
  const logs = await client.getLogs({ address: [identity, reputation, validation], fromBlock: 0n })
  const parsed = parseEventLogs({ abi: [...identityAbi, ...reputationAbi, ...validationAbi], logs })
  const expected = parsed.flatMap(({ eventName, args, transactionHash, logIndex }) => {
    const paths =
      eventName === 'Registered'
        ? ['/agents/a', '/agents/b']
        : eventName === 'NewFeedback' &&
            args.tag1 === 'starred' &&
            args.value < 70n * 10n ** BigInt(args.valueDecimals)
          ? ['/scores']
          : eventName.startsWith('Validation')
            ? ['/validations']
            : []
    return paths.map((path) => `${path} ${transactionHash} ${logIndex}`)
  })
  return { logs, expected: expected.sort(), head: Number(await client.getBlockNumber({ cacheTime: 0 })) }
}

const storedDeliveries = async () =>
  (
    await stack.db<{ delivery: string }[]>`
      select regexp_replace(a.config ->> 'url', '^https?://[^/]+', '') || ' ' || e.transaction_hash || ' ' || e.log_index as delivery
      from deliveries d
      join trigger_actions a on a.id = d.action_id
      join events e on e.id = d.event_id and e.block_time = d.block_time
    `
  )
    .map(({ delivery }) => delivery)
    .sort()

/** The chain stands still meanwhile, as a quiet one does: nothing may need another block to be noticed. */
const settled = async (timeoutMs: number) => {
  const { head } = await readChain()
  return until(
    'every log is indexed, matched and delivered',
    async () => {
      const [counts] = await countStages(stack.db, [31337])
      return counts !== undefined && (counts.matched_block ?? -1) >= head && counts.open === 0 && counts
    },
    timeoutMs,
  )
}

describe('the whole way', () => {
  it('every log is one event, and every trigger, action and occurrence that should fire is one delivery', async () => {
    await createTriggers()
    for (let step = 0; step < 120; step += 1) await stack.economy.step()
    const counts = await settled(30_000)
    const { logs, expected } = await readChain()

    expect(counts).toMatchObject({
      events: logs.length,
      deliveries: expected.length,
      succeeded: expected.length,
      failed: 0,
    })
    const stored = await stack.db<
      { position: string }[]
    >`select transaction_hash || ' ' || log_index as position from events`
    expect(stored.map(({ position }) => position).sort()).toEqual(
      logs.map(({ transactionHash, logIndex }) => `${transactionHash} ${logIndex}`).sort(),
    )
    expect(await storedDeliveries()).toEqual(expected)
    expect(receiver.received.map(({ path }) => path).sort()).toEqual(
      expected.map((line) => line.split(' ')[0]),
    )
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(expected.length)
  })

  it('nothing is lost and no delivery is doubled while every role is killed with -9', async () => {
    // Slow enough that a worker always dies with calls in flight.
    let open = 0
    receiver.answerWith((_, response) => {
      open += 1
      setTimeout(() => {
        open -= 1
        response.writeHead(204).end()
      }, 150)
    })
    const before = (await readChain()).expected.length
    const stop = new AbortController()
    const playing = stack.economy.run({ signal: stop.signal, actionsPerSecond: 20 })
    const progress = (role: string, more: number) => {
      let from: number | undefined
      return until(`the chain goes on while ${role} is down`, async () => {
        const head = Number(await stack.chain.call('eth_blockNumber'))
        from ??= head
        return head >= from + more
      })
    }
    await until('calls are in flight', () => open > 0)
    await stack.crash('worker')
    await progress('the matcher', 10)
    await stack.crash('matcher')
    await progress('the indexer', 10)
    await stack.crash('indexer')
    await until('calls are in flight again', () => open > 0)
    await stack.crash('worker')
    stop.abort()
    await playing

    const counts = await settled(90_000)
    const { logs, expected } = await readChain()
    expect(counts).toMatchObject({
      events: logs.length,
      deliveries: expected.length,
      succeeded: expected.length,
    })
    expect(await storedDeliveries()).toEqual(expected)

    const ids = receiver.received.map(({ headers }) => String(headers['webhook-id']))
    const deliveries = await stack.db<{ id: string }[]>`select id from deliveries`
    const known = new Set(deliveries.map(({ id }) => id))
    expect(ids.filter((id) => !known.has(id))).toEqual([])
    expect(new Set(ids).size).toBe(expected.length - before)
    // What was sent twice had a worker die over it, and each such attempt is on record.
    const [lost] =
      await stack.db`select count(*) as count from action_results where error_message like 'the worker %'`
    expect(ids.length - new Set(ids).size).toBeLessThanOrEqual(lost?.count)
    expect(lost?.count).toBeGreaterThan(0)
  })
})
