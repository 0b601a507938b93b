import {
  type AbiEvent,
  type AbiParameter,
  encodeAbiParameters,
  encodeEventTopics,
  type Hex,
  keccak256,
  numberToHex,
  toHex,
} from 'viem'
import { revisions } from '../indexer/revisions/find-revision.ts'
import { addressesOf, knownChains } from '../src/chains.ts'
import type { Random } from '../src/dev/random.ts'
import type { FakeLog } from './fake-chain.ts'

/** What breaks encoders, COPY and JSON, and what Postgres cannot hold. */
const texts = [
  '',
  'ipfs://agent',
  'Uptime',
  'tab\t line\n back\\slash \\N \\.\r "q" \'q\' {a,b}',
  'nul\0 inside',
  '\u{1F600} \u202e rtl',
  'x'.repeat(5000),
]

/** A contract that is not ours logs into most blocks, as on real chains, so that their blooms are not empty. */
const stranger: Hex = '0xdac17f958d2ee523a2206206994597c13d831ec7'
const transferTopic: Hex = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'

export type LogSource = {
  /** Logs of one transaction: of any registry, revision and event, now and then equal ones, seldom what no decoder understands. */
  transactionLogs(): FakeLog[]
  /** A log that is an event for sure. */
  soundLog(): FakeLog
  foreignLog(): FakeLog
}

/** A value for a parameter of an event. */
export type LogValues = (parameter: AbiParameter, random: Random) => unknown

/** Logs of a chain's registries, current and legacy; the same random numbers give the same logs. */
export function createLogSource(
  chainId: number,
  random: Random,
  values: LogValues = hostileValue,
): LogSource {
  const chain = knownChains.find(({ id }) => id === chainId)
  if (chain === undefined) throw new Error(`Chain ${chainId} is not in src/chains.ts`)

  const soundLog = (): FakeLog => {
    // Feedback of the first revisions has no number and is counted: what a fork takes away must not be counted.
    const revision = random.pick(
      random.next() < 0.3 ? revisions.filter(({ item }) => item.name === 'NewFeedback') : revisions,
    )
    return {
      address: random.pick(addressesOf(chain, revision.registry)).toLowerCase() as Hex,
      ...encodeLog(revision.item, random, values),
    }
  }
  const anyLog = () => (random.next() < 0.03 ? { ...soundLog(), data: '0x1234' as const } : soundLog())
  return {
    transactionLogs: () => {
      const logs = Array.from({ length: random.integer(1, 4) }, anyLog)
      return random.next() < 0.3 ? [...logs, ...logs.slice(0, 1)] : logs
    },
    soundLog,
    foreignLog: () => ({
      address: stranger,
      topics: [transferTopic, numberToHex(random.integer(1, 1e9), { size: 32 })],
      data: '0x',
    }),
  }
}

function encodeLog(item: AbiEvent, random: Random, values: LogValues): { topics: readonly Hex[]; data: Hex } {
  const args = Object.fromEntries(item.inputs.map((input) => [input.name ?? '', values(input, random)]))
  const others = item.inputs.filter(({ indexed }) => indexed !== true)
  return {
    topics: encodeEventTopics({ abi: [item], args } as never) as Hex[],
    data: encodeAbiParameters(others, others.map(({ name }) => args[name ?? '']) as never),
  }
}

function hostileValue({ name, type }: AbiParameter, random: Random): unknown {
  if (type === 'string') return random.pick(texts)
  if (type === 'bytes') return toHex(random.pick(texts))
  if (type === 'bytes32') return keccak256(numberToHex(random.integer(0, 50)))
  if (type === 'address') return numberToHex(random.integer(1, 4), { size: 20 })
  if (name === 'agentId' || name === 'tokenId') {
    return random.next() < 0.05 ? 2n ** 256n - 1n : BigInt(random.integer(0, 5))
  }
  if (name === 'valueDecimals') return random.integer(0, 18)
  const [, unsigned, bits] = /^(u?)int(\d+)$/.exec(type) ?? []
  if (bits === undefined) throw new Error(`No random value for ${type}`)
  const width = BigInt(bits)
  const [min, max] =
    unsigned === 'u' ? [0n, 2n ** width - 1n] : [-(2n ** (width - 1n)), 2n ** (width - 1n) - 1n]
  const value = random.pick([min, max, BigInt(random.integer(0, 100))])
  // viem wants numbers for what fits one.
  return width <= 48n ? Number(value) : value
}
