import { noHash } from './hash-text.ts'

/**
 * Items by hash, as in a Map of numbers, but the hashes lie side by side: most of what is asked for is not there, and to see that takes one look
 * at memory, where a Map of a hundred thousand takes three.
 */
export type HashTable<Item> = {
  /** A hash stands in the place that its low bits name, or in the first free one behind it. `noHash`: free. */
  hashes: Int32Array
  items: (Item | undefined)[]
  size: number
}

const placesMin = 4

/** A table of nothing. */
export function createHashTable<Item>(): HashTable<Item> {
  return ofPlaces(placesMin)
}

export function getItem<Item>(table: HashTable<Item>, hash: number): Item | undefined {
  const { hashes } = table
  const last = hashes.length - 1
  for (let place = hash & last; ; place = (place + 1) & last) {
    const found = hashes[place]
    // What no text has for a hash is nowhere: its place is free.
    if (found === hash) return table.items[place]
    if (found === noHash) return undefined
  }
}

export function setItem<Item>(table: HashTable<Item>, hash: number, item: Item): void {
  const place = placeOf(table, hash)
  if (table.hashes[place] === noHash) {
    // Never more than two in three, so that there is always a free place to end at, and not far.
    if (3 * (table.size + 1) > 2 * table.hashes.length) {
      resize(table, 2 * table.hashes.length)
      setItem(table, hash, item)
      return
    }
    table.hashes[place] = hash
    table.size += 1
  }
  table.items[place] = item
}

export function deleteItem(table: HashTable<unknown>, hash: number): void {
  const { hashes, items } = table
  const last = hashes.length - 1
  let free = placeOf(table, hash)
  if (hashes[free] === noHash) return
  table.size -= 1
  // Whatever stood further back since the place was taken moves up, so that nothing is behind a gap.
  for (let place = (free + 1) & last; hashes[place] !== noHash; place = (place + 1) & last) {
    const wanted = (hashes[place] ?? 0) & last
    if (((place - wanted) & last) < ((place - free) & last)) continue
    hashes[free] = hashes[place] ?? noHash
    items[free] = items[place]
    free = place
  }
  hashes[free] = noHash
  items[free] = undefined
  if (hashes.length > placesMin && 6 * table.size < hashes.length) resize(table, hashes.length / 2)
}

function ofPlaces<Item>(places: number): HashTable<Item> {
  return {
    hashes: new Int32Array(places).fill(noHash),
    items: new Array<Item | undefined>(places).fill(undefined),
    size: 0,
  }
}

function resize<Item>(table: HashTable<Item>, places: number): void {
  const { hashes, items } = table
  Object.assign(table, ofPlaces(places))
  for (const [place, hash] of hashes.entries()) {
    const item = items[place]
    if (hash !== noHash && item !== undefined) setItem(table, hash, item)
  }
}

/** Where the hash is, or else belongs. */
function placeOf({ hashes }: HashTable<unknown>, hash: number): number {
  const last = hashes.length - 1
  let place = hash & last
  while (hashes[place] !== hash && hashes[place] !== noHash) place = (place + 1) & last
  return place
}
