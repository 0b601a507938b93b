/** The numbers from low to high, both included. */
export type Range = { low: number; high: number }

type Slot<Item> = Range & { item: Item | undefined }

/**
 * Items by the range of numbers for which they are meant. Each range has one item.
 *
 * Most ranges are thresholds, open to one side: then those that hold are a run of the sorted list, found by binary search. For those
 * with two ends, a tree over the list has the largest `high` of each half, and halves that end too low are passed over.
 */
export type RangeList<Item> = {
  /** Those that are not sorted yet, with their ends side by side: most are passed over, and then nothing else of them is looked at. */
  added: Slot<Item>[]
  lows: number[]
  highs: number[]
  /** All that have an item. A list of few does without. */
  byRange: Map<string, Slot<Item>> | undefined
  sorted: Sorted<Item> | undefined
}

type Sorted<Item> = {
  slots: Slot<Item>[]
  lows: Float64Array
  /** Node i has the children 2i + 1 and 2i + 2, as in a heap. */
  highest: Float64Array
}

/** So few are looked through one by one. */
const addedMax = 8

/** A list of no ranges. */
export function createRangeList<Item>(): RangeList<Item> {
  return { added: [], lows: [], highs: [], byRange: undefined, sorted: undefined }
}

/** The item of exactly this range. */
export function getRange<Item>(list: RangeList<Item>, range: Range): Item | undefined {
  return findSlot(list, range)?.item
}

/** Puts an item in the place of the one of the same range. */
export function setRange<Item>(list: RangeList<Item>, range: Range, item: Item): void {
  const known = findSlot(list, range)
  if (known !== undefined) {
    known.item = item
    return
  }
  const slot = { low: range.low, high: range.high, item }
  list.added.push(slot)
  list.lows.push(slot.low)
  list.highs.push(slot.high)
  if (list.byRange !== undefined) list.byRange.set(keyOf(slot), slot)
  else if (list.added.length > addedMax) list.byRange = new Map(list.added.map((each) => [keyOf(each), each]))
}

/** Takes a range out. */
export function deleteRange<Item>(list: RangeList<Item>, range: Range): void {
  const slot = findSlot(list, range)
  if (slot === undefined) return
  slot.item = undefined
  if (list.byRange === undefined) {
    setAdded(
      list,
      list.added.filter((each) => each !== slot),
    )
    return
  }
  list.byRange.delete(keyOf(range))
  // More slots are empty than not: changes without a question in between, which would sort.
  const slots = list.added.length + (list.sorted?.slots.length ?? 0)
  if (slots > 2 * list.byRange.size + addedMax) sort(list, list.byRange)
}

export function isEmptyList({ added, byRange }: RangeList<unknown>): boolean {
  return byRange === undefined ? added.length === 0 : byRange.size === 0
}

/** Calls `visit` with the item of each range that has a number in common with `wanted`, and what else is given. */
export function visitRanges<Item, A, B>(
  list: RangeList<Item>,
  wanted: Range,
  visit: (item: Item, a: A, b: B) => void,
  a: A,
  b: B,
): void {
  // Sorting is put off until somebody asks. The root balances what is looked through one by one with how often all is sorted.
  const loose = addedMax + Math.sqrt(list.sorted?.slots.length ?? 0)
  if (list.byRange !== undefined && list.added.length > loose) sort(list, list.byRange)
  const { low, high } = wanted
  for (let place = 0; place < list.lows.length; place += 1) {
    if ((list.lows[place] ?? 0) > high || (list.highs[place] ?? 0) < low) continue
    const item = list.added[place]?.item
    if (item !== undefined) visit(item, a, b)
  }
  if (list.sorted === undefined) return
  const end = countUpTo(list.sorted.lows, high)
  if (end > 0) walk(list.sorted, 0, 0, list.sorted.slots.length, end, low, visit, a, b)
}

function setAdded<Item>(list: RangeList<Item>, added: Slot<Item>[]): void {
  list.added = added
  list.lows = added.map(({ low }) => low)
  list.highs = added.map(({ high }) => high)
}

function findSlot<Item>({ added, byRange }: RangeList<Item>, range: Range): Slot<Item> | undefined {
  if (byRange !== undefined) return byRange.get(keyOf(range))
  return added.find(({ low, high }) => low === range.low && high === range.high)
}

function sort<Item>(list: RangeList<Item>, byRange: ReadonlyMap<string, Slot<Item>>): void {
  // Of equal lows the longest first, so that the ranges that are open below are a run too.
  const slots = [...byRange.values()].sort((a, b) => compare(a.low, b.low) || compare(b.high, a.high))
  setAdded(list, [])
  list.sorted = undefined
  if (slots.length === 0) return
  const highest = new Float64Array(2 ** (Math.ceil(Math.log2(slots.length)) + 1))
  measure(slots, highest, 0, 0, slots.length)
  list.sorted = { slots, lows: Float64Array.from(slots, ({ low }) => low), highest }
}

function measure(
  slots: readonly Range[],
  highest: Float64Array,
  node: number,
  from: number,
  to: number,
): number {
  const middle = (from + to) >> 1
  const high =
    to - from === 1
      ? (slots[from]?.high ?? 0)
      : Math.max(
          measure(slots, highest, 2 * node + 1, from, middle),
          measure(slots, highest, 2 * node + 2, middle, to),
        )
  highest[node] = high
  return high
}

/** Visits those of slots[from..to) that are before `end` and do not end below `low`. */
function walk<Item, A, B>(
  sorted: Sorted<Item>,
  node: number,
  from: number,
  to: number,
  end: number,
  low: number,
  visit: (item: Item, a: A, b: B) => void,
  a: A,
  b: B,
): void {
  if (from >= end || (sorted.highest[node] ?? 0) < low) return
  if (to - from === 1) {
    const item = sorted.slots[from]?.item
    if (item !== undefined) visit(item, a, b)
    return
  }
  const middle = (from + to) >> 1
  walk(sorted, 2 * node + 1, from, middle, end, low, visit, a, b)
  walk(sorted, 2 * node + 2, middle, to, end, low, visit, a, b)
}

/** How many of the sorted numbers are at most `max`. */
function countUpTo(numbers: Float64Array, max: number): number {
  let from = 0
  let to = numbers.length
  while (from < to) {
    const middle = (from + to) >> 1
    if ((numbers[middle] ?? 0) <= max) from = middle + 1
    else to = middle
  }
  return from
}

function keyOf({ low, high }: Range): string {
  return `${low} ${high}`
}

/** Not a difference: infinities have none. */
function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0
}
