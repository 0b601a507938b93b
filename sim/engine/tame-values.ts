import { keccak256, numberToHex, stringToHex, zeroHash } from 'viem'
import type { LogValues } from '../random-logs.ts'

const scores = [0, 10, 30, 49, 50, 51, 70, 90, 100]
const responses = [0, 49, 50, 51, 100]
const tags = ['', 'a', 'b']
const uris = ['', 'ipfs://one', 'ipfs://two', 'https://agent.example/card.json']

/** Few of each thing, so that what triggers look for comes often: the values that the triggers of the reference know. */
export const tameValue: LogValues = ({ name = '', type }, random) => {
  if (type === 'address') return `0x${String(random.integer(1, 3)).repeat(40)}`
  if (/ur[il]$/i.test(name)) return random.pick(uris)
  if (type === 'string') return random.pick(tags)
  if (type === 'bytes') return stringToHex(random.pick(tags))
  if (type === 'bytes32' && /tag/i.test(name)) return stringToHex(random.pick(tags), { size: 32 })
  if (type === 'bytes32') return random.next() < 0.5 ? zeroHash : keccak256(numberToHex(random.integer(0, 3)))
  if (name === 'agentId' || name === 'tokenId') return BigInt(random.pick([1, 1, 2, 2, 3]))
  if (name === 'score') return random.pick(scores)
  if (name === 'response') return random.pick(responses)
  if (name === 'valueDecimals') return random.pick([0, 0, 1, 2])
  if (name === 'value') return BigInt(random.pick(scores))
  return BigInt(random.integer(1, 5))
}
