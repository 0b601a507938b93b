import type { Address, Hex } from 'viem'
import { keccak256, stringToHex } from 'viem'
import { createRandom, type Random } from './random.ts'

/** One transaction that somebody in the economy sends. `from` and other people are numbers of accounts. */
export type EconomyAction =
  | {
      type: 'register'
      from: number
      agentURI: string
      metadata: { metadataKey: string; metadataValue: Hex }[]
    }
  | { type: 'setAgentURI'; from: number; agentId: bigint; newURI: string }
  | { type: 'setMetadata'; from: number; agentId: bigint; metadataKey: string; metadataValue: Hex }
  | { type: 'setAgentWallet'; from: number; agentId: bigint; newWallet: Address }
  | { type: 'transfer'; from: number; to: number; agentId: bigint }
  | {
      type: 'giveFeedback'
      from: number
      agentId: bigint
      value: bigint
      valueDecimals: number
      tag1: string
      tag2: string
      endpoint: string
      feedbackURI: string
      feedbackHash: Hex
    }
  | { type: 'revokeFeedback'; from: number; agentId: bigint; feedbackIndex: bigint }
  | {
      type: 'appendResponse'
      from: number
      agentId: bigint
      client: number
      feedbackIndex: bigint
      responseURI: string
      responseHash: Hex
    }
  | {
      type: 'validationRequest'
      from: number
      validator: number
      agentId: bigint
      requestURI: string
      requestHash: Hex
    }
  | {
      type: 'validationResponse'
      from: number
      requestHash: Hex
      response: number
      responseURI: string
      responseHash: Hex
      tag: string
    }

/** How an agent does: well all the time, worse and worse, or well but under attack by a few spammers. */
type Behaviour = 'steady' | 'declining' | 'spammed'
type Agent = { id: bigint; owner: number; behaviour: Behaviour; ratings: number }
type Feedback = { agent: Agent; client: number; index: bigint }
type Request = { agent: Agent; validator: number; hash: Hex; answered: boolean }

const behaviours: readonly Behaviour[] = ['steady', 'declining', 'spammed']
const noHash: Hex = `0x${'0'.repeat(64)}`

/** Accounts by what they do. The first one deployed the registries and has no other part. */
const people = {
  owners: [1, 8],
  clients: [9, 18],
  spammers: [19, 20],
  validators: [21, 23],
  newOwners: [24, 27],
} as const

/** How many accounts of the chain the economy uses. */
export const economyAccounts = 28

/** Every kind of action once or more, so that a short run has all nine event types. The rest is left to chance. */
const opening: readonly EconomyAction['type'][] = [
  ...([
    'register',
    'register',
    'register',
    'giveFeedback',
    'validationRequest',
    'giveFeedback',
    'validationResponse',
  ] as const),
  ...([
    'appendResponse',
    'setMetadata',
    'register',
    'transfer',
    'giveFeedback',
    'revokeFeedback',
    'setAgentURI',
    'setAgentWallet',
  ] as const),
]

const weights: readonly [EconomyAction['type'], number][] = [
  ['giveFeedback', 52],
  ['register', 12],
  ['validationRequest', 8],
  ['validationResponse', 9],
  ['appendResponse', 6],
  ['revokeFeedback', 5],
  ['setMetadata', 3],
  ['setAgentURI', 2],
  ['transfer', 2],
  ['setAgentWallet', 1],
]

/**
 * Decides what happens in the economy, one action after the other. Decisions depend on the seed only, never on time,
 * and every action is one that the registries accept.
 */
