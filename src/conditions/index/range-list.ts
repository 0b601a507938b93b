/** The numbers from low to high, both included. */
export type Range = { low: number; high: number }

/** Items by the range of numbers for which they are meant. Each range has one item. */
export type RangeList<Item> = {
  get(range: Range): Item | undefined
  set(range: Range, item: Item): void
  delete(range: Range): void
  readonly size: number
  /** Calls `visit` with the item of each range that has a number in common with `wanted`. */
  visit(wanted: Range, visit: (item: Item) => void): void
}

type Slot<Item> = Range & { item: Item | undefined }

/**
 * Most ranges are thresholds, open to one side: then what is visited is a run of the sorted list, found by binary search. For those
 * with two ends, a tree over the list has the largest `high` of each half, and passes over halves that end too low.
 *
 * Sorting is put off until somebody asks, and until there is enough that is new: what came since stands beside the sorted list.
 */
export function createRangeList<Item>(): RangeList<Item> {
  const slots = new Map<string, Slot<Item>>()
  let sorted: Slot<Item>[] = []
  let lows = new Float64Array(0)
  /** Node i has the children 2i + 1 and 2i + 2, as in a heap. */
  let highest = new Float64Array(0)
  let added: Slot<Item>[] = []
  let deleted = 0

  function sort() {
    // Of equal lows the longest first, so that the ranges that are open below are a run too.
    sorted = [...slots.values()].sort((a, b) => compare(a.low, b.low) || compare(b.high, a.high))
    lows = Float64Array.from(sorted, ({ low }) => low)
    highest = new Float64Array(sorted.length === 0 ? 0 : 2 ** (Math.ceil(Math.log2(sorted.length)) + 1))
    if (sorted.length > 0) measure(0, 0, sorted.length)
    added = []
    deleted = 0
  }

  function measure(node: number, from: number, to: number): number {
    const middle = (from + to) >> 1
    const high =
      to - from === 1
        ? (sorted[from]?.high ?? 0)
        : Math.max(measure(2 * node + 1, from, middle), measure(2 * node + 2, middle, to))
    highest[node] = high
    return high
  }

  /** Visits those of sorted[from..to) that are before `end` and do not end below `low`. */
  function walk(
    node: number,
    from: number,
    to: number,
    end: number,
    low: number,
    visit: (item: Item) => void,
  ) {
    if (from >= end || (highest[node] ?? 0) < low) return
    if (to - from === 1) {
      const item = sorted[from]?.item
      if (item !== undefined) visit(item)
      return
    }
    const middle = (from + to) >> 1
    walk(2 * node + 1, from, middle, end, low, visit)
    walk(2 * node + 2, middle, to, end, low, visit)
  }

  return {
    get: (range) => slots.get(keyOf(range))?.item,
    set(range, item) {
      const key = keyOf(range)
      const slot = slots.get(key)
      if (slot !== undefined) {
        slot.item = item
        return
      }
      const fresh = { low: range.low, high: range.high, item }
      slots.set(key, fresh)
      added.push(fresh)
    },
    delete(range) {
      const key = keyOf(range)
      const slot = slots.get(key)
      if (slot === undefined) return
      slot.item = undefined
      slots.delete(key)
      deleted += 1
    },
    get size() {
      return slots.size
    },
    visit(wanted, visit) {
      // The square root balances what is walked through one by one with how often all is sorted.
      if (added.length > 8 + Math.sqrt(sorted.length) || deleted > sorted.length / 2) sort()
      const end = countUpTo(lows, wanted.high)
      if (end > 0) walk(0, 0, sorted.length, end, wanted.low, visit)
      for (const { low, high, item } of added) {
        if (item !== undefined && low <= wanted.high && high >= wanted.low) visit(item)
      }
    },
  }
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
