import { type Hex, keccak256, stringToHex } from 'viem'
import { expect } from 'vitest'
import type { Registry } from '../../src/event.ts'

/** A log of one revision, and what must come of it. */
export type SampleLog = {
  registry: Registry
  declaration: string
  /** Written out rather than computed: a slip in a declaration would slip into what is computed from it, too. */
  topic0: Hex
  args: Record<string, unknown>
  row: Record<string, unknown>
}

const alice = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
const bob = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
const aliceText = alice.toLowerCase()
const bobText = bob.toLowerCase()
const hash = keccak256('0x01')
const agentId = 2n ** 256n - 1n
const agent_id = agentId.toString()
const uptimeHash = keccak256(stringToHex('Uptime'))

const score = { score: 97 }
const scored = { value: '97', value_decimals: 0, score: '97' }
const client = { agentId, clientAddress: alice }
const given = { ...client, feedbackHash: hash }
const indexed = { indexedTag1: 'Uptime', tag2: 'day' }
const index = { feedbackIndex: 2n ** 64n - 1n }
const feedback_index = '18446744073709551615'
const full = { ...given, ...index, ...indexed, tag1: 'Uptime', endpoint: 'e', feedbackURI: 'ipfs://f' }
const feedback = {
  event_type: 'NewFeedback',
  agent_id,
  client_address: aliceText,
  file_hash: hash,
  file_uri: 'ipfs://f',
}
const fullRow = { ...feedback, feedback_index, tag1: 'Uptime', tag2: 'day', endpoint: 'e' }
const hashedTag = { ...feedback, ...scored, tag2: 'day' }
const head = 'uint256 indexed agentId, address indexed clientAddress'

const request = { validatorAddress: bob, agentId, requestHash: hash }
const requestRow = { agent_id, validator_address: bobText, request_hash: hash }
const response = { ...request, response: 100, responseURI: 'ipfs://r' }
const responseRow = {
  ...requestRow,
  event_type: 'ValidationResponse',
  response: 100,
  response_uri: 'ipfs://r',
}
const responseHead =
  'address indexed validatorAddress, uint256 indexed agentId, bytes32 indexed requestHash, uint8 response, string responseURI'
const tag32 = stringToHex('final', { size: 32 })