export function createWorld(seed: number): { next(): EconomyAction } {
  const random = createRandom(seed)
  const agents: Agent[] = []
  const feedbacks: Feedback[] = []
  const requests: Request[] = []
  const lastIndex = new Map<string, bigint>()
  let step = 0

  const somebody = ([first, last]: readonly [number, number]) => random.integer(first, last)

  const makers: {
    [Type in EconomyAction['type']]: () => Extract<EconomyAction, { type: Type }> | undefined
  } = {
    register: () => {
      const id = BigInt(agents.length)
      const behaviour = behaviours[agents.length % behaviours.length] ?? 'steady'
      const from = somebody(people.owners)
      agents.push({ id, owner: from, behaviour, ratings: 0 })
      const metadata =
        random.next() < 0.3 ? [{ metadataKey: 'category', metadataValue: stringToHex(behaviour) }] : []
      return { type: 'register', from, agentURI: registrationURI(id, random), metadata }
    },
    setAgentURI: () => {
      const { id, owner } = random.pick(agents)
      return { type: 'setAgentURI', from: owner, agentId: id, newURI: registrationURI(id, random) }
    },
    setMetadata: () => {
      const { id, owner } = random.pick(agents)
      const metadataKey = random.pick(['category', 'model', 'region'])
      return {
        type: 'setMetadata',
        from: owner,
        agentId: id,
        metadataKey,
        metadataValue: stringToHex(`value ${step}`),
      }
    },
    setAgentWallet: () => {
      const { id, owner } = random.pick(agents)
      const newWallet = `0x${keccak256(stringToHex(`wallet ${seed} ${step}`)).slice(26)}` as Address
      return { type: 'setAgentWallet', from: owner, agentId: id, newWallet }
    },
    transfer: () => {
      const agent = random.pick(agents)
      const from = agent.owner
      agent.owner = somebody(people.newOwners)
      return { type: 'transfer', from, to: agent.owner, agentId: agent.id }
    },
    giveFeedback: () => {
      const agent = random.pick(agents)
      const isSpam = agent.behaviour === 'spammed' && random.next() < 0.6
      const from = somebody(isSpam ? people.spammers : people.clients)
      const key = `${agent.id} ${from}`
      const index = (lastIndex.get(key) ?? 0n) + 1n
      lastIndex.set(key, index)
      feedbacks.push({ agent, client: from, index })
      agent.ratings += 1
      const rating = isSpam ? spam(random) : rate(agent, random)
      const feedbackURI =
        random.next() < 0.5 ? `https://clients.example/feedback/${from}/${agent.id}/${index}.json` : ''
      const endpoint = `https://agent-${agent.id}.example/mcp`
      return {
        type: 'giveFeedback',
        from,
        agentId: agent.id,
        ...rating,
        endpoint,
        feedbackURI,
        feedbackHash: noHash,
      }
    },
    revokeFeedback: () => {
      const at = random.integer(0, feedbacks.length - 1)
      // What was revoked cannot be revoked again.
      const [feedback] = feedbacks.splice(at, 1)
      if (feedback === undefined) return undefined
      return {
        type: 'revokeFeedback',
        from: feedback.client,
        agentId: feedback.agent.id,
        feedbackIndex: feedback.index,
      }
    },
    appendResponse: () => {
      if (feedbacks.length === 0) return undefined
      const { agent, client, index } = random.pick(feedbacks)
      const responseURI = `https://agent-${agent.id}.example/responses/${step}.json`
      const responseHash = keccak256(stringToHex(responseURI))
      return {
        type: 'appendResponse',
        from: agent.owner,
        agentId: agent.id,
        client,
        feedbackIndex: index,
        responseURI,
        responseHash,
      }
    },
    validationRequest: () => {
      const agent = random.pick(agents)
      const validator = somebody(people.validators)
      const requestURI = `https://agent-${agent.id}.example/work/${step}.json`
      const hash = keccak256(stringToHex(`${seed} ${requestURI}`))
      requests.push({ agent, validator, hash, answered: false })
      return {
        type: 'validationRequest',
        from: agent.owner,
        validator,
        agentId: agent.id,
        requestURI,
        requestHash: hash,
      }
    },
    validationResponse: () => {
      const request = requests.find(({ answered }) => !answered) ?? requests.at(-1)
      if (request === undefined) return undefined
      request.answered = true
      const responseURI = `https://validators.example/${request.hash.slice(2, 10)}.json`
      const response = judge(request, random)
      const responseHash = keccak256(stringToHex(responseURI))
      return {
        type: 'validationResponse',
        from: request.validator,
        requestHash: request.hash,
        response,
        responseURI,
        responseHash,
        tag: random.pick(['soft', 'hard']),
      }
    },
  }

  return {
    next: () => {
      const type = opening[step] ?? weighted(random)
      step += 1
      const action = makers[type]() ?? makers.giveFeedback()
      if (action === undefined) throw new Error('giveFeedback is always possible')
      return action
    },
  }
}

/** A score or a measurement in the unit that its tag has by convention. */
function rate(
  agent: Agent,
  random: Random,
): { value: bigint; valueDecimals: number; tag1: string; tag2: string } {
  const kind = random.next()
  if (kind < 0.7) {
    const mean = agent.behaviour === 'declining' ? Math.max(90 - 4 * agent.ratings, 40) : 90
    return { value: BigInt(random.integer(mean - 5, mean + 5)), valueDecimals: 0, tag1: 'starred', tag2: '' }
  }
  if (kind < 0.8)
    return { value: BigInt(random.integer(95_000, 100_000)), valueDecimals: 3, tag1: 'uptime', tag2: 'day' }
  if (kind < 0.9)
    return { value: BigInt(random.integer(80, 900)), valueDecimals: 0, tag1: 'responseTime', tag2: '' }
  return { value: BigInt(random.integer(-500, 1500)), valueDecimals: 2, tag1: 'tradingYield', tag2: 'month' }
}

function spam(random: Random): { value: bigint; valueDecimals: number; tag1: string; tag2: string } {
  return {
    value: BigInt(random.integer(0, 10)),
    valueDecimals: 0,
    tag1: 'starred',
    tag2: `spam-${random.integer(1, 999)}`,
  }
}

/** One validator is strict, one is generous, one tosses a coin. */
function judge({ validator, agent }: Request, random: Random): number {
  const [strict, generous] = [people.validators[0], people.validators[0] + 1]
  if (validator === generous) return random.integer(85, 100)
  if (validator === strict)
    return agent.behaviour === 'steady' ? random.integer(80, 95) : random.integer(20, 70)
  return random.next() < 0.5 ? 100 : 0
}

/** A registration file as a data URI (half of them with an MCP service), or the address of one. */
function registrationURI(id: bigint, random: Random): string {
  if (random.next() < 0.3) return `https://agent-${id}.example/registration.json`
  const services = [{ name: 'web', endpoint: `https://agent-${id}.example` }]
  if (random.next() < 0.7) services.push({ name: 'MCP', endpoint: `https://agent-${id}.example/mcp` })
  const file = {
    type: 'https://eips.ethereum.org/EIPS/eip-8004#registration-v1',
    name: `Agent ${id}`,
    description: 'An agent of the demo economy',
    services,
    active: true,
  }
  return `data:application/json;base64,${Buffer.from(JSON.stringify(file)).toString('base64')}`
}

function weighted(random: Random): EconomyAction['type'] {
  const sum = weights.reduce((total, [, weight]) => total + weight, 0)
  let left = random.next() * sum
  for (const [type, weight] of weights) {
    left -= weight
    if (left < 0) return type
  }
  return 'giveFeedback'
}
