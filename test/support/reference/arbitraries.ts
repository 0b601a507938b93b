import fc from 'fast-check'
import { compileTrigger } from '../../../src/conditions/compile-trigger.ts'
import type { EventType, Registry, RegistryEvent } from '../../../src/event.ts'
import { sampleEvent } from '../events.ts'
import type { Chain, Finality, ReferenceCondition, ReferenceTrigger } from './trigger.ts'

export const chainId = 31337
/** The first block of a generated chain, and its time. */
const firstBlock = 100
const startMs = Date.UTC(2026, 0, 1)

const gapsSeconds = [0, 0, 1, 1, 5, 10, 10, 20, 30, 60, 3600, 86_400]
const windows = ['1s', '10s', '30s', '1m', '1h', '1d']
const scores = ['0', '10', '30', '49.99', '50', '50.01', '70', '90', '100', '-5', '0.1']
const tags = ['', 'a', 'b']
const address = (n: number) => `0x${String(n).repeat(40)}`

/** A transaction with one log, before it is in a block. */
export type Transaction = { id: number; type: EventType; fields: Partial<RegistryEvent> }

/** Where a transaction was mined: so long after the one before, and whether in a block of its own. */
type Mined = { transaction: Transaction; gapSeconds: number; isNewBlock: boolean }

/** The canonical chain before and after a fork: what was mined until it, and two ways to go on. */
export type Fork = { a: Chain; b: Chain; prefix: Chain }

const typeArbitrary = fc.constantFrom<EventType>(
  ...([
    'NewFeedback',
    'NewFeedback',
    'NewFeedback',
    'NewFeedback',
    'FeedbackRevoked',
    'ResponseAppended',
  ] as const),
  ...(['ValidationResponse', 'ValidationResponse', 'ValidationRequest', 'Registered', 'Transfer'] as const),
)

/** Few of each thing, so that they meet. */
function transactionArbitrary(id: number): fc.Arbitrary<Transaction> {
  return fc
    .record({
      type: typeArbitrary,
      agent: fc.constantFrom(1, 1, 2, 2, 3),
      who: fc.integer({ min: 1, max: 3 }),
      score: fc.constantFrom(...scores),
      response: fc.constantFrom(0, 49, 50, 51, 100),
      tag: fc.constantFrom(...tags),
    })
    .map(({ type, agent, who, score, response, tag }) => {
      const fields: Record<string, unknown> = { agent_id: String(agent) }
      const sample = sampleEvent(type)
      const wanted = { client_address: address(who), validator_address: address(who), owner: address(who) }
      for (const [name, value] of Object.entries({ ...wanted, score, response, tag1: tag, tag })) {
        // What this type of event does not have, it does not get.
        if (sample[name as keyof RegistryEvent] !== null) fields[name] = value
      }
      return { id, type, fields }
    })
}

export const transactionsArbitrary = (max: number) =>
  fc
    .oneof(
      { weight: 1, arbitrary: fc.integer({ min: 0, max }) },
      { weight: 3, arbitrary: fc.integer({ min: max >> 1, max }) },
    )
    .chain((count) => fc.tuple(...Array.from({ length: count }, (_, id) => transactionArbitrary(id))))

/** A chain whose blocks hold these transactions, in their order. */
export function chainArbitrary(max = 40): fc.Arbitrary<Chain> {
  return transactionsArbitrary(max).chain((transactions) =>
    fc
      .tuple(minedArbitrary(transactions), headArbitrary)
      .map(([mined, head]) => makeChain([], mined, 'a', head)),
  )
}

/** Two chains that share their first blocks, and many of the transactions afterwards. */
export function forkArbitrary(max = 24): fc.Arbitrary<Fork> {
  return fc
    .record({ before: transactionsArbitrary(max), pool: transactionsArbitrary(max) })
    .chain(({ before, pool: unnamed }) => {
      const pool = unnamed.map((transaction) => ({ ...transaction, id: transaction.id + 1000 }))
      const branch = fc.shuffledSubarray(pool).chain((some) => minedArbitrary(some))
      return fc.record({
        prefix: minedArbitrary(before),
        a: branch,
        b: branch,
        heads: fc.tuple(headArbitrary, headArbitrary, headArbitrary),
      })
    })
    .map(({ prefix, a, b, heads }) => {
      const common = makeChain([], prefix, 'p', heads[0])
      return {
        prefix: common,
        a: makeChain(common.events, a, 'a', heads[1]),
        b: makeChain(common.events, b, 'b', heads[2]),
      }
    })
}

