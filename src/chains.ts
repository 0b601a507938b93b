import type { Address } from 'viem'
import { type Registry, registries } from './event.ts'

/** One chain with its three registries, as the indexer needs it. Block numbers are heights on that chain. */
export type Chain = {
  id: number
  name: string
  registries: Registries
  /** The block in which the first registry was deployed. `undefined`: not known; START_BLOCK_<id> must say. */
  startBlock: number | undefined
  /** Registries of the first revisions (October 2025), which are not written to any more, and a block before the first of them. */
  legacy?: { registries: Registries; startBlock: number }
  /** Ask for the newest block at least this often where there is no WebSocket. */
  pollingIntervalMs: number
}

export type Registries = { identity: Address; reputation: Address; validation: Address }

const mainnet: Registries = {
  identity: '0x8004A169FB4a3325136EB29fA0ceB6D2e539a432',
  reputation: '0x8004BAa17C55a88189AE136b182e5fdA19dE9b63',
  validation: '0x8004Cc8439f36fd5F9F049D9fF86523Df6dAAB58',
}

const testnet: Registries = {
  identity: '0x8004A818BFB912233c491871b3d84c89A494BD9e',
  reputation: '0x8004B663056A597Dffe9eCcC1965A193B7388713',
  validation: '0x8004Cb1BF31DAf7788923b405b754f57acEB4272',
}

/** Where anvil's first account deploys our own registries on a fresh local chain (its nonces 0, 1 and 2). */
const local: Registries = {
  identity: '0x5FbDB2315678afecb367f032d93F642f64180aa3',
  reputation: '0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512',
  validation: '0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0',
}

const legacySepolia: Registries = {
  identity: '0x8004a6090Cd10A7288092483047B097295Fb8847',
  reputation: '0x8004B8FD1A363aa02fDC07635C0c5F94f6Af5B7E',
  validation: '0x8004CB39f29c09145F24Ad9dDe2A108C1A2cdfC5',
}

const legacyBaseSepolia: Registries = {
  identity: '0x8004AA63c570c570eBF15376c0dB199918BFe9Fb',
  reputation: '0x8004bd8daB57f14Ed299135749a5CB5c42d341BF',
  validation: '0x8004C269D0A5647E51E121FeB226200ECE932d55',
}

const slow = { pollingIntervalMs: 1000 }
const fast = { pollingIntervalMs: 500 }

