import { toEventSelector } from 'viem'
import { describe, expect, it } from 'vitest'
import { identityAbi, reputationAbi, validationAbi } from '../../indexer/abi.ts'
import { eventTypes, registries } from '../../src/event.ts'
import { topicHashes } from '../support/topic-hashes.ts'

const abis = { identity: identityAbi, reputation: reputationAbi, validation: validationAbi }

describe.each(registries)('the %s ABI', (registry) => {
  const abi = abis[registry]

  it('has exactly the event types of its registry', () => {
    expect(abi.map(({ name }) => name).sort()).toEqual([...eventTypes[registry]].sort())
  })

  it.each([...abi])('finds $name on chains by the topic of the final revision', (event) => {
    expect(toEventSelector(event)).toBe(topicHashes[event.name])
  })
})

// Topic 0 does not cover which arguments are indexed, so a slip here would decode garbage, or nothing.
it.each(
  Object.entries({
    Registered: ['agentId', 'owner'],
    MetadataSet: ['agentId', 'indexedMetadataKey'],
    URIUpdated: ['agentId', 'updatedBy'],
    Transfer: ['from', 'to', 'tokenId'],
    NewFeedback: ['agentId', 'clientAddress', 'indexedTag1'],
    FeedbackRevoked: ['agentId', 'clientAddress', 'feedbackIndex'],
    ResponseAppended: ['agentId', 'clientAddress', 'responder'],
    ValidationRequest: ['validatorAddress', 'agentId', 'requestHash'],
    ValidationResponse: ['validatorAddress', 'agentId', 'requestHash'],
  } satisfies Record<keyof typeof topicHashes, string[]>),
)('%s indexes %j', (name, indexed) => {
  const event = Object.values(abis)
    .flatMap((abi) => [...abi])
    .find((item) => item.name === name)
  expect(event?.inputs.filter((input) => 'indexed' in input).map((input) => input.name)).toEqual(indexed)
})
