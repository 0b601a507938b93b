import { type Hex, parseAbiItem } from 'viem'
import type { DecodedFields } from '../../src/event.ts'
import { storableText } from '../../src/storable-text.ts'
import { validationAbi } from '../abi.ts'
import { bytes32Text } from './bytes32-text.ts'
import { declare, type Revision } from './revision.ts'

const [validationRequest, validationResponse] = validationAbi

/** `ValidationRequest`, and `ValidationResponse` 1 to 3. */
export const validationRevisions: readonly Revision[] = [
  declare('validation', 'ValidationRequest', validationRequest, (args) => ({
    agent_id: args.agentId.toString(),
    validator_address: args.validatorAddress.toLowerCase(),
    request_uri: storableText(args.requestURI),
    request_hash: args.requestHash.toLowerCase(),
  })),
  declare(
    'validation',
    'ValidationResponse',
    parseAbiItem(
      'event ValidationResponse(address indexed validatorAddress, uint256 indexed agentId, bytes32 indexed requestHash, uint8 response, string responseURI, bytes32 tag)',
    ),
    (args) => ({ ...response(args), tag: bytes32Text(args.tag) }),
  ),
  declare(
    'validation',
    'ValidationResponse',
    parseAbiItem(
      'event ValidationResponse(address indexed validatorAddress, uint256 indexed agentId, bytes32 indexed requestHash, uint8 response, string responseURI, bytes32 responseHash, bytes32 tag)',
    ),
    (args) => ({
      ...response(args),
      response_hash: args.responseHash.toLowerCase(),
      tag: bytes32Text(args.tag),
    }),
  ),
  declare('validation', 'ValidationResponse', validationResponse, (args) => ({
    ...response(args),
    response_hash: args.responseHash.toLowerCase(),
    tag: storableText(args.tag),
  })),
]

function response(args: {
  validatorAddress: string
  agentId: bigint
  requestHash: Hex
  response: number
  responseURI: string
}): Partial<DecodedFields> {
  return {
    agent_id: args.agentId.toString(),
    validator_address: args.validatorAddress.toLowerCase(),
    request_hash: args.requestHash.toLowerCase(),
    response: args.response,
    response_uri: storableText(args.responseURI),
  }
}