type Head = { blocks: number; seconds: number; finalized: number }

const headArbitrary = fc.record({
  blocks: fc.integer({ min: 0, max: 3 }),
  seconds: fc.constantFrom(...gapsSeconds),
  finalized: fc.integer({ min: 0, max: 10 }),
})

function minedArbitrary(transactions: readonly Transaction[]): fc.Arbitrary<Mined[]> {
  const places = transactions.map((transaction) =>
    fc.record({
      transaction: fc.constant(transaction),
      gapSeconds: fc.constantFrom(...gapsSeconds),
      isNewBlock: fc.integer({ min: 0, max: 3 }).map((n) => n > 0),
    }),
  )
  return fc.tuple(...places)
}

function makeChain(
  before: readonly RegistryEvent[],
  mined: readonly Mined[],
  fork: string,
  head: Head,
): Chain {
  const events = [...before]
  const start = before.at(-1)
  let block = start?.block_number ?? firstBlock - 1
  let time = start?.block_time.getTime() ?? startMs
  let log = 0
  for (const [index, { transaction, gapSeconds, isNewBlock }] of mined.entries()) {
    log += 1
    if (isNewBlock || index === 0) {
      block += 1
      time += gapSeconds * 1000
      log = 0
    }
    const hash = `0x${transaction.id}`
    events.push(
      sampleEvent(transaction.type, {
        ...transaction.fields,
        id: `${chainId}-${block}-${log}-${fork}`,
        block_number: block,
        block_hash: `0x${fork}${block}`,
        block_time: new Date(time),
        log_index: log,
        transaction_hash: hash,
        occurrence: `${chainId}-${hash}-0-0`,
      }),
    )
  }
  const block_number = block + head.blocks
  // A block of its own can be of the same second; the same block is.
  const headTime = head.blocks === 0 ? time : time + head.seconds * 1000
  const chain = {
    events,
    head: { block_number, time: headTime },
    finalized: Math.max(block_number - head.finalized, 0),
  }
  return Object.assign(chain, { [fc.toStringMethod]: () => showChain(chain) })
}

/** A counterexample that can be read. */
function showChain({ events, head, finalized }: Chain): string {
  const lines = events.map((event) => {
    const { block_number, log_index, block_time, event_type, transaction_hash, agent_id } = event
    const seconds = (block_time.getTime() - startMs) / 1000
    const who = (event.client_address ?? event.validator_address)?.slice(0, 3)
    const value = event.score ?? event.response
    return `${block_number}.${log_index} at ${seconds}s ${transaction_hash} ${event_type} agent ${agent_id} by ${who}: ${value} ${event.tag1 ?? event.tag}`
  })
  const headSeconds = ((head.time ?? Number.NaN) - startMs) / 1000
  return [``, ...lines, `head ${head.block_number} at ${headSeconds}s, final ${finalized}`].join('\n  ')
}

const windowArbitrary = fc.constantFrom(...windows)
const orderArbitrary = fc.constantFrom('<', '<=', '>', '>=')
const levelArbitrary = fc.constantFrom('0', '30', '50', '50.01', '70', '120')

/** What scopes can be by registry. */
const scopeNames: Record<Registry, readonly string[]> = {
  identity: ['agent'],
  reputation: ['agent', 'client', 'tag'],
  validation: ['agent', 'validator', 'tag'],
}

function scopeArbitrary(registry: Registry): fc.Arbitrary<string[]> {
  return fc.oneof(
    fc.constantFrom<string[]>(['trigger'], ['agent']),
    fc.subarray([...scopeNames[registry]], { minLength: 1 }),
  )
}

type Draft = {
  condition_type: string
  field?: string | null
  operator?: string | null
  value?: unknown
  config?: Record<string, unknown>
}

