import { type AbiEvent, parseAbiItem } from 'viem'
import { registryAt } from '../../src/chains.ts'
import { type Registry, registries } from '../../src/event.ts'
import { identityRevisions } from './identity.ts'
import { reputationRevisions } from './reputation.ts'
import { declare, type Revision } from './revision.ts'
import { validationRevisions } from './validation.ts'

/** Every declaration of an event that a registry has had. All registries are upgradeable proxies. */
export const revisions: readonly Revision[] = [
  ...identityRevisions,
  ...reputationRevisions,
  ...validationRevisions,
  ...registries.map((registry) =>
    declare(registry, 'Upgraded', parseAbiItem('event Upgraded(address indexed implementation)'), () => ({})),
  ),
]

const byTopic = new Map<string, Revision[]>(
  revisions.map(({ topic0 }) => [topic0, revisions.filter((revision) => revision.topic0 === topic0)]),
)

/**
 * The revision by which a log is to be read. The topic alone does not decide: what was logged under it may have been something
 * else at the time, and all registries have some events in common.
 *
 * @returns `undefined` for a log that must not be read as any of them.
 */
export function findRevision(place: {
  chainId: number
  block: { timestamp: bigint }
  log: { address: string; topics: readonly (string | null)[] }
}): Revision | undefined {
  const found = byTopic.get(place.log.topics[0]?.toLowerCase() ?? '') ?? []
  const registry = found.length > 1 ? registryAt(place.chainId, place.log.address) : undefined
  const revision = found.find((candidate) => registry === undefined || candidate.registry === registry)
  return revision !== undefined && place.block.timestamp >= BigInt(revision.sinceS) ? revision : undefined
}

/** All revisions of the events of a registry, for Ponder. */
export function abiOf(registry: Registry): AbiEvent[] {
  return revisions.filter((revision) => revision.registry === registry).map(({ item }) => item)
}

/** What Ponder calls an event: its name, or its whole declaration where the ABI has several of that name. */
export function ponderName({ registry, item }: Revision): string {
  const namesakes = abiOf(registry).filter(({ name }) => name === item.name)
  if (namesakes.length === 1) return item.name
  const inputs = item.inputs.map(({ type, indexed, name }) => `${type}${indexed ? ' indexed' : ''} ${name}`)
  return `${item.name}(${inputs.join(', ')})`
}
