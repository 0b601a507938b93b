import { createConfig } from 'ponder'
import type { identityAbi } from './indexer/abi.ts'
import { abiOf } from './indexer/revisions/find-revision.ts'
import { addressesOf, firstBlockOf } from './src/chains.ts'
import { loadConfig } from './src/config.ts'
import type { Registry } from './src/event.ts'

const { chains, databaseUrl } = loadConfig()

/** One registry on every chain that is switched on, with every revision of its events at each of its addresses. */
function contract(registry: Registry) {
  return {
    // For Ponder's types one event will do: what surrounds the arguments is the same for all.
    abi: abiOf(registry) as unknown as typeof identityAbi,
    chain: Object.fromEntries(
      chains.map((chain) => [
        chain.name,
        { address: addressesOf(chain, registry), startBlock: firstBlockOf(chain) },
      ]),
    ),
  }
}

export default createConfig({
  ...(databaseUrl === undefined ? {} : { database: { kind: 'postgres', connectionString: databaseUrl } }),
  // Each chain in its own order. 'omnichain' would hold all of them back for one that is idle.
  ordering: 'multichain',
  chains: Object.fromEntries(
    chains.map((chain) => [
      chain.name,
      {
        id: chain.id,
        rpc: chain.rpcUrl,
        ...(chain.wsUrl === undefined ? {} : { ws: chain.wsUrl }),
        pollingInterval: chain.pollingIntervalMs,
      },
    ]),
  ),
  contracts: {
    identity: contract('identity'),
    reputation: contract('reputation'),
    validation: contract('validation'),
  },
})
