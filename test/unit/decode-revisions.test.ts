import fc from 'fast-check'
import {
  type AbiEvent,
  encodeAbiParameters,
  encodeEventTopics,
  type Hex,
  keccak256,
  pad,
  parseAbiItem,
  stringToHex,
  toEventSelector,
  toHex,
} from 'viem'
import { describe, expect, test } from 'vitest'
import type { RegistryEventRow } from '../../indexer/decode.ts'
import { bytes32Text } from '../../indexer/revisions/bytes32-text.ts'
import { ponderName, revisions } from '../../indexer/revisions/find-revision.ts'
import { addressesOf, firstBlockOf, knownChains, registryAt } from '../../src/chains.ts'
import type { Registry } from '../../src/event.ts'
import { readRawLog } from '../support/read-raw-log.ts'
import { knownLogs, type SampleLog } from '../support/revision-logs.ts'

const february2026 = 1_769_904_000n

describe('each revision that has been on chains', () => {
  test.each(knownLogs)('$registry $declaration', ({ registry, declaration, topic0, args, row }) => {
    const item = parseAbiItem(`event ${declaration}`) as AbiEvent
    expect(toEventSelector(item)).toBe(topic0)
    expect(revisions.filter((known) => known.topic0 === topic0 && known.registry === registry)).toHaveLength(
      1,
    )
    const { topics, data } = encode(item, args)
    expect(topics[0]).toBe(topic0)
    const found = read(registry, topics, data)
    expect(found).toMatchObject({ registry, topics, data, ...row })
    expect(filledBeside(row, found)).toEqual([])
  })

  test('is in that table, and nothing else is decoded', () => {
    const table = knownLogs.map(({ registry, topic0 }) => `${registry} ${topic0}`)
    expect(revisions.map(({ registry, topic0 }) => `${registry} ${topic0}`).sort()).toEqual(table.sort())
  })

  test('has a name of its own for Ponder', () => {
    const names = revisions.map((revision) => `${revision.registry}:${ponderName(revision)}`)
    expect(new Set(names).size).toBe(names.length)
    expect(names).toContain('identity:Registered')
    expect(names).toContain(
      'identity:MetadataSet(uint256 indexed agentId, string indexed indexedMetadataKey, string metadataKey, string metadataValue)',
    )
  })
})

describe('integers', () => {
  const uint = (bits: number) => fc.bigInt({ min: 0n, max: 2n ** BigInt(bits) - 1n })
  const int = (bits: number) =>
    fc.bigInt({ min: -(2n ** BigInt(bits - 1)), max: 2n ** BigInt(bits - 1) - 1n })

  test.each(knownLogs)('of $declaration survive exactly, to the ends of their types', (known) => {
    const item = parseAbiItem(`event ${known.declaration}`) as AbiEvent
    const columns: Record<string, keyof RegistryEventRow> = {
      ...{ agentId: 'agent_id', tokenId: 'agent_id', feedbackIndex: 'feedback_index', value: 'value' },
      ...{ valueDecimals: 'value_decimals', response: 'response' },
    }
    const numbers = item.inputs.flatMap(({ name = '', type }) => {
      const [, unsigned, bits] = /^(u?)int(\d+)$/.exec(type) ?? []
      return bits === undefined ? [] : [[name, (unsigned === 'u' ? uint : int)(Number(bits))] as const]
    })
    fc.assert(
      fc.property(fc.record(Object.fromEntries(numbers)), (given) => {
        const { topics, data } = encode(item, { ...known.args, ...given })
        const row = read(known.registry, topics, data)
        for (const [name, number] of Object.entries(given)) {
          expect(String(row?.args[name])).toBe(String(number))
          const column = columns[name]
          if (column !== undefined) expect(String(row?.[column])).toBe(String(number))
        }
        if (given.score !== undefined) {
          expect(row).toMatchObject({
            value: String(given.score),
            value_decimals: 0,
            score: String(given.score),
          })
        }
        if (given.value !== undefined) expect(BigInt(String(row?.score).replace('.', ''))).toBe(given.value)
      }),
      { numRuns: 50 },
    )
  })
})

