import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { addressesOf, firstBlockOf } from '../src/chains.ts'
import type { ConfiguredChain } from '../src/config.ts'
import { registries } from '../src/event.ts'

/** What of a chain decides which logs are read. Endpoints and intervals do not. */
export type IndexedChain = Pick<ConfiguredChain, 'id' | 'name' | 'registries' | 'startBlock' | 'legacy'>

/** The files that decide what a log becomes, from the root of the project. */
const sources = [
  'ponder.config.ts',
  'indexer/ponder.schema.ts',
  'indexer/src/index.ts',
  'indexer/src/api/index.ts',
  'indexer/abi.ts',
  'indexer/decode.ts',
  'indexer/read-log.ts',
  'indexer/revisions/bytes32-text.ts',
  'indexer/revisions/find-revision.ts',
  'indexer/revisions/identity.ts',
  'indexer/revisions/reputation.ts',
  'indexer/revisions/revision.ts',
  'indexer/revisions/scale-by-decimals.ts',
  'indexer/revisions/validation.ts',
  'src/event.ts',
  'src/storable-text.ts',
]

/**
 * The name of the Postgres schema in which Ponder keeps its tables. Ponder refuses a schema that other code or another
 * set of contracts has filled, so the name follows from both, and from Ponder's version.
 */
export async function ponderSchemaName(chains: readonly IndexedChain[]): Promise<string> {
  const files = await Promise.all(
    sources.map(
      async (name) =>
        [name, await readFile(fileURLToPath(new URL(`../${name}`, import.meta.url)), 'utf8')] as const,
    ),
  )
  const manifest = new URL('../../package.json', import.meta.resolve('ponder'))
  const { version } = JSON.parse(await readFile(manifest, 'utf8')) as { version: string }
  return hashSchemaName({ files: Object.fromEntries(files), chains, ponderVersion: version })
}

/** `ponder_` and ten hex digits. Does not depend on the order of files or chains. */
export function hashSchemaName(input: {
  files: Record<string, string>
  chains: readonly IndexedChain[]
  ponderVersion: string
}): string {
  const files = Object.entries(input.files).sort(([a], [b]) => (a < b ? -1 : 1))
  const chains = input.chains
    .map((chain) => [
      chain.id,
      chain.name,
      firstBlockOf(chain),
      ...registries.flatMap((registry) =>
        addressesOf(chain, registry).map((address) => address.toLowerCase()),
      ),
    ])
    .sort(([a], [b]) => Number(a) - Number(b))
  const hash = createHash('sha256').update(JSON.stringify([input.ponderVersion, files, chains]))
  return `ponder_${hash.digest('hex').slice(0, 10)}`
}
