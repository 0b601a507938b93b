import { compileTrigger } from '../src/conditions/compile-trigger.ts'
import type { CompiledTrigger } from '../src/conditions/compiled-trigger.ts'
import { createTriggerIndex } from '../src/conditions/trigger-index.ts'
import type { EventType, Registry, RegistryEvent } from '../src/event.ts'
import { registryOf } from '../src/event.ts'
import { sampleEvent } from '../test/support/events.ts'

const chainId = 8453
const agents = 100_000
const clients = 200_000
const validators = 400

type Input = { condition_type: string; field?: string; operator?: string; value?: unknown }
type Rule = [Registry, ...Input[]]

/** The same numbers in each run. */
function createDice(seed: number) {
  let state = seed
  const roll = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  /** Low numbers come more often, the more the higher the power. */
  const skewed = (range: number, power: number) => Math.floor(range * roll() ** power)
  return {
    roll,
    skewed,
    agent: () => String(skewed(agents, 3)),
    owner: () => address('a', Math.floor(skewed(agents, 3) / 3)),
    client: () => address('c', skewed(clients, 2)),
    validator: () => address('d', skewed(validators, 1)),
    tag: () => {
      const pick = roll()
      if (pick < 0.4) return 'starred'
      if (pick < 0.6) return 'uptime'
      return pick < 0.75 ? 'responseTime' : `tag-${skewed(2000, 3)}`
    },
    list: (count: number, one: () => string) =>
      Array.from({ length: 1 + Math.floor(count * roll()) }, () => one()),
  }
}

/** Events of one chain as bench/fill-events.ts makes them: three in four are feedback; agents, clients and tags are skewed. */
export function mixEvents(count: number): RegistryEvent[] {
  const dice = createDice(1)
  return Array.from({ length: count }, (_, n) => {
    const kind = dice.roll()
    const eventType = typeOf(kind)
    const score = String(Math.round(1000 * dice.roll() * dice.roll()) / 10)
    const client = dice.client()
    return sampleEvent(eventType, {
      ...empty,
      id: `${chainId}-${n}`,
      chain_id: chainId,
      registry: registryOf(eventType),
      agent_id: dice.agent(),
      ...(['Registered', 'Transfer'].includes(eventType) && { owner: dice.owner() }),
      ...(eventType === 'Transfer' && { previous_owner: address('0', 0) }),
      ...(eventType === 'MetadataSet' && { metadata_key: dice.roll() < 0.5 ? 'description' : 'endpoints' }),
      ...(registryOf(eventType) === 'reputation' && { client_address: client }),
      ...(eventType === 'NewFeedback' && {
        score,
        tag1: dice.tag(),
        tag2: dice.roll() < 0.1 ? 'week' : '',
        file_uri: `ipfs://bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquv${n}`,
      }),
      ...(registryOf(eventType) === 'validation' && { validator_address: dice.validator() }),
      ...(eventType === 'ValidationResponse' && { response: Math.round(Number(score)), tag: 'audit' }),
    })
  })
}

/**
 * Triggers of a realistic mix. The first ten fire about once an event, together; none of the others fires for any of the events,
 * though most ask for agents, clients and tags that they have: so that each number of triggers finds the same matches.
 */
export function mixTriggers(count: number, events: readonly RegistryEvent[]): CompiledTrigger[] {
  const dice = createDice(2)
  const kept = frequent.map(compile)
  for (let next = kept.length; kept.length < count; ) {
    const made = Array.from({ length: count / 4 }, (_, index) => compile(rareRule(dice), next + index))
    next += made.length
    // It is the index that says which would fire. Had it missed one, the plain loop would find other matches, and the bench would stop.
    const index = createTriggerIndex(made)
    const fired = new Set<CompiledTrigger>()
    for (const event of events) {
      for (const trigger of index.candidates(event)) {
        if (!fired.has(trigger) && trigger.conditions.every((condition) => condition.holds(event)))
          fired.add(trigger)
      }
    }
    kept.push(...made.filter((trigger) => !fired.has(trigger)))
  }
  return kept.slice(0, count)
}

