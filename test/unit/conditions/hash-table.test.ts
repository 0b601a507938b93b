import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createHashTable, deleteItem, getItem, setItem } from '../../../src/conditions/index/hash-table.ts'
import { noHash } from '../../../src/conditions/index/hash-text.ts'

// Few low bits, so that many want the same place, the last one as well, behind which the first is.
const hash = fc
  .tuple(fc.constantFrom(0, 1, 2, 5, 61, 62, 63), fc.nat(40))
  .map(([low, high]) => high * 64 + low)

test('after any changes it has what a Map has', () => {
  const change = fc.record({ hash, deletes: fc.boolean() })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 400 }), (changes) => {
      const table = createHashTable<number>()
      const map = new Map<number, number>()
      for (const [number, { hash: key, deletes }] of changes.entries()) {
        if (deletes) {
          deleteItem(table, key)
          map.delete(key)
        } else {
          setItem(table, key, number)
          map.set(key, number)
        }
        expect(getItem(table, noHash)).toBeUndefined()
        expect(table.size).toBe(map.size)
      }
      for (const { hash: key } of changes) expect(getItem(table, key)).toBe(map.get(key))
    }),
  )
})

test('it takes no more room than what is in it needs', () => {
  const table = createHashTable<number>()
  for (let key = 0; key < 100_000; key += 1) setItem(table, key, key)
  expect(table.hashes.length).toBeLessThanOrEqual(2 ** 18)
  for (let key = 0; key < 100_000; key += 1) deleteItem(table, key)
  expect(table.hashes.length).toBe(createHashTable().hashes.length)
})
