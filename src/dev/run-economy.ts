import { setTimeout as delay } from 'node:timers/promises'
import {
  type Account,
  type Address,
  createPublicClient,
  createWalletClient,
  type Hex,
  http,
  type TransactionReceipt,
} from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import type { Registries } from '../chains.ts'
import { anvilMnemonic, localChain, readArtifacts } from './deploy-registries.ts'
import { createWorld, type EconomyAction } from './economy-world.ts'
import { waitForReceipt } from './wait-for-receipt.ts'

export type Economy = {
  /** Decides the next action, sends it, and waits until it is in a block. */
  step(): Promise<{ action: EconomyAction; receipt: TransactionReceipt }>
  /** Goes on step by step until `signal` aborts. */
  run(options: { signal: AbortSignal; actionsPerSecond: number }): Promise<void>
}

/** The demo economy on a local chain whose first accounts are funded. The same seed makes the same sequence of transactions. */
export function createEconomy(options: {
  rpcUrl: string
  chainId: number
  registries: Registries
  seed: number
}): Economy {
  const chain = localChain(options)
  const transport = http(options.rpcUrl)
  const client = createPublicClient({ chain, transport })
  const wallet = createWalletClient({ chain, transport })
  const { contracts } = readArtifacts()
  const world = createWorld(options.seed)
  const accounts = new Map<number, Account>()

  const account = (number: number): Account => {
    const found = accounts.get(number) ?? mnemonicToAccount(anvilMnemonic, { addressIndex: number })
    accounts.set(number, found)
    return found
  }
  const send = async (action: EconomyAction): Promise<Hex> => {
    const { registry, functionName, args } = callOf(action, (number) => account(number).address)
    const abi = contracts[`${registry}Registry`]?.abi
    if (abi === undefined) throw new Error(`artifacts.json lacks the ${registry} registry`)
    const address = options.registries[registry.toLowerCase() as keyof Registries]
    // A fixed gas limit saves a round trip; the local chain has enough of it.
    return wallet.writeContract({
      chain,
      account: account(action.from),
      address,
      abi,
      functionName,
      args,
      gas: 3_000_000n,
    })
  }
  const step: Economy['step'] = async () => {
    const action = world.next()
    const receipt = await waitForReceipt(client, await send(action))
    if (receipt.status !== 'success')
      throw new Error(`The registries refused ${action.type} in block ${receipt.blockNumber}`)
    return { action, receipt }
  }
  return {
    step,
    run: async ({ signal, actionsPerSecond }) => {
      let dueAt = performance.now()
      while (!signal.aborted) {
        await step()
        dueAt = Math.max(dueAt + 1000 / actionsPerSecond, performance.now() - 1000)
        await delay(Math.max(dueAt - performance.now(), 0), undefined, { signal }).catch(() => {})
      }
    },
  }
}

type Call = {
  registry: 'Identity' | 'Reputation' | 'Validation'
  functionName: string
  args: readonly unknown[]
}

function callOf(action: EconomyAction, address: (account: number) => Address): Call {
  switch (action.type) {
    case 'register':
      return { registry: 'Identity', functionName: 'register', args: [action.agentURI, action.metadata] }
    case 'setAgentURI':
      return { registry: 'Identity', functionName: 'setAgentURI', args: [action.agentId, action.newURI] }
    case 'setMetadata':
      return {
        registry: 'Identity',
        functionName: 'setMetadata',
        args: [action.agentId, action.metadataKey, action.metadataValue],
      }
    case 'setAgentWallet':
      return {
        registry: 'Identity',
        functionName: 'setAgentWallet',
        args: [action.agentId, action.newWallet],
      }
    case 'transfer':
      return {
        registry: 'Identity',
        functionName: 'transferFrom',
        args: [address(action.from), address(action.to), action.agentId],
      }
    case 'giveFeedback': {
      const { agentId, value, valueDecimals, tag1, tag2, endpoint, feedbackURI, feedbackHash } = action
      return {
        registry: 'Reputation',
        functionName: 'giveFeedback',
        args: [agentId, value, valueDecimals, tag1, tag2, endpoint, feedbackURI, feedbackHash],
      }
    }
    case 'revokeFeedback':
      return {
        registry: 'Reputation',
        functionName: 'revokeFeedback',
        args: [action.agentId, action.feedbackIndex],
      }
    case 'appendResponse': {
      const { agentId, client, feedbackIndex, responseURI, responseHash } = action
      return {
        registry: 'Reputation',
        functionName: 'appendResponse',
        args: [agentId, address(client), feedbackIndex, responseURI, responseHash],
      }
    }
    case 'validationRequest':
      return {
        registry: 'Validation',
        functionName: 'validationRequest',
        args: [address(action.validator), action.agentId, action.requestURI, action.requestHash],
      }
    case 'validationResponse': {
      const { requestHash, response, responseURI, responseHash, tag } = action
      return {
        registry: 'Validation',
        functionName: 'validationResponse',
        args: [requestHash, response, responseURI, responseHash, tag],
      }
    }
  }
}
