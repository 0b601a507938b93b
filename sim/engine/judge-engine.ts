import { compileTrigger } from '../../src/conditions/compile-trigger.ts'
import { fileNeedOf } from '../../src/conditions/file-need.ts'
import type { RegistryEvent, StoredEventType } from '../../src/event.ts'
import { fileKeyOf } from '../../src/store/event-files.ts'
import { describeFolded, describeReference } from '../../test/support/reference/describe-result.ts'
import { evaluateChain } from '../../test/support/reference/evaluate-chain.ts'
import type { ReferenceTrigger } from '../../test/support/reference/trigger.ts'
import type { EngineStore, StoredDelivery, StoredMatch, StoredTrigger } from './read-engine.ts'

/** Where a chain has ended: everything on it is final. */
export type FinalChain = {
  chainId: number
  head: { block_number: number; time: number }
  finalized: number
  hashes: ReadonlySet<string>
}

/** Each list names what is wrong, in words. Empty lists: the engine is exact. */
export type EngineVerdict = {
  /** The reference has it, and nobody is told: a match or a delivery that is not there, was cancelled or still waits; an event that could not be decided. */
  missing: string[]
  /** Told twice. */
  doubled: string[]
  /** What is remembered, or shown as evidence, is not what the chain gives. */
  wrongState: string[]
  /** It stands and should not, or whoever heard of it does not hear that it is gone, or back. */
  unretracted: string[]
}

/**
 * Compares what is stored with what the reference makes of the final chains. Pure.
 *
 * @param inexact triggers whose limits were changed under way, by id, with the generation: what they held back depends on when that was.
 */
export function judgeEngine(
  store: EngineStore,
  chains: readonly FinalChain[],
  inexact: ReadonlyMap<string, number> = new Map(),
): EngineVerdict {
  const verdict: EngineVerdict = { missing: [], doubled: [], wrongState: [], unretracted: [] }
  const canonical = store.events.filter(({ block_hash }) =>
    chains.some(({ hashes }) => hashes.has(block_hash)),
  )
  const canonicalIds = new Set(canonical.map(({ id }) => id))
  for (const match of store.matches) {
    const name = `${match.trigger_id} ${match.kind} ${match.occurrence}`
    if (match.in_question) verdict.unretracted.push(`${name} is in question`)
    if (match.status === 'standing' && !canonicalIds.has(match.event_id)) {
      verdict.unretracted.push(`${name} stands, and ${match.event_id} is not on the chain`)
    }
  }
  for (const trigger of store.triggers) {
    const chain = chains.find(({ chainId }) => chainId === trigger.chain_id)
    if (chain === undefined) continue
    const events = canonical.filter(({ chain_id }) => chain_id === trigger.chain_id)
    judgeTrigger(store, trigger, chain, events, inexact.get(trigger.id) === trigger.generation, verdict)
  }
  judgeDeliveries(store, chains, verdict)
  return verdict
}

