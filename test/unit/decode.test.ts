import fc from 'fast-check'
import {
  type AbiEvent,
  decodeEventLog,
  encodeAbiParameters,
  encodeEventTopics,
  getAddress,
  keccak256,
  toHex,
} from 'viem'
import { describe, expect, test } from 'vitest'
import { identityAbi, reputationAbi, validationAbi } from '../../indexer/abi.ts'
import { type DecodedLog, decodeLog } from '../../indexer/decode.ts'
import { scaleByDecimals } from '../../indexer/revisions/scale-by-decimals.ts'
import { type EventType, eventFields, eventTypes } from '../../src/event.ts'
import { storableText } from '../../src/storable-text.ts'

const abi = [...identityAbi, ...reputationAbi, ...validationAbi]
const alice = getAddress('0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266')
const bob = getAddress('0x70997970c51812dc3a010c7d01b50e0d17dc79c8')
const aliceText = alice.toLowerCase()
const bobText = bob.toLowerCase()
const someHash = keccak256('0x01')
const maxUint256 = 2n ** 256n - 1n

/** What each event type says, and the columns that must come of it. */
const samples: Record<EventType, { args: Record<string, unknown>; fields: Record<string, unknown> }> = {
  Registered: {
    args: { agentId: 0n, agentURI: 'ipfs://agent', owner: alice },
    fields: { agent_id: '0', owner: aliceText, token_uri: 'ipfs://agent' },
  },
  MetadataSet: {
    args: { agentId: maxUint256, indexedMetadataKey: 'Key', metadataKey: 'Key', metadataValue: '0xAbCd' },
    fields: { agent_id: maxUint256.toString(), metadata_key: 'Key', metadata_value: '0xabcd' },
  },
  URIUpdated: {
    args: { agentId: 1n, newURI: '', updatedBy: bob },
    fields: { agent_id: '1', token_uri: '', updated_by: bobText },
  },
  Transfer: {
    args: { from: alice, to: bob, tokenId: 2n },
    fields: { agent_id: '2', previous_owner: aliceText, owner: bobText },
  },
  NewFeedback: {
    args: {
      agentId: 3n,
      clientAddress: alice,
      feedbackIndex: 2n ** 64n - 1n,
      value: -(2n ** 127n),
      valueDecimals: 18,
      indexedTag1: 'Uptime',
      tag1: 'Uptime',
      tag2: '0xAB',
      endpoint: 'https://a.example/MCP',
      feedbackURI: 'data:,x',
      feedbackHash: someHash,
    },
    fields: {
      agent_id: '3',
      client_address: aliceText,
      feedback_index: '18446744073709551615',
      value: '-170141183460469231731687303715884105728',
      value_decimals: 18,
      score: '-170141183460469231731.687303715884105728',
      tag1: 'Uptime',
      tag2: '0xAB',
      endpoint: 'https://a.example/MCP',
      file_uri: 'data:,x',
      file_hash: someHash,
    },
  },
  FeedbackRevoked: {
    args: { agentId: 3n, clientAddress: alice, feedbackIndex: 1n },
    fields: { agent_id: '3', client_address: aliceText, feedback_index: '1' },
  },
  ResponseAppended: {
    args: {
      agentId: 3n,
      clientAddress: alice,
      feedbackIndex: 1n,
      responder: bob,
      responseURI: 'https://r.example',
      responseHash: someHash,
    },
    fields: {
      agent_id: '3',
      client_address: aliceText,
      feedback_index: '1',
      responder: bobText,
      response_uri: 'https://r.example',
      response_hash: someHash,
    },
  },
  ValidationRequest: {
    args: { validatorAddress: bob, agentId: 4n, requestURI: 'https://q.example', requestHash: someHash },
    fields: {
      agent_id: '4',
      validator_address: bobText,
      request_uri: 'https://q.example',
      request_hash: someHash,
    },
  },
  ValidationResponse: {
    args: {
      validatorAddress: bob,
      agentId: 4n,
      requestHash: someHash,
      response: 255,
      responseURI: 'https://r.example',
      responseHash: someHash,
      tag: 'final',
    },
    fields: {
      agent_id: '4',
      validator_address: bobText,
      request_hash: someHash,
      response: 255,
      response_uri: 'https://r.example',
      response_hash: someHash,
      tag: 'final',
    },
  },
}

describe('each event type', () => {
  const types = Object.entries(eventTypes).flatMap(([registry, list]) =>
    list.map((type: EventType) => [type, registry] as const),
  )

  test.each(types)('%s fills its columns and no others', (type, registry) => {
    const row = decodeSample(type)
    const filled = Object.keys(eventFields).filter((field) => row[field as keyof typeof row] !== null)
    const expected = Object.entries(eventFields).flatMap(([field, { of }]) =>
      (of as readonly EventType[]).includes(type) ? [field] : [],
    )
    expect(filled.sort()).toEqual(expected.sort())
    expect(row).toMatchObject({ ...samples[type].fields, registry, event_type: type })
  })

  test.each(types)('%s keeps all its arguments in args, with integers as decimal strings', (type) => {
    const expected = Object.fromEntries(
      Object.entries(samples[type].args).map(([name, value]) => {
        if (name.startsWith('indexed')) return [name, keccak256(toHex(String(value)))]
        if (typeof value === 'bigint') return [name, value.toString()]
        const isText = inputsOf(type).some((input) => input.name === name && input.type === 'string')
        return [name, typeof value === 'string' && !isText ? value.toLowerCase() : value]
      }),
    )
    expect(decodeSample(type).args).toEqual(expected)
    expect(JSON.parse(JSON.stringify(decodeSample(type).args))).toEqual(expected)
  })
})