describe('what is no event', () => {
  const sample = sampleOf('0x6a4a61743519c9d648a14e6493f47dbe3ff1aa29e7785c96c8326a205e58febc')
  const item = parseAbiItem(`event ${sample.declaration}`) as AbiEvent
  const { topics, data } = encode(item, sample.args)

  test.each<[string, readonly Hex[], Hex]>([
    ['an unknown topic', [keccak256('0x77'), ...topics.slice(1)], data],
    ['no topics', [], data],
    ['too few topics', topics.slice(0, 2), data],
    ['no data', topics, '0x'],
    ['data that ends early', topics, data.slice(0, -128) as Hex],
    ['text that lies elsewhere', topics, `0x${'f'.repeat(data.length - 2)}`],
    // value_decimals is the third word
    ['a topic too many', [...topics, keccak256('0x77')], data],
    [
      'an address longer than 20 bytes',
      topics.map((topic, index) => (index === 2 ? keccak256('0x77') : topic)),
      data,
    ],
    ['a number larger than its type', topics, `${data.slice(0, 130)}01${data.slice(132)}` as Hex],
  ])('%s is left alone', (_what, wrongTopics, wrongData) => {
    expect(read('reputation', topics, data), 'the log is right otherwise').toBeDefined()
    expect(read('reputation', wrongTopics, wrongData)).toBeUndefined()
  })

  test('the November draft that shares a topic with revision 3 is not read as it', () => {
    const third = sampleOf('0x425311b4692766f8739eaeea31a86b5756c7c315d17abc22bc9e67628405d6a7')
    const log = encode(parseAbiItem(`event ${third.declaration}`) as AbiEvent, third.args)
    const at = (date: string) => read('reputation', log.topics, log.data, BigInt(Date.parse(date) / 1000))
    expect(at('2025-12-17T23:59:59Z')).toBeUndefined()
    expect(at('2025-12-18T00:00:00Z')).toMatchObject({ event_type: 'NewFeedback', score: '97' })
  })

  test('whatever bytes a log has, it is read or left alone, and never an error', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...knownLogs),
        fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 3 }),
        fc.uint8Array({ maxLength: 400 }),
        ({ registry, topic0 }, others, bytes) => {
          const row = read(registry, [topic0, ...others.map((topic) => toHex(topic))], toHex(bytes))
          expect(row === undefined || row.topics[0] === topic0).toBe(true)
        },
      ),
    )
  })
})

describe('text that is not UTF-8', () => {
  test('is shown with replacements, while metadata and raw data keep its bytes', () => {
    const { declaration } = sampleOf('0x2dbec70f51f7b79cc6a9d4ea913abc7d680b523e0763e3ad622612950757609c')
    const item = parseAbiItem(
      `event ${declaration.replaceAll('string metadata', 'bytes metadata')}`,
    ) as AbiEvent
    const { topics, data } = encode(item, {
      agentId: 1n,
      indexedMetadataKey: 'k',
      metadataKey: '0x6bff00',
      metadataValue: '0xc328ff00',
    })
    const topic0 = '0x2dbec70f51f7b79cc6a9d4ea913abc7d680b523e0763e3ad622612950757609c'
    const row = read('identity', [topic0, ...topics.slice(1)], data)
    expect(row).toMatchObject({
      metadata_key: 'k\ufffd\ufffd',
      metadata_value: '0xc328ff00',
      args: { metadataValue: '\ufffd(\ufffd\ufffd' },
      data,
    })
  })

  test('a megabyte of text is a megabyte of text', () => {
    const uri = 'x'.repeat(1_000_000)
    const { declaration, args } = sampleOf(
      '0xca52e62c367d81bb2e328eb795f7c7ba24afb478408a26c0e201d155c449bc4a',
    )
    const { topics, data } = encode(parseAbiItem(`event ${declaration}`) as AbiEvent, {
      ...args,
      agentURI: uri,
    })
    expect(read('identity', topics, data)?.token_uri).toBe(uri)
  })
})