/** Every chain with a known deployment of the ERC-8004 registries, and four local ones for development. */
export const knownChains: readonly Chain[] = [
  { id: 1, name: 'ethereum', registries: mainnet, startBlock: 24_339_924, ...slow },
  { id: 10, name: 'optimism', registries: mainnet, startBlock: undefined, ...slow },
  { id: 56, name: 'bsc', registries: mainnet, startBlock: 79_031_671, ...fast },
  { id: 100, name: 'gnosis', registries: mainnet, startBlock: undefined, ...slow },
  { id: 137, name: 'polygon', registries: mainnet, startBlock: 82_458_528, ...slow },
  { id: 143, name: 'monad', registries: mainnet, startBlock: 52_952_898, ...fast },
  { id: 196, name: 'xlayer', registries: mainnet, startBlock: undefined, ...slow },
  { id: 1088, name: 'metis', registries: mainnet, startBlock: undefined, ...slow },
  { id: 1868, name: 'soneium', registries: mainnet, startBlock: undefined, ...slow },
  { id: 2345, name: 'goat', registries: mainnet, startBlock: undefined, ...slow },
  { id: 2741, name: 'abstract', registries: mainnet, startBlock: undefined, ...slow },
  { id: 4326, name: 'megaeth', registries: mainnet, startBlock: undefined, ...fast },
  { id: 5000, name: 'mantle', registries: mainnet, startBlock: undefined, ...slow },
  { id: 8453, name: 'base', registries: mainnet, startBlock: 41_663_799, ...slow },
  { id: 42161, name: 'arbitrum', registries: mainnet, startBlock: undefined, ...fast },
  { id: 42220, name: 'celo', registries: mainnet, startBlock: undefined, ...slow },
  { id: 43114, name: 'avalanche', registries: mainnet, startBlock: undefined, ...slow },
  { id: 59144, name: 'linea', registries: mainnet, startBlock: undefined, ...slow },
  { id: 167000, name: 'taiko', registries: mainnet, startBlock: undefined, ...slow },
  { id: 534352, name: 'scroll', registries: mainnet, startBlock: undefined, ...slow },
  { id: 1187947933, name: 'skale', registries: mainnet, startBlock: undefined, ...slow },

  { id: 97, name: 'bsc-testnet', registries: testnet, startBlock: undefined, ...fast },
  { id: 10143, name: 'monad-testnet', registries: testnet, startBlock: undefined, ...fast },
  { id: 10200, name: 'gnosis-chiado', registries: testnet, startBlock: undefined, ...slow },
  { id: 11124, name: 'abstract-testnet', registries: testnet, startBlock: undefined, ...slow },
  { id: 43113, name: 'avalanche-fuji', registries: testnet, startBlock: undefined, ...slow },
  { id: 59141, name: 'linea-sepolia', registries: testnet, startBlock: undefined, ...slow },
  { id: 59902, name: 'metis-sepolia', registries: testnet, startBlock: undefined, ...slow },
  { id: 80002, name: 'polygon-amoy', registries: testnet, startBlock: undefined, ...slow },
  {
    id: 84532,
    name: 'base-sepolia',
    registries: testnet,
    startBlock: 37_174_254,
    // 7 October 2025, by the chain's two seconds a block
    legacy: { registries: legacyBaseSepolia, startBlock: 32_050_000 },
    ...slow,
  },
  { id: 421614, name: 'arbitrum-sepolia', registries: testnet, startBlock: undefined, ...fast },
  { id: 534351, name: 'scroll-sepolia', registries: testnet, startBlock: undefined, ...slow },
  { id: 11142220, name: 'celo-sepolia', registries: testnet, startBlock: undefined, ...slow },
  {
    id: 11155111,
    name: 'sepolia',
    registries: testnet,
    startBlock: 9_980_000,
    // Before 8 October 2025 also if one slot in fourteen was missed since the Pectra fork (block 7,836,331)
    legacy: { registries: legacySepolia, startBlock: 9_280_000 },
    ...slow,
  },
  { id: 11155420, name: 'optimism-sepolia', registries: testnet, startBlock: undefined, ...slow },

  ...[31337, 31338, 31339, 31340].map((id) => ({
    id,
    name: id === 31337 ? 'local' : `local-${id}`,
    registries: local,
    startBlock: 0,
    pollingIntervalMs: 100,
  })),
]

type Deployed = Pick<Chain, 'id' | 'registries' | 'legacy'> & { startBlock: number }

/** The addresses of one registry on a chain, the current one first. */
export function addressesOf(chain: Pick<Chain, 'registries' | 'legacy'>, registry: Registry): Address[] {
  const current = chain.registries[registry]
  return chain.legacy === undefined ? [current] : [current, chain.legacy.registries[registry]]
}

/** The block from which a chain is to be read. A start block of one's own (START_BLOCK_<id>) holds for the legacy registries too. */
export function firstBlockOf(chain: Deployed): number {
  const known = knownChains.find(({ id }) => id === chain.id)
  const isOwn = chain.startBlock !== known?.startBlock
  return isOwn || chain.legacy === undefined ? chain.startBlock : chain.legacy.startBlock
}

const registryByAddress = new Map(
  knownChains.flatMap((chain) =>
    registries.flatMap((registry) =>
      addressesOf(chain, registry).map(
        (address) => [`${chain.id} ${address.toLowerCase()}`, registry] as const,
      ),
    ),
  ),
)

/** Which registry has this address, whatever its case. */
export function registryAt(chainId: number, address: string): Registry | undefined {
  return registryByAddress.get(`${chainId} ${address.toLowerCase()}`)
}
