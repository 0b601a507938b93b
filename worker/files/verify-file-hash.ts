import canonicalize from 'canonicalize'
import { keccak256, toBytes } from 'viem'
import { parseJsonFile } from './parse-json-file.ts'

/**
 * How a file relates to the hash that the chain has for it.
 *
 * - `raw`: the hash of the bytes as they are.
 * - `jcs`: the hash of the same JSON in canonical form (RFC 8785). Layout and order of keys are not covered.
 * - `sorted_keys`: the hash of `JSON.stringify(file, Object.keys(file).sort())`, as one SDK writes it. Inside nested objects it
 *   covers only keys that are also names at the top: {@link coveredContent} is what is proven.
 * - `mismatch`: none of these.
 * - `unavailable`: there is nothing to compare: no hash (or zero, which is allowed for IPFS), or no file.
 */
export type FileVerdict = 'raw' | 'jcs' | 'sorted_keys' | 'mismatch' | 'unavailable'

/**
 * Compares a file with the keccak256 hash that stands on the chain. JSON that a parser could read in more than one way (a key
 * twice, digits that a double cannot hold) is only ever `raw` or `mismatch`.
 */
export function verifyFileHash(bytes: Uint8Array, expectedHash: string | null | undefined): FileVerdict {
  const expected = expectedHash?.toLowerCase()
  if (expected === undefined || !/^0x[0-9a-f]{64}$/.test(expected) || /^0x0+$/.test(expected)) {
    return 'unavailable'
  }
  if (keccak256(bytes) === expected) return 'raw'
  const file = parseJsonFile(bytes)
  for (const verdict of ['jcs', 'sorted_keys'] as const) {
    const form = formOf(file, verdict)
    if (form !== undefined && keccak256(toBytes(form)) === expected) return verdict
  }
  return 'mismatch'
}

/** What a verdict proves of a file: the file itself, or for `jcs` and `sorted_keys` the JSON text that was hashed. */
export function coveredContent(bytes: Uint8Array, verdict: 'raw' | 'jcs' | 'sorted_keys'): Uint8Array {
  return verdict === 'raw' ? bytes : toBytes(formOf(parseJsonFile(bytes), verdict) ?? '')
}

function formOf(file: ReturnType<typeof parseJsonFile>, verdict: 'jcs' | 'sorted_keys'): string | undefined {
  if ('problem' in file || file.ambiguity !== undefined) return undefined
  if (verdict === 'jcs') {
    try {
      return canonicalize(file.value)
    } catch {
      // Half a surrogate pair has no canonical form.
      return undefined
    }
  }
  if (typeof file.value !== 'object' || file.value === null || Array.isArray(file.value)) return undefined
  return JSON.stringify(file.value, Object.keys(file.value).sort())
}
