import { type AbiParameter, decodeEventLog, encodeAbiParameters, encodeEventTopics, type Hex } from 'viem'
import { expect, test } from 'vitest'
import { identityAbi, reputationAbi, validationAbi } from '../../indexer/abi.ts'
import { type DecodedLog, decodeLog } from '../../indexer/decode.ts'
import { eventTypes, registries, registryOf } from '../../src/event.ts'
import { sampleEvent } from '../../src/sample-events.ts'

const abis = { identity: identityAbi, reputation: reputationAbi, validation: validationAbi }

test.each(registries.flatMap((registry) => [...eventTypes[registry]]))(
  'the sample of %s is what the indexer makes of such a log',
  (eventType) => {
    const sample = sampleEvent(eventType)
    const abi = abis[registryOf(eventType)]
    const item = abi.find(({ name }) => name === eventType)
    const inputs: readonly AbiParameter[] = item?.inputs ?? []
    // Of an indexed string the sample has the hash; the log is made of the string.
    const strings: Record<string, string> = { indexedTag1: 'tag1', indexedMetadataKey: 'metadataKey' }
    const values = inputs.map(({ name = '', type }) => {
      const value = sample.args[strings[name] ?? name]
      return /^u?int(?!8$)/.test(type) ? BigInt(String(value)) : value
    })
    const named = Object.fromEntries(inputs.map(({ name }, index) => [name, values[index]]))
    const topics = encodeEventTopics({ abi: [item], args: named } as never) as [Hex, ...Hex[]]
    const isIndexed = inputs.map((input) => 'indexed' in input && input.indexed === true)
    const data = encodeAbiParameters(
      inputs.filter((_, index) => !isIndexed[index]),
      values.filter((_, index) => !isIndexed[index]),
    )
    const decoded = decodeEventLog({ abi, topics, data } as never) as unknown as DecodedLog
    const {
      block_timestamp,
      topics: _,
      data: __,
      ...row
    } = decodeLog(decoded, {
      chainId: sample.chain_id,
      block: { number: 12n, hash: sample.block_hash, timestamp: 1_769_904_000n },
      transaction: { hash: sample.transaction_hash, transactionIndex: 0 },
      log: { logIndex: 3, address: sample.contract_address, topics, data },
    })
    const { seq, occurrence, block_time, ...shown } = sample
    expect(shown).toEqual(row)
    expect(block_time.getTime()).toBe(block_timestamp * 1000)
    expect([seq, occurrence]).toEqual([1, expect.stringContaining(sample.transaction_hash)])
  },
)
