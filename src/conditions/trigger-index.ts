import type { EventField, EventType, RegistryEvent } from '../event.ts'
import type { CompiledCondition, CompiledTrigger } from './compiled-trigger.ts'
import { createHashTable, deleteItem, getItem, type HashTable, setItem } from './index/hash-table.ts'
import { hashText, noHash } from './index/hash-text.ts'
import { type Key, listKeys } from './index/list-keys.ts'
import { createProbe, type Probe } from './index/probe.ts'
import {
  createRangeList,
  deleteRange,
  getRange,
  isEmptyList,
  type Range,
  type RangeList,
  setRange,
  visitRanges,
} from './index/range-list.ts'

export type TriggerIndex = {
  /** Adds the trigger, in the place of the one of the same id. */
  put(trigger: CompiledTrigger): void
  remove(id: string): void
  /** The triggers whose stateless conditions may hold for the event: all for which they do, and few for which they do not. */
  candidates(event: RegistryEvent): readonly CompiledTrigger[]
  readonly size: number
}

/** Where more than a few triggers share a place, they are split, each by the next of its keys; one that has no more is one of the rest. */
type Node = Lone | readonly Lone[] | Split

/**
 * A trigger that has not been split from others by all of its keys. It is asked only about events that have the next of its keys, too: its conditions are spread over
 * memory that is seldom in the processor's cache, and reading them costs more than finding it did.
 */
type Lone = {
  kind: 'lone'
  trigger: CompiledTrigger
  /** Where undefined, it is for `first` to say. */
  field: EventField | undefined
  /** A condition that is no key, which may be asked before all others. Where undefined, any event will do. */
  first: CompiledCondition['holds'] | undefined
  /** The hash of what the field must be; `noHash`: it must be a number from low to high. */
  hash: number
  /** Whole numbers of 31 bits, rounded outward: they are in the object itself, where a fraction would be an object of its own elsewhere. */
  low: number
  high: number
}

/** A key with the hashes of its values. */
type Place =
  | { kind: 'equals'; field: EventField; hashes: readonly number[] }
  | { kind: 'range'; field: EventField; range: Range }

/** A trigger on its way into the tree, or out of it. */
type Entry = {
  trigger: CompiledTrigger
  places: readonly Place[]
  lone: { at: Lone; depth: number } | undefined
}

type Split = {
  kind: 'split'
  equals: { field: EventField; nodes: HashTable<Node> }[]
  ranges: { field: EventField; nodes: RangeList<Node> }[]
  rest: Lone[]
}

/** Looking through so few costs less, in time and memory, than a split. */
const fewMax = 4

const none: readonly CompiledTrigger[] = []
/** The smallest and the largest whole number of 31 bits, which here are no bounds at all. */
const unboundLow = -(2 ** 30)
const unboundHigh = 2 ** 30 - 1

/**
 * Finds the triggers that an event concerns without looking at the others: by chain, event type (which has one registry), then the
 * most selective equality, the next one where many have that in common, and at last thresholds. It is a tree in which a trigger's
 * place depends on nothing but its own conditions, so it is found again when the trigger goes.
 */
export function createTriggerIndex(triggers: readonly CompiledTrigger[] = []): TriggerIndex {
  const byId = new Map<string, CompiledTrigger>()
  const chains = new Map<number, Map<EventType, Node>>()
  let probe: Probe | undefined

  function put(trigger: CompiledTrigger) {
    remove(trigger.id)
    byId.set(trigger.id, trigger)
    const types = chains.get(trigger.chain_id) ?? new Map<EventType, Node>()
    chains.set(trigger.chain_id, types)
    const keys = listKeys(trigger)
    if (keys === undefined) return
    const entry = entryOf(trigger, keys)
    for (const eventType of trigger.eventTypes) {
      types.set(eventType, add(types.get(eventType), entry, 0))
    }
  }

  function remove(id: string) {
    const trigger = byId.get(id)
    if (trigger === undefined) return
    byId.delete(id)
    const types = chains.get(trigger.chain_id)
    const keys = listKeys(trigger)
    if (types === undefined || keys === undefined) return
    const entry = entryOf(trigger, keys)
    for (const eventType of trigger.eventTypes) {
      const left = drop(types.get(eventType), entry, 0)
      if (left === undefined) types.delete(eventType)
      else types.set(eventType, left)
    }
  }

  for (const trigger of triggers) put(trigger)

  return {
    put,
    remove,
    candidates(event) {
      const node = chains.get(event.chain_id)?.get(event.event_type)
      if (node === undefined) return none
      probe ??= createProbe(event)
      probe.begin(event)
      const found: CompiledTrigger[] = []
      collect(node, probe, found)
      return found
    },
    get size() {
      return byId.size
    },
  }
}

function collect(node: Node, probe: Probe, found: CompiledTrigger[]) {
  if (isFew(node)) {
    for (const lone of node) if (mayConcern(lone, probe)) found.push(lone.trigger)
    return
  }
  if (node.kind === 'lone') {
    if (mayConcern(node, probe)) found.push(node.trigger)
    return
  }
  for (const { field, nodes } of node.equals) {
    const next = getItem(nodes, probe.hashIn(field))
    if (next !== undefined) collect(next, probe, found)
  }
  for (const { field, nodes } of node.ranges) {
    const seen = probe.rangeIn(field)
    if (seen !== undefined) visitRanges(nodes, seen, collect, probe, found)
  }
  for (const lone of node.rest) if (mayConcern(lone, probe)) found.push(lone.trigger)
}

