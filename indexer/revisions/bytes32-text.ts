import { type Hex, hexToBytes } from 'viem'

/**
 * A tag of the revisions that kept tags in 32 bytes: text, filled up with zeros. What is not text (a hash, say) stays hex,
 * so that no two tags become one.
 */
export function bytes32Text(word: Hex): string {
  const bytes = hexToBytes(word)
  const text = bytes.subarray(0, bytes.findLastIndex((byte) => byte !== 0) + 1)
  // No control characters: NUL could not be stored, and the others do not occur in text of 32 bytes.
  if (text.some((byte) => byte < 0x20)) return word.toLowerCase()
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(text)
  } catch {
    return word.toLowerCase()
  }
}