/** Every event of the registries since October 2025. */
export const knownLogs: readonly SampleLog[] = [
  {
    registry: 'identity',
    declaration: 'Registered(uint256 indexed agentId, string agentURI, address indexed owner)',
    topic0: '0xca52e62c367d81bb2e328eb795f7c7ba24afb478408a26c0e201d155c449bc4a',
    args: { agentId, agentURI: 'ipfs://a', owner: alice },
    row: { event_type: 'Registered', agent_id, owner: aliceText, token_uri: 'ipfs://a' },
  },
  {
    registry: 'identity',
    declaration:
      'MetadataSet(uint256 indexed agentId, string indexed indexedMetadataKey, string metadataKey, bytes metadataValue)',
    topic0: '0x2c149ed548c6d2993cd73efe187df6eccabe4538091b33adbd25fafdb8a1468b',
    args: { agentId, indexedMetadataKey: 'k', metadataKey: 'k', metadataValue: '0xabcd' },
    row: { event_type: 'MetadataSet', agent_id, metadata_key: 'k', metadata_value: '0xabcd' },
  },
  {
    registry: 'identity',
    declaration:
      'MetadataSet(uint256 indexed agentId, string indexed indexedMetadataKey, string metadataKey, string metadataValue)',
    topic0: '0x2dbec70f51f7b79cc6a9d4ea913abc7d680b523e0763e3ad622612950757609c',
    args: { agentId, indexedMetadataKey: 'k', metadataKey: 'k', metadataValue: 'né' },
    row: { event_type: 'MetadataSet', agent_id, metadata_key: 'k', metadata_value: '0x6ec3a9' },
  },
  {
    registry: 'identity',
    declaration: 'UriUpdated(uint256 indexed agentId, string newUri, address indexed updatedBy)',
    topic0: '0xb41beef75d9f8d55b985319b459e96f82453580af381391f1ad531eb8f8b5a3a',
    args: { agentId, newUri: 'ipfs://n', updatedBy: bob },
    row: { event_type: 'URIUpdated', agent_id, token_uri: 'ipfs://n', updated_by: bobText },
  },
  {
    registry: 'identity',
    declaration: 'URIUpdated(uint256 indexed agentId, string newURI, address indexed updatedBy)',
    topic0: '0x3a2c7fffc2cba7582c690e3b82c453ea02a308326a98a3ad7576c606336409fb',
    args: { agentId, newURI: 'ipfs://n', updatedBy: bob },
    row: { event_type: 'URIUpdated', agent_id, token_uri: 'ipfs://n', updated_by: bobText },
  },
  {
    registry: 'identity',
    declaration: 'Transfer(address indexed from, address indexed to, uint256 indexed tokenId)',
    topic0: '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef',
    args: { from: alice, to: bob, tokenId: agentId },
    row: { event_type: 'Transfer', agent_id, previous_owner: aliceText, owner: bobText },
  },
  {
    registry: 'reputation',
    declaration: `NewFeedback(${head}, uint8 score, bytes32 indexed tag1, bytes32 tag2, string feedbackUri, bytes32 feedbackHash)`,
    topic0: '0x54b3254e4cc01969e70376d20390cc2f6af90539d9adaa78a53ebcda17f78154',
    args: {
      ...given,
      ...score,
      tag1: stringToHex('Uptime', { size: 32 }),
      tag2: hash,
      feedbackUri: 'ipfs://f',
    },
    row: { ...feedback, ...scored, tag1: 'Uptime', tag2: hash },
  },
  {
    registry: 'reputation',
    declaration: `NewFeedback(${head}, uint8 score, string indexed indexedTag1, string tag2, string feedbackUri, bytes32 feedbackHash)`,
    topic0: '0x744ec89483257dd170f417f1c3aef90840a2d763449395ba4f09e37f78a0c98b',
    args: { ...given, ...score, ...indexed, feedbackUri: 'ipfs://f' },
    row: { ...hashedTag, args: expectArgs({ indexedTag1: uptimeHash }) },
  },
  {
    registry: 'reputation',
    declaration: `NewFeedback(${head}, uint8 score, string indexed indexedTag1, string tag2, string endpoint, string feedbackUri, bytes32 feedbackHash)`,
    topic0: '0x425311b4692766f8739eaeea31a86b5756c7c315d17abc22bc9e67628405d6a7',
    args: { ...given, ...score, ...indexed, endpoint: 'e', feedbackUri: 'ipfs://f' },
    row: { ...hashedTag, endpoint: 'e', args: expectArgs({ indexedTag1: uptimeHash }) },
  },
  {
    registry: 'reputation',
    declaration: `NewFeedback(${head}, uint64 feedbackIndex, uint8 score, string indexed indexedTag1, string tag2, string endpoint, string feedbackURI, bytes32 feedbackHash)`,
    topic0: '0x801d7d4264128f6f43835850f1fabb91902c3543c3738f1f62fbf7e9fd80531d',
    args: { ...given, ...index, ...score, ...indexed, endpoint: 'e', feedbackURI: 'ipfs://f' },
    row: { ...hashedTag, feedback_index, endpoint: 'e', args: expectArgs({ indexedTag1: uptimeHash }) },
  },
  {
    registry: 'reputation',
    declaration: `NewFeedback(${head}, uint64 feedbackIndex, uint8 score, string indexed indexedTag1, string tag1, string tag2, string endpoint, string feedbackURI, bytes32 feedbackHash)`,
    topic0: '0x31f01d2aa5cdbe0619011211e9ffc39d678bc82e46d60c35953396ae61e896d8',
    args: { ...full, ...score },
    row: { ...fullRow, ...scored },
  },
  {
    registry: 'reputation',
    declaration: `NewFeedback(${head}, uint64 feedbackIndex, uint256 value, uint8 valueDecimals, string indexed indexedTag1, string tag1, string tag2, string endpoint, string feedbackURI, bytes32 feedbackHash)`,
    topic0: '0xa96589249279e205e9aa2d2299594d8c5c745cf90e49514145db5dbdea256240',
    args: { ...full, value: 2n ** 256n - 1n, valueDecimals: 2 },
    row: {
      ...fullRow,
      value: '115792089237316195423570985008687907853269984665640564039457584007913129639935',
      value_decimals: 2,
      score: '1157920892373161954235709850086879078532699846656405640394575840079131296399.35',
    },
  },
  {
    registry: 'reputation',
    declaration: `NewFeedback(${head}, uint64 feedbackIndex, int256 value, uint8 valueDecimals, string indexed indexedTag1, string tag1, string tag2, string endpoint, string feedbackURI, bytes32 feedbackHash)`,
    topic0: '0x413f2d30fdbc0b49e55537333a7c6287556f671f40c7e2dc00fc7ca1ced350da',
    args: { ...full, value: -(2n ** 255n), valueDecimals: 18 },
    row: {
      ...fullRow,
      value: '-57896044618658097711785492504343953926634992332820282019728792003956564819968',
      value_decimals: 18,
      score: '-57896044618658097711785492504343953926634992332820282019728.792003956564819968',
    },
  },
  {
    registry: 'reputation',
    declaration: `NewFeedback(${head}, uint64 feedbackIndex, int128 value, uint8 valueDecimals, string indexed indexedTag1, string tag1, string tag2, string endpoint, string feedbackURI, bytes32 feedbackHash)`,
    topic0: '0x6a4a61743519c9d648a14e6493f47dbe3ff1aa29e7785c96c8326a205e58febc',
    args: { ...full, value: -9977n, valueDecimals: 2 },
    row: { ...fullRow, value: '-9977', value_decimals: 2, score: '-99.77' },
  },
  {
    registry: 'reputation',
    declaration: `FeedbackRevoked(${head}, uint64 indexed feedbackIndex)`,
    topic0: '0x25156fd3288212246d8b008d5921fde376c71ed14ac2e072a506eb06fde6d09d',
    args: { ...client, ...index },
    row: { event_type: 'FeedbackRevoked', agent_id, client_address: aliceText, feedback_index },
  },
  {
    registry: 'reputation',
    declaration: `ResponseAppended(${head}, uint64 feedbackIndex, address indexed responder, string responseURI)`,
    topic0: '0x91a4f57c12b47a488ba7365f0e60d24a1348fc94afddf6c60e0e22b018365408',
    args: { ...client, ...index, responder: bob, responseURI: 'ipfs://r' },
    row: {
      ...{ event_type: 'ResponseAppended', agent_id, client_address: aliceText, feedback_index },
      ...{ responder: bobText, response_uri: 'ipfs://r' },
    },
  },
  {
    registry: 'reputation',
    declaration: `ResponseAppended(${head}, uint64 feedbackIndex, address indexed responder, string responseURI, bytes32 responseHash)`,
    topic0: '0xb1c6be0b5b8aef6539e2fac0fd131a2faa7b49edf8e505b5eb0ad487d56051d4',
    args: { ...client, ...index, responder: bob, responseURI: 'ipfs://r', responseHash: hash },
    row: {
      ...{ event_type: 'ResponseAppended', agent_id, client_address: aliceText, feedback_index },
      ...{ responder: bobText, response_uri: 'ipfs://r', response_hash: hash },
    },
  },
  {
    registry: 'validation',
    declaration:
      'ValidationRequest(address indexed validatorAddress, uint256 indexed agentId, string requestURI, bytes32 indexed requestHash)',
    topic0: '0x530436c3634a98e1e626b0898be2f1e9980cc1bd2a78c07a0aba52d0a48a5059',
    args: { ...request, requestURI: 'ipfs://q' },
    row: { ...requestRow, event_type: 'ValidationRequest', request_uri: 'ipfs://q' },
  },
  {
    registry: 'validation',
    declaration: `ValidationResponse(${responseHead}, bytes32 tag)`,
    topic0: '0xcc61e07d65464186112fdaddb4b11ccef1928644b11f17e2864b38b451195671',
    args: { ...response, tag: tag32 },
    row: { ...responseRow, tag: 'final' },
  },
  {
    registry: 'validation',
    declaration: `ValidationResponse(${responseHead}, bytes32 responseHash, bytes32 tag)`,
    topic0: '0xf224d3d5ad74301be48e4d51ca5f1b24c7946875887327585becc59165297dcf',
    args: { ...response, responseHash: hash, tag: tag32 },
    row: { ...responseRow, response_hash: hash, tag: 'final' },
  },
  {
    registry: 'validation',
    declaration: `ValidationResponse(${responseHead}, bytes32 responseHash, string tag)`,
    topic0: '0xafddf629e874ccc3963b6a888c477bd464a6c8525024fc88759ea3b2326349ae',
    args: { ...response, responseHash: hash, tag: 'final' },
    row: { ...responseRow, response_hash: hash, tag: 'final' },
  },
  ...(['identity', 'reputation', 'validation'] as const).map(
    (registry): SampleLog => ({
      registry,
      declaration: 'Upgraded(address indexed implementation)',
      topic0: '0xbc7cd75a20ee27fd9adebab32041f755214dbc6bffa90cc0225b39da2e5c2d3b',
      args: { implementation: bob },
      row: { event_type: 'Upgraded', args: { implementation: bobText } },
    }),
  ),
]

function expectArgs(some: Record<string, unknown>): unknown {
  return expect.objectContaining(some)
}
