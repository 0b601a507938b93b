import { decodeAbiParameters, parseAbiItem } from 'viem'
import { storableText } from '../../src/storable-text.ts'
import { identityAbi } from '../abi.ts'
import { declare, type Revision } from './revision.ts'

const [registered, metadataSet, uriUpdated, transfer] = identityAbi

/** The events of the Identity registry since October 2025. */
export const identityRevisions: readonly Revision[] = [
  declare('identity', 'Registered', registered, (args) => ({
    agent_id: args.agentId.toString(),
    owner: args.owner.toLowerCase(),
    token_uri: storableText(args.agentURI),
  })),
  declare('identity', 'MetadataSet', metadataSet, (args) => ({
    agent_id: args.agentId.toString(),
    metadata_key: storableText(args.metadataKey),
    metadata_value: args.metadataValue.toLowerCase(),
  })),
  // 12 November 2025 to 1 January 2026. A string may hold any bytes, so they are read as what they are.
  declare(
    'identity',
    'MetadataSet',
    parseAbiItem(
      'event MetadataSet(uint256 indexed agentId, string indexed indexedMetadataKey, string metadataKey, string metadataValue)',
    ),
    (args, data) => ({
      agent_id: args.agentId.toString(),
      metadata_key: storableText(args.metadataKey),
      metadata_value: decodeAbiParameters([{ type: 'bytes' }, { type: 'bytes' }], data)[1],
    }),
  ),
  declare('identity', 'URIUpdated', uriUpdated, (args) => ({
    agent_id: args.agentId.toString(),
    token_uri: storableText(args.newURI),
    updated_by: args.updatedBy.toLowerCase(),
  })),
  // Until 7 January 2026.
  declare(
    'identity',
    'URIUpdated',
    parseAbiItem('event UriUpdated(uint256 indexed agentId, string newUri, address indexed updatedBy)'),
    (args) => ({
      agent_id: args.agentId.toString(),
      token_uri: storableText(args.newUri),
      updated_by: args.updatedBy.toLowerCase(),
    }),
  ),
  declare('identity', 'Transfer', transfer, (args) => ({
    agent_id: args.tokenId.toString(),
    previous_owner: args.from.toLowerCase(),
    owner: args.to.toLowerCase(),
  })),
]
