import type { EventField, EventType, RegistryEvent } from '../event.ts'
import type { CompiledTrigger } from './compiled-trigger.ts'
import { type Key, listKeys, readKey } from './index/list-keys.ts'
import {
  createRangeList,
  deleteRange,
  getRange,
  isEmptyList,
  type RangeList,
  setRange,
  visitRanges,
} from './index/range-list.ts'
import { roundOutward } from './index/round-outward.ts'

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
  /** Where undefined, any event will do. */
  field: EventField | undefined
  /** What the field must be; where undefined, a number from low to high. */
  value: string | undefined
  low: number
  high: number
}

/** A trigger on its way into the tree, or out of it. */
type Entry = { trigger: CompiledTrigger; keys: readonly Key[]; lone: { at: Lone; depth: number } | undefined }

type Split = {
  kind: 'split'
  equals: { field: EventField; nodes: Map<string, Node> }[]
  ranges: { field: EventField; nodes: RangeList<Node> }[]
  rest: CompiledTrigger[]
}

/** Looking through so few costs less, in time and memory, than a split. */
const fewMax = 4

const none: readonly CompiledTrigger[] = []

/**
 * Finds the triggers that an event concerns without looking at the others: by chain, event type (which has one registry), then the
 * most selective equality, the next one where many have that in common, and at last thresholds. It is a tree in which a trigger's
 * place depends on nothing but its own conditions, so it is found again when the trigger goes.
 */
export function createTriggerIndex(triggers: readonly CompiledTrigger[] = []): TriggerIndex {
  const byId = new Map<string, CompiledTrigger>()
  const chains = new Map<number, Map<EventType, Node>>()

  function put(trigger: CompiledTrigger) {
    remove(trigger.id)
    byId.set(trigger.id, trigger)
    const types = chains.get(trigger.chain_id) ?? new Map<EventType, Node>()
    chains.set(trigger.chain_id, types)
    const entry = entryOf(trigger)
    if (entry === undefined) return
    for (const eventType of trigger.eventTypes) types.set(eventType, add(types.get(eventType), entry, 0))
  }

  function remove(id: string) {
    const trigger = byId.get(id)
    if (trigger === undefined) return
    byId.delete(id)
    const types = chains.get(trigger.chain_id)
    const entry = entryOf(trigger)
    if (types === undefined || entry === undefined) return
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
      const found: CompiledTrigger[] = []
      collect(node, event, found)
      return found
    },
    get size() {
      return byId.size
    },
  }
}

function collect(node: Node, event: RegistryEvent, found: CompiledTrigger[]) {
  if (isFew(node)) {
    for (const lone of node) if (mayConcern(lone, event)) found.push(lone.trigger)
    return
  }
  if (node.kind === 'lone') {
    if (mayConcern(node, event)) found.push(node.trigger)
    return
  }
  for (const { field, nodes } of node.equals) {
    const value = readKey(event, field)
    const next = value === undefined ? undefined : nodes.get(value)
    if (next !== undefined) collect(next, event, found)
  }
  if (node.ranges.length > 0) collectFromRanges(node, event, found)
  for (const trigger of node.rest) found.push(trigger)
}

function mayConcern({ field, value, low, high }: Lone, event: RegistryEvent): boolean {
  if (field === undefined) return true
  if (value !== undefined) return readKey(event, field) === value
  const seen = event[field]
  if (seen === null) return false
  const range = roundOutward(String(seen))
  return low <= range.high && high >= range.low
}

function collectFromRanges({ ranges }: Split, event: RegistryEvent, found: CompiledTrigger[]) {
  const visit = (next: Node) => collect(next, event, found)
  for (const { field, nodes } of ranges) {
    const seen = event[field]
    if (seen !== null) visitRanges(nodes, roundOutward(String(seen)), visit)
  }
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
    const other = entryOf(trigger)
    if (other !== undefined) addToSplit(split, other, depth)
  }
  addToSplit(split, entry, depth)
  return split
}

function addToSplit(split: Split, entry: Entry, depth: number) {
  const key = entry.keys[depth]
  if (key === undefined) {
    split.rest.push(entry.trigger)
  } else if (key.kind === 'equals') {
    const nodes = split.equals.find(({ field }) => field === key.field)?.nodes ?? new Map<string, Node>()
    if (nodes.size === 0) split.equals.push({ field: key.field, nodes })
    for (const value of key.values) nodes.set(value, add(nodes.get(value), entry, depth + 1))
  } else {
    const nodes = split.ranges.find(({ field }) => field === key.field)?.nodes ?? createRangeList<Node>()
    if (isEmptyList(nodes)) split.ranges.push({ field: key.field, nodes })
    setRange(nodes, key.range, add(getRange(nodes, key.range), entry, depth + 1))
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
  const key = entry.keys[depth]
  if (key === undefined) {
    const last = split.rest.pop()
    const place = split.rest.indexOf(entry.trigger)
    if (last !== undefined && last !== entry.trigger) split.rest[place] = last
  } else if (key.kind === 'equals') {
    const nodes = split.equals.find(({ field }) => field === key.field)?.nodes
    for (const value of key.values) {
      const left = drop(nodes?.get(value), entry, depth + 1)
      if (left === undefined) nodes?.delete(value)
      else nodes?.set(value, left)
    }
    if (nodes?.size === 0) split.equals = split.equals.filter(({ field }) => field !== key.field)
  } else {
    const nodes = split.ranges.find(({ field }) => field === key.field)?.nodes
    if (nodes === undefined) return
    const left = drop(getRange(nodes, key.range), entry, depth + 1)
    if (left === undefined) deleteRange(nodes, key.range)
    else setRange(nodes, key.range, left)
    if (isEmptyList(nodes)) split.ranges = split.ranges.filter(({ field }) => field !== key.field)
  }
}

/** `undefined`: no event can be its match. */
function entryOf(trigger: CompiledTrigger): Entry | undefined {
  const keys = listKeys(trigger)
  return keys && { trigger, keys, lone: undefined }
}

/** All the places of a depth where a trigger is alone share one object. */
function loneOf(entry: Entry, depth: number): Lone {
  if (entry.lone?.depth === depth) return entry.lone.at
  const rest = entry.keys.slice(depth)
  // Lists are left to the condition: looking through one is as dear as asking it.
  const key = rest.find((one) => one.kind === 'range' || one.values.length === 1)
  const at: Lone = {
    kind: 'lone',
    trigger: entry.trigger,
    field: key?.field,
    value: key?.kind === 'equals' ? key.values[0] : undefined,
    low: key?.kind === 'range' ? key.range.low : 0,
    high: key?.kind === 'range' ? key.range.high : 0,
  }
  entry.lone = { at, depth }
  return at
}

function isFew(node: Node): node is readonly Lone[] {
  return Array.isArray(node)
}