function statelessArbitrary(registry: Registry): fc.Arbitrary<Draft> {
  const common: fc.Arbitrary<Draft>[] = [
    fc.record({
      condition_type: fc.constant('agent_id_equals'),
      field: fc.constant('agent_id'),
      operator: fc.constantFrom('=', '!='),
      value: fc.constantFrom('1', '2'),
    }),
  ]
  const expression = (texts: readonly string[]) =>
    fc.record({ condition_type: fc.constant('expression'), value: fc.constantFrom(...texts) })
  const divided = '100 / (event.agent_id - 3) < 1000'
  if (registry === 'identity') return fc.oneof(...common, expression([divided]))
  if (registry === 'validation') {
    return fc.oneof(
      ...common,
      fc.record({
        condition_type: fc.constant('response_threshold'),
        field: fc.constant('response'),
        operator: orderArbitrary,
        value: fc.constant('50'),
      }),
      expression([divided, 'event.response < 50.0 || event.agent_id == 1']),
    )
  }
  return fc.oneof(
    ...common,
    fc.record({
      condition_type: fc.constant('score_threshold'),
      field: fc.constant('score'),
      operator: orderArbitrary,
      value: levelArbitrary,
    }),
    fc.record({
      condition_type: fc.constant('tag_equals'),
      field: fc.constant('tag1'),
      operator: fc.constantFrom('=', '!='),
      value: fc.constantFrom('', 'a'),
    }),
    fc.record({
      condition_type: fc.constant('client_whitelist'),
      field: fc.constant('client_address'),
      operator: fc.constantFrom('in', 'not_in'),
      value: fc.constant([address(1), address(2)]),
    }),
    expression([
      divided,
      'event.score < 50.0 || event.tag1 == "a"',
      '!(event.score >= 70.0) && event.agent_id != 2',
    ]),
  )
}

function statefulArbitrary(registry: Registry): fc.Arbitrary<Draft> {
  const scope = scopeArbitrary(registry)
  const field = registry === 'validation' ? 'response' : 'score'
  const counted = registry === 'validation' ? 'validator_address' : 'client_address'
  const tag = fc.option(fc.constantFrom('a', 'b'), { nil: undefined, freq: 4 })
  const config = (settings: Record<string, fc.Arbitrary<unknown>>) =>
    fc
      .record({ scope, ...(registry === 'identity' ? {} : { tag }), ...settings })
      .map((made) => Object.fromEntries(Object.entries(made).filter(([, value]) => value !== undefined)))
  const speed = fc.oneof(
    fc.record({ window_size: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ alpha: fc.constantFrom(0.5, 0.3, 1) }),
  )
  const time_window = windowArbitrary
  const count = fc.integer({ min: 1, max: 4 }).map(String)
  const types: Record<string, fc.Arbitrary<Draft>> = {
    rate_limit: fc.record({
      condition_type: fc.constant('rate_limit'),
      operator: fc.constantFrom('>=', '>=', '>', '<', '='),
      value: count,
      config: config({ time_window, reset_on_trigger: fc.boolean() }),
    }),
  }
  if (registry === 'identity') return fc.oneof(...Object.values(types))
  types.ema_threshold = fc
    .tuple(config({ min_count: fc.integer({ min: 1, max: 3 }) }), speed, orderArbitrary, levelArbitrary)
    .map(([made, how, operator, value]) => ({
      condition_type: 'ema_threshold',
      field,
      operator,
      value,
      config: { ...made, ...how },
    }))
  types.distinct_count = fc.record({
    condition_type: fc.constant('distinct_count'),
    field: fc.constant(counted),
    operator: fc.constantFrom('>=', '>', '<', '='),
    value: count,
    config: config({ time_window }),
  })
  types.sum_threshold = fc.record({
    condition_type: fc.constant('sum_threshold'),
    field: fc.constant(field),
    operator: orderArbitrary,
    value: levelArbitrary,
    config: config({ time_window }),
  })
  types.change = fc
    .tuple(config({}), fc.option(speed, { nil: {} }), orderArbitrary, fc.constantFrom(0, 20))
    .map(([made, how, operator, slack]) => ({
      condition_type: 'change',
      field,
      operator,
      value: '50',
      config: { ...made, ...how, reset: String(operator.startsWith('<') ? 50 + slack : 50 - slack) },
    }))
  const step = (operator: string, value: string) => [
    { condition_type: field === 'score' ? 'score_threshold' : 'response_threshold', field, operator, value },
  ]
  types.sequence = fc.tuple(config({ within: windowArbitrary }), fc.boolean()).map(([made, overlaps]) => ({
    condition_type: 'sequence',
    // biome-ignore lint/suspicious/noThenProperty: the name that the document has for it
    config: { ...made, first: step('>=', '50'), then: step('<', overlaps ? '80' : '50') },
  }))
  return fc.oneof(...Object.values(types))
}