const frequent: Rule[] = [
  ['reputation', eventType('NewFeedback'), score('<', '25')],
  ['reputation', tag('starred'), score('>=', '50')],
  ['reputation', tag('uptime'), score('<', '40'), { condition_type: 'file_uri_exists' }],
  ['reputation', { condition_type: 'agent_id_equals', operator: 'in', value: ['0', '1', '2', '3', '4'] }],
  ['reputation', agent('0'), score('<', '70')],
  [
    'reputation',
    { condition_type: 'event_type_equals', operator: 'in', value: ['FeedbackRevoked', 'ResponseAppended'] },
  ],
  ['identity', eventType('Registered')],
  [
    'identity',
    eventType('Transfer'),
    { condition_type: 'owner_equals', operator: '!=', value: address('0', 0) },
  ],
  ['identity', { condition_type: 'metadata_key_equals', value: 'description' }],
  ['validation', { condition_type: 'response_threshold', operator: '<', value: 50 }],
]

/** What people ask for: mostly their own agents and low ratings of them; then clients, tags, owners and validators. */
function rareRule(dice: ReturnType<typeof createDice>): Rule {
  const low = () => String(Math.round(dice.roll() * 700) / 10)
  const high = () => String(90 + Math.round(dice.roll() * 400) / 10)
  const pick = dice.roll()
  if (pick < 0.3) return ['reputation', agent(dice.agent()), score('<', low())]
  if (pick < 0.4)
    return ['reputation', agentsIn(dice.list(10, dice.agent)), tag(dice.tag()), score('<', low())]
  if (pick < 0.48) return ['identity', agent(dice.agent()), eventType('URIUpdated')]
  if (pick < 0.56) return ['identity', { condition_type: 'owner_equals', value: dice.owner() }]
  if (pick < 0.66) return ['reputation', clientsIn(dice.list(20, dice.client)), tag(dice.tag())]
  if (pick < 0.72) return ['reputation', agent(dice.agent()), clientsIn(dice.list(5, dice.client))]
  if (pick < 0.82) return ['reputation', tag(dice.tag()), score('>', high())]
  if (pick < 0.86) return ['reputation', tag(dice.tag()), score('>=', high()), tag('week', 'tag2')]
  if (pick < 0.93)
    return [
      'validation',
      { condition_type: 'validator_whitelist', value: dice.list(10, dice.validator) },
      { condition_type: 'response_threshold', operator: '<', value: Math.floor(dice.roll() * 50) },
      agent(dice.agent()),
    ]
  if (pick < 0.96)
    return [
      'identity',
      { condition_type: 'metadata_key_equals', value: dice.roll() < 0.5 ? 'endpoints' : 'wallet' },
      agent(dice.agent()),
    ]
  if (pick < 0.98)
    return [
      'reputation',
      agent(dice.agent()),
      { condition_type: 'file_uri_exists', operator: 'contains', value: 'ar://' },
    ]
  return [
    'reputation',
    score('>', high()),
    { condition_type: 'client_whitelist', operator: 'not_in', value: [dice.client()] },
  ]
}

function compile([registry, ...conditions]: Rule, index: number): CompiledTrigger {
  return compileTrigger({
    id: `trigger-${String(index).padStart(32, '0')}`,
    version: 1,
    generation: 1,
    chain_id: chainId,
    registry,
    active_since: new Date(0),
    from_block: null,
    warm_up: false,
    cooldown: null,
    max_fires: null,
    conditions: conditions.map((one, position) => ({ ...one, position })),
  })
}

function agent(value: string): Input {
  return { condition_type: 'agent_id_equals', value }
}

function agentsIn(value: string[]): Input {
  return { condition_type: 'agent_id_equals', operator: 'in', value }
}

function clientsIn(value: string[]): Input {
  return { condition_type: 'client_whitelist', value }
}

function score(operator: string, value: string): Input {
  return { condition_type: 'score_threshold', operator, value }
}

function tag(value: string, field = 'tag1'): Input {
  return { condition_type: 'tag_equals', field, value }
}

function eventType(value: EventType): Input {
  return { condition_type: 'event_type_equals', value }
}

function typeOf(kind: number): EventType {
  if (kind < 0.05) return 'Registered'
  if (kind < 0.11) return 'Transfer'
  if (kind < 0.13) return 'URIUpdated'
  if (kind < 0.17) return 'MetadataSet'
  if (kind < 0.19) return 'FeedbackRevoked'
  if (kind < 0.25) return 'ResponseAppended'
  if (kind < 0.28) return 'ValidationRequest'
  return kind < 0.31 ? 'ValidationResponse' : 'NewFeedback'
}

function address(fill: string, number: number): string {
  return `0x${number.toString(16).padStart(40, fill)}`
}

const empty = {
  owner: null,
  previous_owner: null,
  metadata_key: null,
  client_address: null,
  score: null,
  tag1: null,
  tag2: null,
  file_uri: null,
  validator_address: null,
  response: null,
  tag: null,
}
