import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createHashTable, deleteItem, getItem, setItem } from '../../../src/conditions/index/hash-table.ts'
import { hashText, noHash } from '../../../src/conditions/index/hash-text.ts'

// Few low bits, so that many want the same place, the last one as well, behind which the first is.
const key = fc
  .tuple(fc.constantFrom(0, 1, 2, 5, 61, 62, 63), fc.nat(40))
  .map(([low, high]) => high * 64 + low)

test('after any changes it has what a Map has', () => {
  const change = fc.record({ key, deletes: fc.boolean() })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 400 }), (changes) => {
      const table = createHashTable<number>()
      const map = new Map<number, number>()
      for (const [number, { key, deletes }] of changes.entries()) {
        if (deletes) {
          deleteItem(table, key)
          map.delete(key)
        } else {
          setItem(table, key, number)
          map.set(key, number)
        }
        if (getItem(table, noHash) !== undefined || table.size !== map.size) return false
      }
      return changes.every(({ key }) => getItem(table, key) === map.get(key))
    }),
  )
})

test('it takes no more room than what is in it needs', () => {
  const table = createHashTable<number>()
  const hashes = Array.from({ length: 100_000 }, (_, number) => hashText(String(number)))
  for (const [number, hash] of hashes.entries()) setItem(table, hash, number)
  expect(table.size).toBe(new Set(hashes).size)
  expect(table.hashes.length).toBeLessThanOrEqual(2 ** 18)
  for (const hash of hashes) deleteItem(table, hash)
  expect(table).toEqual(createHashTable())
})
