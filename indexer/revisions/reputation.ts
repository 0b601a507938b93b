import { type Hex, parseAbiItem } from 'viem'
import type { DecodedFields } from '../../src/event.ts'
import { storableText } from '../../src/storable-text.ts'
import { reputationAbi } from '../abi.ts'
import { bytes32Text } from './bytes32-text.ts'
import { declare, type Revision } from './revision.ts'
import { scaleByDecimals } from './scale-by-decimals.ts'

const [newFeedback, feedbackRevoked, responseAppended] = reputationAbi

/**
 * `NewFeedback` 1 to 8, `ResponseAppended` 1 and 2, and `FeedbackRevoked`. Of revisions 1 to 3 `feedback_index` is null here: the
 * log does not say it, it follows from the logs before. Of revisions 2 to 4 `tag1` is null: there is only its hash, which is
 * `indexedTag1` among the arguments, as in later revisions.
 */
export const reputationRevisions: readonly Revision[] = [
  // 1, from 8 October 2025
  declare(
    'reputation',
    'NewFeedback',
    parseAbiItem(
      'event NewFeedback(uint256 indexed agentId, address indexed clientAddress, uint8 score, bytes32 indexed tag1, bytes32 tag2, string feedbackUri, bytes32 feedbackHash)',
    ),
    (args) => ({
      ...feedback(args),
      ...scored(args),
      tag1: bytes32Text(args.tag1),
      tag2: bytes32Text(args.tag2),
      file_uri: storableText(args.feedbackUri),
    }),
  ),
  // 2, from 12 November 2025
  declare(
    'reputation',
    'NewFeedback',
    parseAbiItem(
      'event NewFeedback(uint256 indexed agentId, address indexed clientAddress, uint8 score, string indexed indexedTag1, string tag2, string feedbackUri, bytes32 feedbackHash)',
    ),
    (args) => ({
      ...feedback(args),
      ...scored(args),
      tag2: storableText(args.tag2),
      file_uri: storableText(args.feedbackUri),
    }),
  ),
  // 3, from 18 December 2025. A draft of November has the same topic and other meanings.
  declare(
    'reputation',
    'NewFeedback',
    parseAbiItem(
      'event NewFeedback(uint256 indexed agentId, address indexed clientAddress, uint8 score, string indexed indexedTag1, string tag2, string endpoint, string feedbackUri, bytes32 feedbackHash)',
    ),
    (args) => ({
      ...feedback(args),
      ...scored(args),
      tag2: storableText(args.tag2),
      endpoint: storableText(args.endpoint),
      file_uri: storableText(args.feedbackUri),
    }),
    { sinceS: Date.UTC(2025, 11, 18) / 1000 },
  ),
  // 4, from 7 January 2026
  declare(
    'reputation',
    'NewFeedback',
    parseAbiItem(
      'event NewFeedback(uint256 indexed agentId, address indexed clientAddress, uint64 feedbackIndex, uint8 score, string indexed indexedTag1, string tag2, string endpoint, string feedbackURI, bytes32 feedbackHash)',
    ),
    (args) => ({
      ...feedback(args),
      ...scored(args),
      feedback_index: args.feedbackIndex.toString(),
      tag2: storableText(args.tag2),
      endpoint: storableText(args.endpoint),
      file_uri: storableText(args.feedbackURI),
    }),
  ),
  // 5, from 11 January 2026
  declare(
    'reputation',
    'NewFeedback',
    parseAbiItem(
      'event NewFeedback(uint256 indexed agentId, address indexed clientAddress, uint64 feedbackIndex, uint8 score, string indexed indexedTag1, string tag1, string tag2, string endpoint, string feedbackURI, bytes32 feedbackHash)',
    ),
    (args) => ({ ...feedback(args), ...scored(args), ...described(args) }),
  ),
  // 6, from 18 January 2026
  declare(
    'reputation',
    'NewFeedback',
    parseAbiItem(
      'event NewFeedback(uint256 indexed agentId, address indexed clientAddress, uint64 feedbackIndex, uint256 value, uint8 valueDecimals, string indexed indexedTag1, string tag1, string tag2, string endpoint, string feedbackURI, bytes32 feedbackHash)',
    ),
    (args) => ({ ...feedback(args), ...valued(args), ...described(args) }),
  ),
  // 7, from 19 January 2026
  declare(
    'reputation',
    'NewFeedback',
    parseAbiItem(
      'event NewFeedback(uint256 indexed agentId, address indexed clientAddress, uint64 feedbackIndex, int256 value, uint8 valueDecimals, string indexed indexedTag1, string tag1, string tag2, string endpoint, string feedbackURI, bytes32 feedbackHash)',
    ),
    (args) => ({ ...feedback(args), ...valued(args), ...described(args) }),
  ),
  // 8, from 23 January 2026
  declare('reputation', 'NewFeedback', newFeedback, (args) => ({
    ...feedback(args),
    ...valued(args),
    ...described(args),
  })),
  declare('reputation', 'FeedbackRevoked', feedbackRevoked, (args) => ({
    agent_id: args.agentId.toString(),
    client_address: args.clientAddress.toLowerCase(),
    feedback_index: args.feedbackIndex.toString(),
  })),
  declare(
    'reputation',
    'ResponseAppended',
    parseAbiItem(
      'event ResponseAppended(uint256 indexed agentId, address indexed clientAddress, uint64 feedbackIndex, address indexed responder, string responseURI)',
    ),
    (args) => response(args),
  ),
  declare('reputation', 'ResponseAppended', responseAppended, (args) => ({
    ...response(args),
    response_hash: args.responseHash.toLowerCase(),
  })),
]

function feedback(args: { agentId: bigint; clientAddress: string; feedbackHash: Hex }) {
  return {
    agent_id: args.agentId.toString(),
    client_address: args.clientAddress.toLowerCase(),
    file_hash: args.feedbackHash.toLowerCase(),
  }
}

function scored({ score }: { score: number }): Partial<DecodedFields> {
  return { value: String(score), value_decimals: 0, score: String(score) }
}

function valued({ value, valueDecimals }: { value: bigint; valueDecimals: number }): Partial<DecodedFields> {
  return {
    value: value.toString(),
    value_decimals: valueDecimals,
    score: scaleByDecimals(value, valueDecimals),
  }
}

function described(args: {
  feedbackIndex: bigint
  tag1: string
  tag2: string
  endpoint: string
  feedbackURI: string
}): Partial<DecodedFields> {
  return {
    feedback_index: args.feedbackIndex.toString(),
    tag1: storableText(args.tag1),
    tag2: storableText(args.tag2),
    endpoint: storableText(args.endpoint),
    file_uri: storableText(args.feedbackURI),
  }
}

function response(args: {
  agentId: bigint
  clientAddress: string
  feedbackIndex: bigint
  responder: string
  responseURI: string
}): Partial<DecodedFields> {
  return {
    agent_id: args.agentId.toString(),
    client_address: args.clientAddress.toLowerCase(),
    feedback_index: args.feedbackIndex.toString(),
    responder: args.responder.toLowerCase(),
    response_uri: storableText(args.responseURI),
  }
}