test('a row says where its log stands, in lower case, and keeps its raw topics and data', () => {
  const { topics, data } = encode('Registered', samples.Registered.args)
  expect(decodeSample('Registered')).toMatchObject({
    id: '8453-41663800-7-abcdef0123456789',
    chain_id: 8453,
    block_number: 41_663_800,
    block_hash: `0xabcdef0123456789${'0'.repeat(48)}`,
    block_timestamp: 1_767_225_600,
    transaction_hash: `0x${'ef'.repeat(32)}`,
    transaction_index: 3,
    log_index: 7,
    contract_address: aliceText,
    topics,
    data,
  })
})

describe('a score', () => {
  test.each([
    [0n, 0, '0'],
    [0n, 2, '0.00'],
    [95n, 0, '95'],
    [9977n, 2, '99.77'],
    [5n, 3, '0.005'],
    [-5n, 1, '-0.5'],
    [-32n, 0, '-32'],
  ])('%s / 10^%s is %s', (value, decimals, expected) => {
    expect(scaleByDecimals(value, decimals)).toBe(expected)
  })

  test('is exact for every value and every number of decimals that the ABI allows', () => {
    const int128 = fc.bigInt({ min: -(2n ** 127n), max: 2n ** 127n - 1n })
    fc.assert(
      fc.property(int128, fc.integer({ min: 0, max: 255 }), (value, decimals) => {
        const text = scaleByDecimals(value, decimals)
        expect(text).toMatch(decimals === 0 ? /^-?\d+$/ : new RegExp(`^-?\\d+\\.\\d{${decimals}}$`))
        expect(BigInt(text.replace('.', ''))).toBe(value)
      }),
    )
  })
})

describe('hostile text', () => {
  test('NUL and lone surrogates become U+FFFD, all else stays', () => {
    expect(storableText('a\0b\ud800c\udc00')).toBe('a\ufffdb\ufffdc\ufffd')
    const harmless = 'tab\t line\n \\N \\. "quoted" \u{1F600} \u202e'
    expect(storableText(harmless)).toBe(harmless)
  })

  test('it is replaced in the columns and in args, while data keeps it', () => {
    const uri = 'x\0y'
    const row = decodeSample('URIUpdated', { ...samples.URIUpdated.args, newURI: uri })
    expect(row.token_uri).toBe('x\ufffdy')
    expect(row.args.newURI).toBe('x\ufffdy')
    expect(row.data).toContain(toHex(uri).slice(2))
  })

  test('whatever bytes stand in for text, the row can be stored', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        const { topics, data } = encode('URIUpdated', samples.URIUpdated.args)
        const raw = encodeAbiParameters([{ type: 'bytes' }], [toHex(bytes)])
        const decoded = decodeEventLog({ abi, topics: topics as never, data: raw, strict: true })
        const row = decodeLog(decoded as DecodedLog, placeOf(topics, raw))
        const stored = `${row.token_uri}${JSON.stringify(row.args)}`
        expect(stored.includes('\0') || stored.includes('\\u0000') || /\p{Surrogate}/u.test(stored)).toBe(
          false,
        )
        expect(data).not.toBe('')
      }),
    )
  })
})

function inputsOf(type: EventType): AbiEvent['inputs'] {
  const item = abi.find((event) => event.name === type)
  if (item === undefined) throw new Error(`No event ${type}`)
  return item.inputs
}

function encode(type: EventType, args: Record<string, unknown>) {
  const topics = encodeEventTopics({ abi, eventName: type, args } as never) as string[]
  const inputs = inputsOf(type).filter((input) => !input.indexed)
  return { topics, data: encodeAbiParameters(inputs, inputs.map((input) => args[input.name ?? '']) as never) }
}

function placeOf(topics: string[], data: string) {
  return {
    chainId: 8453,
    block: { number: 41_663_800n, hash: `0xABCDEF0123456789${'0'.repeat(48)}`, timestamp: 1_767_225_600n },
    transaction: { hash: `0x${'EF'.repeat(32)}`, transactionIndex: 3 },
    log: { logIndex: 7, address: alice, topics, data },
  }
}

/** From arguments to a raw log and back, as it comes from a chain. */
function decodeSample(type: EventType, args = samples[type].args) {
  const { topics, data } = encode(type, args)
  const decoded = decodeEventLog({ abi, topics: topics as never, data, strict: true })
  return decodeLog(decoded as DecodedLog, placeOf(topics, data))
}