function judgeTrigger(
  store: EngineStore,
  trigger: StoredTrigger,
  chain: FinalChain,
  events: readonly RegistryEvent[],
  isInexact: boolean,
  verdict: EngineVerdict,
): void {
  const { start } = trigger
  if (start === undefined || trigger.isBehind) {
    verdict.missing.push(`${trigger.id} ${start ? 'is behind its chain' : 'has not begun'}`)
    return
  }
  if (isInexact) return
  const isOwn = (event: RegistryEvent) =>
    event.block_number > start.block_number ||
    (event.block_number === start.block_number && event.log_index > start.log_index) ||
    event.seq > start.seq
  const own = events.filter(isOwn)
  const { row, read } = withoutFiles(trigger)
  const reference = evaluateChain(row, {
    // Triggers watch agents: a registry whose code was replaced is nothing to them.
    events: own.filter(
      (event) => (event.event_type as StoredEventType) !== 'Upgraded' && read(event, store.files),
    ),
    head: chain.head,
    finalized: chain.finalized,
  })

  const ids = new Set(own.map(({ id }) => id))
  const matches = store.matches.filter(
    ({ trigger_id, status, event_id }) =>
      trigger_id === trigger.id && status === 'standing' && ids.has(event_id),
  )
  const states = store.states.filter(
    ({ trigger_id, generation }) => trigger_id === trigger.id && generation === trigger.generation,
  )
  const folded = { matches, undecided: [], slots: states }
  const found = describeFolded(folded as never, reference)
  const wanted = describeReference(reference)
  const keyOf = ({ kind, occurrence, event_id }: Pick<StoredMatch, 'kind' | 'occurrence' | 'event_id'>) =>
    `${trigger.id} ${kind} ${occurrence} by ${event_id}`
  const foundOf = new Map(found.matches.map((match) => [keyOf(match), match]))
  // What an earlier generation decided falls only with its event, also where the later one began in the past.
  const earlier = new Set(matches.filter(({ generation }) => generation !== trigger.generation).map(keyOf))
  const wantedKeys = new Set(wanted.matches.map(keyOf))
  for (const match of wanted.matches) {
    const same = foundOf.get(keyOf(match))
    if (same === undefined) verdict.missing.push(keyOf(match))
    else if (!earlier.has(keyOf(match)) && JSON.stringify(same) !== JSON.stringify(match)) {
      verdict.wrongState.push(
        `${keyOf(match)} shows ${JSON.stringify(same)} and not ${JSON.stringify(match)}`,
      )
    }
  }
  for (const key of foundOf.keys()) {
    if (!wantedKeys.has(key) && !earlier.has(key))
      verdict.unretracted.push(`${key} stands, and the reference does not have it`)
  }
  if (found.matches.length > foundOf.size) verdict.doubled.push(`${trigger.id} matches one event twice`)

  const statesOf = (list: typeof wanted.states) =>
    new Map(list.map(({ position, scope, state }) => [`${position} ${scope}`, JSON.stringify(state)]))
  const [foundStates, wantedStates] = [statesOf(found.states), statesOf(wanted.states)]
  for (const key of new Set([...foundStates.keys(), ...wantedStates.keys()])) {
    const [is, should] = [foundStates.get(key), wantedStates.get(key)]
    if (is !== should) verdict.wrongState.push(`${trigger.id} ${key} is ${is} and not ${should}`)
  }

  const noted = new Set(
    store.undecided.filter(({ trigger_id }) => trigger_id === trigger.id).map(({ event_id }) => event_id),
  )
  // An event of a type for which it can never fire is not asked about.
  const { eventTypes } = compileTrigger(trigger)
  const typeOf = new Map(own.map(({ id, event_type }) => [id, event_type]))
  for (const event_id of wanted.undecided) {
    if (eventTypes.some((type) => type === typeOf.get(event_id)) && !noted.has(event_id))
      verdict.missing.push(`${trigger.id} could not decide about ${event_id}, and does not say so`)
  }
}

/** The reference knows no files: conditions on them are asked here, and what does not pass them is not there for it. */
function withoutFiles(trigger: StoredTrigger): {
  row: ReferenceTrigger
  read: (event: RegistryEvent, files: EngineStore['files']) => boolean
} {
  const content = trigger.conditions.filter(({ condition_type }) => condition_type.startsWith('file_'))
  return {
    row: { ...trigger, conditions: trigger.conditions.filter((one) => !content.includes(one)) },
    read: (event, files) => {
      if (content.length === 0) return true
      const need = fileNeedOf(event)
      if (need === undefined) return false
      const file = files.get(fileKeyOf(need, event.occurrence))
      // Nobody asked for it. If somebody should have, the match is missing.
      if (file === undefined || file === 'waiting') return true
      return content.every(({ condition_type, value }) => {
        if (condition_type === 'file_fetched') return (file.status === 'fetched') === value
        if (condition_type === 'file_hash') return (value as string[]).includes(file.hash)
        return (file.json as { active?: unknown } | null | undefined)?.active === value
      })
    },
  }
}