function absenceArbitrary(registry: Registry): fc.Arbitrary<Draft> {
  return fc.record({
    condition_type: fc.constant('absence'),
    config: fc.record({ scope: scopeArbitrary(registry), time_window: windowArbitrary }),
  })
}

const finalityArbitrary: fc.Arbitrary<Finality> = fc.constantFrom<Finality>('latest', 'finalized', {
  confirmations: 2,
})

/** Triggers of every type and option, that this version understands. */
export function triggerArbitrary(
  options: { absence?: boolean; history?: boolean } = {},
): fc.Arbitrary<ReferenceTrigger> {
  const { history = true } = options
  return fc
    .constantFrom<Registry>('reputation', 'reputation', 'reputation', 'validation', 'identity')
    .chain((registry) => {
      const one = statefulArbitrary(registry)
      // Many that must hold at once seldom do.
      const withMemory = fc.oneof(
        fc.tuple(one),
        fc.tuple(one),
        fc.tuple(one, one),
        fc.array(one, { maxLength: 3 }),
      )
      const waiting = absenceArbitrary(registry).map((condition) => [condition])
      const limit = { scope: scopeArbitrary(registry), digest: fc.boolean() }
      return fc.record({
        registry: fc.constant(registry),
        stateless: fc.oneof(
          { weight: 2, arbitrary: fc.constant([]) },
          { weight: 1, arbitrary: fc.array(statelessArbitrary(registry), { maxLength: 2 }) },
        ),
        stateful:
          options.absence === false
            ? withMemory
            : fc.oneof({ weight: 3, arbitrary: withMemory }, { weight: 1, arbitrary: waiting }),
        cooldown: fc.option(fc.record({ period: windowArbitrary, ...limit }), { freq: 2 }),
        max_fires: fc
          .option(
            fc.record({
              count: fc.integer({ min: 1, max: 3 }),
              within: fc.option(windowArbitrary, { freq: 4 }),
              ...limit,
            }),
            { freq: 2 },
          )
          // In all, there is no end at which to tell.
          .map((made) => made && { ...made, digest: made.digest && made.within !== null }),
        startsAfterSeconds: history ? fc.constantFrom(-1, -1, -1, 10, 60, 3600) : fc.constant(-1),
        startsAfterBlocks: history
          ? fc.oneof(
              { weight: 3, arbitrary: fc.constant(null) },
              { weight: 1, arbitrary: fc.integer({ min: 0, max: 8 }) },
            )
          : fc.constant(null),
        warm_up: history ? fc.boolean() : fc.constant(false),
        finality: finalityArbitrary,
        actions: fc.array(fc.record({ finality: fc.option(finalityArbitrary) }), {
          minLength: 1,
          maxLength: 2,
        }),
        order: fc.integer(),
      })
    })
    .map(
      ({ stateless, stateful, startsAfterSeconds, startsAfterBlocks, order, ...rest }): ReferenceTrigger => {
        const conditions: ReferenceCondition[] = [...stateless, ...stateful].map((draft) => ({
          field: null,
          operator: null,
          ...draft,
          position: 0,
        }))
        // Conditions stand in any order in the document.
        const rotated = conditions
          .map((_, index) => conditions.at((index + order) % conditions.length))
          .flatMap((one) => one ?? [])
        return {
          ...rest,
          id: 'trigger',
          version: 1,
          generation: 1,
          chain_id: chainId,
          active_since: new Date(startMs + startsAfterSeconds * 1000),
          from_block: startsAfterBlocks === null ? null : firstBlock + startsAfterBlocks,
          conditions: rotated.map((condition, position) => ({ ...condition, position })),
        }
      },
    )
    .filter(isUnderstood)
}

function isUnderstood(trigger: ReferenceTrigger): boolean {
  try {
    compileTrigger(trigger)
    return true
  } catch {
    return false
  }
}
