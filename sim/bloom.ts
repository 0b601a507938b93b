import { bytesToHex, type Hex, hexToBytes, keccak256 } from 'viem'

const sizeBytes = 256
const bitsByValue = new Map<string, readonly number[]>()

/** The bloom filter of a block's logs, as the yellow paper has it. Ponder decides by it whether to ask for logs at all. */
export function bloomOf(logs: readonly { address: Hex; topics: readonly Hex[] }[]): Hex {
  const bloom = new Uint8Array(sizeBytes)
  for (const { address, topics } of logs) {
    for (const value of [address, ...topics]) {
      for (const bit of bitsOf(value)) {
        const at = sizeBytes - 1 - (bit >> 3)
        bloom[at] = (bloom[at] ?? 0) | (1 << (bit & 7))
      }
    }
  }
  return bytesToHex(bloom)
}

function bitsOf(value: Hex): readonly number[] {
  const known = bitsByValue.get(value)
  if (known !== undefined) return known
  const hash = hexToBytes(keccak256(value))
  const bits = [0, 2, 4].map((at) => (((hash[at] ?? 0) << 8) + (hash[at + 1] ?? 0)) & 0x7ff)
  if (bitsByValue.size > 50_000) bitsByValue.clear()
  bitsByValue.set(value, bits)
  return bits
}
