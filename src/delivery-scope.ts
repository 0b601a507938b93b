import { knownChains } from './chains.ts'
import type { RegistryEvent } from './event.ts'
import { chainDisplays } from './explorers.ts'

/** Why a delivery is made: a trigger fired, its owner tests it, has to hear about its other actions, or that an event left the chain or came back. */
export type DeliveryKind = 'match' | 'test' | 'alert' | 'retraction' | 'reinstatement'

export type MatchKind = 'event' | 'absence' | 'digest'

/** `original_id`: of a retraction or a reinstatement, the delivery that it is about; null otherwise. */
type DeliveryFacts = { id: string; attempt: number; kind: DeliveryKind; original_id: string | null }

/** The event as templates and receivers see it: plain JSON, its time as ISO text in UTC. */
export type ScopeEvent = Omit<RegistryEvent, 'block_time'> & { block_time: string }

/** What a template can name, and what the default payload is made of. Plain data: nothing in it changes while it is used. */
export type DeliveryScope = {
  event: ScopeEvent
  trigger: { id: string; name: string; version: number }
  /** Whether it fired for the event, for the want of another, or as a digest; with the evidence of every condition, in order. */
  match: { kind: MatchKind; evidence: unknown }
  /** What the stateful conditions had in mind: their `state`, by condition type (the first of a type) and by position. */
  state: Readonly<Record<string, unknown>>
  /** `currency` and `explorer` are null for a local chain and for one that is not known. */
  chain: { id: number; name: string; currency: string | null; explorer: string | null }
  /** Pages of the block explorer; null where the chain has none, so that a template with links works for every chain. */
  links: { transaction: string | null; block: string | null; agent: string | null; contract: string | null }
  /** `attempt` is 1 for the first; a body that uses it is not the same for every attempt. */
  delivery: DeliveryFacts
  /** The owner asked for this delivery to see whether it works. */
  test: boolean
  /** The file that an action has fetched and verified. */
  file?: Readonly<Record<string, unknown>>
  /** What the owner has to know, in a delivery of kind `alert`. */
  alert?: Readonly<Record<string, unknown>>
}

export type DeliveryParts = {
  /** As it is stored, or as JSON made of that. */
  event: RegistryEvent | ScopeEvent
  trigger: { id: string; name: string; version: number }
  match_kind?: MatchKind | undefined
  evidence: unknown
  delivery: Omit<DeliveryFacts, 'original_id'> & { original_id?: string | null | undefined }
  file?: Readonly<Record<string, unknown>> | undefined
  alert?: Readonly<Record<string, unknown>> | undefined
}

/** Everything that the actions of one delivery can say. Reads nothing and costs microseconds: it is made for every attempt. */
export function buildDeliveryScope(parts: DeliveryParts): DeliveryScope {
  const { event, trigger, evidence, delivery } = parts
  const chain = chains.get(event.chain_id) ?? unknownChain(event.chain_id)
  const { block_time: time } = event
  const scope: DeliveryScope = {
    event: { ...event, block_time: typeof time === 'string' ? time : time.toISOString() },
    trigger,
    match: { kind: parts.match_kind ?? 'event', evidence },
    state: statesOf(evidence),
    chain: chain.shown,
    links: linksOf(event, chain),
    delivery: { ...delivery, original_id: delivery.original_id ?? null },
    test: delivery.kind === 'test',
  }
  if (parts.file !== undefined) scope.file = parts.file
  if (parts.alert !== undefined) scope.alert = parts.alert
  return scope
}

type ScopeChain = { shown: DeliveryScope['chain']; identity: string | undefined }

const chains: ReadonlyMap<number, ScopeChain> = new Map(
  knownChains.map(({ id, name, registries }) => {
    const { currency = null, explorer = null } = chainDisplays.get(id) ?? {}
    return [id, { shown: { id, name, currency, explorer }, identity: registries.identity.toLowerCase() }]
  }),
)

function unknownChain(id: number): ScopeChain {
  return { shown: { id, name: String(id), currency: null, explorer: null }, identity: undefined }
}

const noLinks: DeliveryScope['links'] = { transaction: null, block: null, agent: null, contract: null }

function linksOf(event: RegistryEvent | ScopeEvent, chain: ScopeChain): DeliveryScope['links'] {
  const { explorer } = chain.shown
  if (explorer === null) return noLinks
  // An agent is a token of the identity registry. Etherscan and Blockscout, which all of these are, both know this address.
  const identity = event.registry === 'identity' ? event.contract_address : chain.identity
  const isToken = identity !== undefined && event.agent_id !== null
  return {
    transaction: `${explorer}/tx/${event.transaction_hash}`,
    block: `${explorer}/block/${event.block_number}`,
    agent: isToken ? `${explorer}/token/${identity}?a=${event.agent_id}` : null,
    contract: `${explorer}/address/${event.contract_address}`,
  }
}

const noStates: Readonly<Record<string, unknown>> = Object.freeze({})

function statesOf(evidence: unknown): Readonly<Record<string, unknown>> {
  if (!Array.isArray(evidence)) return noStates
  let states: Record<string, unknown> | undefined
  for (const entry of evidence as { condition_type?: unknown; position?: unknown; state?: unknown }[]) {
    if (entry?.state === undefined) continue
    states ??= {}
    states[String(entry.position)] = entry.state
    const type = String(entry.condition_type)
    if (!Object.hasOwn(states, type)) states[type] = entry.state
  }
  return states ?? noStates
}
