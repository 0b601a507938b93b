import { createConfig } from 'ponder'
import { identityAbi, reputationAbi, validationAbi } from './indexer/abi.ts'
import { loadConfig } from './src/config.ts'
import type { Registry } from './src/event.ts'

const { chains, databaseUrl } = loadConfig()

/** The contract of one registry on every chain that is switched on. */
function deployments(registry: Registry) {
  return Object.fromEntries(
    chains.map((chain) => [
      chain.name,
      { address: chain.registries[registry], startBlock: chain.startBlock },
    ]),
  )
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
    identity: { abi: identityAbi, chain: deployments('identity') },
    reputation: { abi: reputationAbi, chain: deployments('reputation') },
    validation: { abi: validationAbi, chain: deployments('validation') },
  },
})