describe('a tag in 32 bytes', () => {
  test.each([
    ['text', stringToHex('quality', { size: 32 }), 'quality'],
    [
      'all 32 bytes of text',
      stringToHex('12345678901234567890123456789012'),
      '12345678901234567890123456789012',
    ],
    ['none', pad('0x', { size: 32 }), ''],
    ['a hash', keccak256('0x01'), keccak256('0x01')],
    ['a number, zeros first', pad('0x41', { size: 32 }), pad('0x41', { size: 32 })],
  ])('of %s', (_what, word, expected) => {
    expect(bytes32Text(word)).toBe(expected)
  })

  test('two different tags stay different', () => {
    const word = fc.oneof(
      fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => toHex(bytes)),
      fc.string({ maxLength: 10 }).map((text) => stringToHex(text.replaceAll('\0', ''), { size: 32 })),
    )
    fc.assert(
      fc.property(word, word, (one, other) => {
        if (one !== other) expect(bytes32Text(one)).not.toBe(bytes32Text(other))
      }),
    )
  })
})

describe('addresses', () => {
  test('of today and of October 2025 belong to the registries of their chain only', () => {
    const sepolia = knownChains.find(({ id }) => id === 11155111)
    if (sepolia === undefined) throw new Error('Sepolia is not in src/chains.ts')
    const [current = '0x', legacy = '0x'] = addressesOf(sepolia, 'reputation')
    expect(legacy).toBe('0x8004B8FD1A363aa02fDC07635C0c5F94f6Af5B7E')
    for (const address of [current, legacy]) expect(registryAt(sepolia.id, address)).toBe('reputation')
    expect(registryAt(1, legacy)).toBeUndefined()
  })

  test('the legacy registries are read from October 2025, or from a start block of one’s own', () => {
    const base = knownChains.find(({ id }) => id === 84532)
    if (base?.startBlock === undefined) throw new Error('Base Sepolia has no start block')
    expect(firstBlockOf({ ...base, startBlock: base.startBlock })).toBe(32_050_000)
    expect(firstBlockOf({ ...base, startBlock: 40_000_000 })).toBe(40_000_000)
  })
})

function sampleOf(topic0: Hex): SampleLog {
  const found = knownLogs.find((known) => known.topic0 === topic0)
  if (found === undefined) throw new Error(`No sample of ${topic0}`)
  return found
}

function encode(item: AbiEvent, args: Record<string, unknown>): { topics: Hex[]; data: Hex } {
  const inputs = item.inputs.filter((input) => !input.indexed)
  return {
    topics: encodeEventTopics({ abi: [item], args } as never) as Hex[],
    data: encodeAbiParameters(inputs, inputs.map(({ name = '' }) => args[name]) as never),
  }
}

/** As the indexer reads a log of the registry on Sepolia. */
function read(registry: Registry, topics: readonly Hex[], data: Hex, timestamp = february2026) {
  const chain = knownChains.find(({ id }) => id === 11155111)
  return readRawLog({
    chainId: 11155111,
    block: { number: 10_000_000n, hash: keccak256('0x02'), timestamp },
    transaction: { hash: keccak256('0x03'), transactionIndex: 0 },
    log: { logIndex: 0, address: chain?.registries[registry] ?? '0x', topics, data },
  })
}

/** Decoded columns that have a value though the table gives them none. */
function filledBeside(row: object, found: RegistryEventRow | undefined): string[] {
  const place = /^(id|chain_id|block_|transaction_|log_index|contract_|registry|event_type|args|topics|data)/
  return Object.entries(found ?? {}).flatMap(([name, value]) =>
    value === null || place.test(name) || name in row ? [] : [name],
  )
}