function judgeDeliveries(store: EngineStore, chains: readonly FinalChain[], verdict: EngineVerdict): void {
  const triggers = new Map(store.triggers.map((trigger) => [trigger.id, trigger]))
  const byMatch = groupBy(store.deliveries, ({ match_id }) => match_id)
  for (const match of store.matches) {
    const trigger = triggers.get(match.trigger_id ?? '')
    const name = `${match.trigger_id} ${match.kind} ${match.occurrence}`
    const all = byMatch.get(match.id) ?? []
    const originals = all.filter(({ kind }) => kind === 'match')
    for (const { id: action } of trigger?.actions ?? []) {
      const count = originals.filter(({ action_id }) => action_id === action).length
      if (count === 0) verdict.missing.push(`${name} has no delivery for action ${action}`)
    }
    for (const [action, some] of groupBy(originals, ({ action_id }) => action_id)) {
      if (action !== null && some.length > 1)
        verdict.doubled.push(`${name} has ${some.length} deliveries for action ${action}`)
    }
    for (const original of originals) judgeOriginal(match, original, all, trigger, name, chains, verdict)
  }
}

function judgeOriginal(
  match: StoredMatch,
  original: StoredDelivery,
  all: readonly StoredDelivery[],
  trigger: StoredTrigger | undefined,
  name: string,
  chains: readonly FinalChain[],
  verdict: EngineVerdict,
): void {
  const isOpen = ({ state }: StoredDelivery) => state === 'pending' || state === 'enqueued'
  const action = trigger?.actions.find(({ id }) => id === original.action_id)
  const told = all.filter(({ original_id }) => original_id === original.id)
  for (const [occurrence, some] of groupBy(told, ({ occurrence }) => occurrence)) {
    if (some.length > 1) verdict.doubled.push(`${name}: ${occurrence} is told ${some.length} times`)
  }
  const named = (kind: string) =>
    told.find((one) => one.kind === kind && one.occurrence === `${kind}:${match.retractions}:${original.id}`)
  const [retraction, reinstatement] = [named('retraction'), named('reinstatement')]
  const heard = (one: StoredDelivery | undefined) =>
    one !== undefined && (one.attempts > 0 || one.state === 'running')

  if (match.status === 'standing') {
    if (original.state === 'cancelled') verdict.missing.push(`${name} stands, and its delivery is cancelled`)
    if (original.waits_on !== null && !isWaitingRightly(match, original, trigger, chains)) {
      verdict.missing.push(`${name} waits for ${original.waits_on} ${original.waits_for}`)
    }
    if (retraction !== undefined && isOpen(retraction) && !heard(retraction)) {
      verdict.unretracted.push(`${name} stands, and is about to be retracted`)
    }
    if (heard(retraction) && reinstatement === undefined) {
      verdict.unretracted.push(`${name} was retracted and stands again, and nobody says so`)
    }
    return
  }
  if (isOpen(original))
    verdict.unretracted.push(`${name} is retracted, and its delivery is ${original.state}`)
  if (reinstatement !== undefined)
    verdict.unretracted.push(`${name} is retracted, and is said to stand again`)
  const before = all.filter(
    ({ original_id, kind }) => original_id === original.id && kind === 'reinstatement',
  )
  if (before.some((one) => isOpen(one) && one.attempts === 0)) {
    verdict.unretracted.push(`${name} is retracted, and is about to be reinstated`)
  }
  if (original.attempts > 0 && action?.on_retraction === 'notify') {
    if (retraction === undefined || (retraction.state === 'cancelled' && !heard(retraction))) {
      verdict.unretracted.push(`${name} was sent and retracted, and nobody says so`)
    }
  }
  if (retraction !== undefined && original.attempts === 0) {
    verdict.doubled.push(`${name} was never sent, and its retraction is told`)
  }
}

/** A deadline may have been passed by the very last block. */
function isWaitingRightly(
  match: StoredMatch,
  { waits_on, waits_for }: StoredDelivery,
  trigger: StoredTrigger | undefined,
  chains: readonly FinalChain[],
): boolean {
  const chain = chains.find(({ chainId }) => chainId === trigger?.chain_id)
  if (chain === undefined) return true
  const reached = waits_on === 'head' ? chain.head.block_number : chain.finalized
  return Number(waits_for) > reached && Number(waits_for) >= match.block_number
}

/** Map.groupBy, which Node 20 does not have. */
function groupBy<Item, Key>(items: readonly Item[], keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}
