import { type AbiEvent, toEventSelector } from 'viem'
import { describe, expect, it } from 'vitest'
import { identityAbi, reputationAbi, validationAbi } from '../../indexer/abi.ts'
import { compileRegistries } from '../../src/dev/compile-registries.ts'
import { readArtifacts } from '../../src/dev/deploy-registries.ts'
import { topicHashes } from '../support/topic-hashes.ts'

const artifacts = readArtifacts()
const contracts = [
  ['IdentityRegistry', identityAbi],
  ['ReputationRegistry', reputationAbi],
  ['ValidationRegistry', validationAbi],
] as const

it('artifacts.json is what the Solidity sources compile to', { timeout: 60_000 }, () => {
  const compiled = compileRegistries()
  expect(
    artifacts.sourcesSha256,
    'a source changed: run node --import tsx src/dev/compile-registries.ts',
  ).toBe(compiled.sourcesSha256)
  expect(artifacts).toEqual(compiled)
})

it('there are three contracts, each small enough for a real chain', () => {
  expect(Object.keys(artifacts.contracts)).toEqual(contracts.map(([name]) => name))
  for (const { bytecode } of Object.values(artifacts.contracts)) {
    expect(bytecode).toMatch(/^0x[0-9a-f]{100,49152}$/)
  }
})

describe.each(contracts)('the compiled %s', (contract, indexerAbi) => {
  const events = (artifacts.contracts[contract]?.abi ?? []).filter((item) => item.type === 'event')

  it('emits exactly the events that the indexer knows', () => {
    expect(events.map(({ name }) => name).sort()).toEqual(indexerAbi.map(({ name }) => name).sort())
  })

  it.each([...indexerAbi])('emits $name as the final revision has it', (known) => {
    const compiled = events.find(({ name }) => name === known.name)
    if (compiled === undefined) throw new Error(`${contract} does not emit ${known.name}`)
    expect(toEventSelector(compiled)).toBe(topicHashes[known.name])
    // The hash covers the types only: not which arguments are indexed, nor which of two strings is which.
    expect(argumentsOf(compiled)).toEqual(argumentsOf(known))
  })
})

function argumentsOf(event: AbiEvent) {
  return event.inputs.map(({ name, type, indexed = false }) => ({ name, type, indexed }))
}
