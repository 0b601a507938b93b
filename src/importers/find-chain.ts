import { type Chain, knownChains } from '../chains.ts'

/** What chains are called elsewhere, where it is not our name for them. */
const otherNames: Record<string, string> = {
  mainnet: 'ethereum',
  eth: 'ethereum',
  'ethereum-mainnet': 'ethereum',
  'ethereum-sepolia': 'sepolia',
  matic: 'polygon',
  amoy: 'polygon-amoy',
  xdai: 'gnosis',
  'arbitrum-one': 'arbitrum',
  'avalanche-c-chain': 'avalanche',
  fuji: 'avalanche-fuji',
  bsctest: 'bsc-testnet',
  'bsc-mainnet': 'bsc',
  'linea-mainnet': 'linea',
}

/** The chain with a name of OpenZeppelin Monitor or Defender, or with an id. */
export function findChain(name: string | number): Chain | undefined {
  if (typeof name === 'number') return knownChains.find(({ id }) => id === name)
  const plain = name.toLowerCase().replaceAll('_', '-')
  const ours = otherNames[plain] ?? plain.replace(/-mainnet$/, '')
  return knownChains.find((chain) => chain.name === ours)
}
