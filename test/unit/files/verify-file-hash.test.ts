import canonicalize from 'canonicalize'
import fc from 'fast-check'
import { keccak256, toBytes } from 'viem'
import { describe, expect, it } from 'vitest'
import { coveredContent, verifyFileHash } from '../../../worker/files/verify-file-hash.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const hashOf = (text: string) => keccak256(toBytes(text))
const feedback = {
  value: 87,
  agentRegistry: 'eip155:1:0x8004A169FB4a3325136EB29fA0ceB6D2e539a432',
  agentId: 22,
  mcp: { tool: 'search', value: 1 },
  tags: ['b', 'a'],
}

/** The same value with the keys of every object in another order. */
function shuffled(value: unknown, seed: number): unknown {
  if (Array.isArray(value)) return value.map((item) => shuffled(item, seed + 1))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, item]) => [key, shuffled(item, seed * 3 + 1)] as const)
  const turn = entries.length === 0 ? 0 : seed % entries.length
  return Object.fromEntries([...entries.slice(turn), ...entries.slice(0, turn)].reverse())
}

const jsonObject = fc.dictionary(
  fc.string().filter((key) => key !== '__proto__'),
  fc.jsonValue({ maxDepth: 3 }),
)

describe('verifyFileHash', () => {
  it('is raw for the hash of the bytes, whatever they are, in any case of the hash', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (content) => {
        const hash = keccak256(content)
        expect(verifyFileHash(content, hash)).toBe('raw')
        expect(verifyFileHash(content, `0x${hash.slice(2).toUpperCase()}`)).toBe('raw')
      }),
    )
  })

  it('prefers raw where the file is canonical itself', () => {
    const text = canonicalize(feedback) ?? ''
    expect(verifyFileHash(bytes(text), hashOf(text))).toBe('raw')
  })

  it('is jcs for JSON in any order of keys and any layout', () => {
    fc.assert(
      fc.property(jsonObject, fc.nat(20), fc.constantFrom(0, 2, '\t'), (value, seed, indent) => {
        const canonical = canonicalize(value) ?? ''
        const text = JSON.stringify(shuffled(value, seed), null, indent)
        expect(verifyFileHash(bytes(text), hashOf(canonical))).toBe(text === canonical ? 'raw' : 'jcs')
        expect(verifyFileHash(bytes(`\uFEFF${text}`), hashOf(canonical))).toBe('jcs')
      }),
    )
  })

  it('is sorted_keys for what JSON.stringify makes of a sorted list of the top-level keys', () => {
    const sorted = JSON.stringify(feedback, Object.keys(feedback).sort())
    // The tool is not in what was hashed: "tool" is no name at the top.
    expect(sorted).not.toContain('search')
    expect(verifyFileHash(bytes(JSON.stringify(feedback, null, 2)), hashOf(sorted))).toBe('sorted_keys')
    fc.assert(
      fc.property(jsonObject, fc.nat(20), (value, seed) => {
        const text = JSON.stringify(value, Object.keys(value).sort())
        expect(['raw', 'jcs', 'sorted_keys']).toContain(
          verifyFileHash(bytes(JSON.stringify(shuffled(value, seed))), hashOf(text)),
        )
      }),
    )
  })

  it('is a mismatch as soon as a value differs', () => {
    const hashes = [canonicalize(feedback) ?? '', JSON.stringify(feedback, Object.keys(feedback).sort())].map(
      hashOf,
    )
    for (const hash of hashes) {
      expect(verifyFileHash(bytes(JSON.stringify({ ...feedback, value: 88 })), hash)).toBe('mismatch')
    }
    fc.assert(
      fc.property(jsonObject, jsonObject, (a, b) => {
        const [ofA, ofB] = [canonicalize(a) ?? '', canonicalize(b) ?? '']
        fc.pre(ofA !== ofB && ofA !== JSON.stringify(b, Object.keys(b).sort()))
        expect(verifyFileHash(bytes(JSON.stringify(b)), hashOf(ofA))).toBe('mismatch')
      }),
    )
  })

  it.each([
    ['a key twice', '{"a":1,"a":2}', { a: 2 }],
    ['a key twice, once escaped', '{"a":1,"\\u0061":2}', { a: 2 }],
    ['a key twice deep inside', '[{"x":[{"a":1,"b":[],"a":2}]}]', [{ x: [{ a: 2, b: [] }] }]],
    [
      'more digits than a double keeps',
      '{"value":12345678901234567891}',
      { value: Number('12345678901234567891') },
    ],
    ['more digits behind the point', '{"v":0.1000000000000000055}', { v: 0.1 }],
    ['a number too small to keep', '{"v":1e-400}', { v: 0 }],
  ])('is only raw or a mismatch for JSON that can be read in two ways: %s', (_, text, value) => {
    expect(verifyFileHash(bytes(text), hashOf(canonicalize(value) ?? ''))).toBe('mismatch')
    expect(verifyFileHash(bytes(text), hashOf(JSON.stringify(value, Object.keys(value).sort())))).toBe(
      'mismatch',
    )
    expect(verifyFileHash(bytes(text), hashOf(text))).toBe('raw')
  })

  it.each([
    '1.0',
    '1E2',
    '100e-2',
    '-0',
    '0.10',
    '1e21',
    '123456789012345680000',
    '5e-324',
    '0.000001',
    '0e5',
  ])('takes %s as the number that it is', (literal) => {
    const text = `{ "v": ${literal} }`
    expect(verifyFileHash(bytes(text), hashOf(canonicalize(JSON.parse(text)) ?? ''))).toBe('jcs')
  })

  it('takes the same key in different objects, and repeated values, as they are', () => {
    const text = '[ {"a":{"a":1},"b":"a"}, {"a":["a","a",{"a":{}}]}, "a" ]'
    expect(verifyFileHash(bytes(text), hashOf(canonicalize(JSON.parse(text)) ?? ''))).toBe('jcs')
  })

  it.each([null, undefined, '', `0x${'00'.repeat(32)}`, '0x1234', 'nonsense'])(
    'is unavailable without a hash to compare with: %j',
    (hash) => {
      expect(verifyFileHash(bytes('{}'), hash)).toBe('unavailable')
    },
  )

  it.each([
    ['what is no JSON', 'hello'],
    ['half a surrogate pair', '{"a":"\\ud800"}'],
    ['bytes that are no UTF-8', '\xff'],
    ['nothing', ''],
    ['too many levels', `${'['.repeat(500_000)}${']'.repeat(500_000)}`],
  ])('ends with a mismatch for %s', (_, text) => {
    expect(verifyFileHash(Buffer.from(text, 'latin1'), hashOf('other'))).toBe('mismatch')
  })

  it.each([
    ['zeros', `{"v":${'0.'}${'0'.repeat(1_000_000)}1}`],
    ['keys', `{${Array.from({ length: 90_000 }, (_, index) => `"k${index}":0`).join(',')}}`],
    ['backslashes', `["${'\\\\'.repeat(500_000)}"]`],
    ['open strings', '"'.repeat(1_000_000)],
    ['large numbers', `[${Array(170_000).fill('1e300').join(',')}]`],
  ])('takes about as long for a megabyte of %s as for any other', (_, text) => {
    const startedMs = performance.now()
    expect(verifyFileHash(bytes(text), hashOf('other'))).toBe('mismatch')
    expect(performance.now() - startedMs).toBeLessThan(3000)
  })
})

describe('coveredContent', () => {
  it('is what was hashed: the file, its canonical form, or what the sorted list lets through', () => {
    const file = bytes(JSON.stringify(feedback, null, 2))
    expect(coveredContent(file, 'raw')).toBe(file)
    for (const verdict of ['jcs', 'sorted_keys'] as const) {
      const covered = coveredContent(file, verdict)
      expect(verifyFileHash(file, keccak256(covered))).toBe(verdict)
    }
    expect(JSON.parse(new TextDecoder().decode(coveredContent(file, 'sorted_keys')))).toEqual({
      ...feedback,
      mcp: { value: 1 },
    })
  })
})