function mayConcern({ field, first, hash, low, high }: Lone, probe: Probe): boolean {
  if (field === undefined) return first === undefined || first(probe.event())
  if (hash !== noHash) return probe.hashIn(field) === hash
  const seen = probe.rangeIn(field)
  if (seen === undefined) return false
  return (low === unboundLow || low <= seen.high) && (high === unboundHigh || high >= seen.low)
}

/** @returns what stands in the place of the node from now on. */
function add(node: Node | undefined, entry: Entry, depth: number): Node {
  if (node === undefined) return loneOf(entry, depth)
  if (!isFew(node) && node.kind === 'split') {
    addToSplit(node, entry, depth)
    return node
  }
  const few = isFew(node) ? node : [node]
  // A copy has no room to spare, which most would never use.
  if (few.length < fewMax) return [...few, loneOf(entry, depth)]
  const split: Split = { kind: 'split', equals: [], ranges: [], rest: [] }
  for (const { trigger } of few) {
    const keys = listKeys(trigger)
    if (keys !== undefined) addToSplit(split, entryOf(trigger, keys), depth)
  }
  addToSplit(split, entry, depth)
  return split
}

function addToSplit(split: Split, entry: Entry, depth: number) {
  const place = entry.places[depth]
  if (place === undefined) {
    split.rest.push(loneOf(entry, depth))
  } else if (place.kind === 'equals') {
    const nodes = split.equals.find(({ field }) => field === place.field)?.nodes ?? createHashTable<Node>()
    if (nodes.size === 0) split.equals.push({ field: place.field, nodes })
    for (const hash of place.hashes) setItem(nodes, hash, add(getItem(nodes, hash), entry, depth + 1))
  } else {
    const nodes = split.ranges.find(({ field }) => field === place.field)?.nodes ?? createRangeList<Node>()
    if (isEmptyList(nodes)) split.ranges.push({ field: place.field, nodes })
    setRange(nodes, place.range, add(getRange(nodes, place.range), entry, depth + 1))
  }
}

/** @returns what stands in the place of the node from now on; `undefined`: nothing is left. */
function drop(node: Node | undefined, entry: Entry, depth: number): Node | undefined {
  if (node === undefined) return undefined
  if (isFew(node)) {
    const left = node.filter(({ trigger }) => trigger !== entry.trigger)
    return left.length > 1 ? left : left[0]
  }
  if (node.kind === 'lone') return node.trigger === entry.trigger ? undefined : node
  dropFromSplit(node, entry, depth)
  return node.equals.length === 0 && node.ranges.length === 0 && node.rest.length === 0 ? undefined : node
}

function dropFromSplit(split: Split, entry: Entry, depth: number) {
  const place = entry.places[depth]
  if (place === undefined) {
    const last = split.rest.pop()
    const index = split.rest.findIndex(({ trigger }) => trigger === entry.trigger)
    if (last !== undefined && last.trigger !== entry.trigger) split.rest[index] = last
  } else if (place.kind === 'equals') {
    const nodes = split.equals.find(({ field }) => field === place.field)?.nodes
    if (nodes === undefined) return
    for (const hash of place.hashes) {
      const left = drop(getItem(nodes, hash), entry, depth + 1)
      if (left === undefined) deleteItem(nodes, hash)
      else setItem(nodes, hash, left)
    }
    if (nodes.size === 0) split.equals = split.equals.filter(({ field }) => field !== place.field)
  } else {
    const nodes = split.ranges.find(({ field }) => field === place.field)?.nodes
    if (nodes === undefined) return
    const left = drop(getRange(nodes, place.range), entry, depth + 1)
    if (left === undefined) deleteRange(nodes, place.range)
    else setRange(nodes, place.range, left)
    if (isEmptyList(nodes)) split.ranges = split.ranges.filter(({ field }) => field !== place.field)
  }
}

function entryOf(trigger: CompiledTrigger, keys: readonly Key[]): Entry {
  const places = keys.map(
    (key): Place =>
      // Two values of one list with one hash would be two places that are one.
      key.kind === 'range'
        ? key
        : { kind: 'equals', field: key.field, hashes: [...new Set(key.values.map(hashText))] },
  )
  return { trigger, places, lone: undefined }
}

/** All the places of a depth where a trigger is alone share one object. */
function loneOf(entry: Entry, depth: number): Lone {
  if (entry.lone?.depth === depth) return entry.lone.at
  const rest = entry.places.slice(depth)
  // Lists are left to the condition: looking through one is as dear as asking it.
  const place = rest.find((one) => one.kind === 'range' || one.hashes.length === 1)
  const at: Lone = {
    kind: 'lone',
    trigger: entry.trigger,
    field: place?.field,
    first: place === undefined ? firstOf(entry.trigger) : undefined,
    hash: place?.kind === 'equals' ? (place.hashes[0] ?? noHash) : noHash,
    low: place?.kind === 'range' ? toSmall(Math.floor(place.range.low)) : unboundLow,
    high: place?.kind === 'range' ? toSmall(Math.ceil(place.range.high)) : unboundHigh,
  }
  entry.lone = { at, depth }
  return at
}

/** Only one that cannot fail, and of which the index knows nothing. */
function firstOf({ conditions: [first] }: CompiledTrigger): CompiledCondition['holds'] | undefined {
  return first?.operator === 'exists' || first?.operator === 'contains' ? first.holds : undefined
}

function toSmall(whole: number): number {
  return Math.min(Math.max(whole, unboundLow), unboundHigh)
}

function isFew(node: Node): node is readonly Lone[] {
  return Array.isArray(node)
}
