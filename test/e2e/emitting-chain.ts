import { createRequire } from 'node:module'
import {
  type AbiEvent,
  encodeAbiParameters,
  encodeEventTopics,
  encodeFunctionData,
  type Hex,
  parseAbi,
  type RpcLog,
} from 'viem'
import { identityAbi, reputationAbi, validationAbi } from '../../indexer/abi.ts'
import { knownChains, type Registries } from '../../src/chains.ts'
import { economyAccounts } from '../../src/dev/economy-world.ts'
import { startAnvil } from '../../src/dev/start-anvil.ts'
import { type EventType, type Registry, registryOf } from '../../src/event.ts'
import { until } from '../support/until.ts'

export type RawLog = { topics: readonly Hex[]; data: Hex }

export type Emission = { event: EventType; args: Record<string, unknown> }

export type TestChain = {
  id: number
  rpcUrl: string
  wsUrl: string
  call(method: string, params?: readonly unknown[]): Promise<unknown>
  mine(blocks: number): Promise<void>
  /** All logs of the canonical chain that the registries have written. */
  getLogs(): Promise<RpcLog[]>
  head(): Promise<number>
  /** Replaces the newest blocks by as many others: empty, but for the given transactions at their places. */
  reorg(depth: number, transactions?: [signed: Hex, block: number][]): Promise<void>
  stop(): Promise<void>
}

/** A local chain whose registries log whatever a test wants, also what a real registry would never say. */
export type EmittingChain = TestChain & {
  /** Mines one block with one transaction, whose logs are all of one registry. Returns the signed transaction. */
  emit(...emissions: Emission[]): Promise<Hex>
  /** As `emit`, with logs as they are on chains: of any revision, or of none. */
  emitRaw(registry: Registry, ...logs: RawLog[]): Promise<Hex>
}

const sender = '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266'
const emitAbi = parseAbi(['struct Log { bytes32[] topics; bytes data; }', 'function emitLogs(Log[] logs)'])

const source = `
pragma solidity ^0.8.0;
contract Emitter {
  struct Log { bytes32[] topics; bytes data; }
  function emitLogs(Log[] calldata logs) external {
    for (uint256 i; i < logs.length; i++) {
      bytes memory data = logs[i].data;
      bytes32[] memory t = logs[i].topics;
      if (t.length == 0) assembly { log0(add(data, 32), mload(data)) }
      else if (t.length == 1) assembly { log1(add(data, 32), mload(data), mload(add(t, 32))) }
      else if (t.length == 2) assembly { log2(add(data, 32), mload(data), mload(add(t, 32)), mload(add(t, 64))) }
      else if (t.length == 3) assembly { log3(add(data, 32), mload(data), mload(add(t, 32)), mload(add(t, 64)), mload(add(t, 96))) }
      else assembly { log4(add(data, 32), mload(data), mload(add(t, 32)), mload(add(t, 64)), mload(add(t, 96)), mload(add(t, 128))) }
    }
  }
}`

/** A fresh chain on which the registries are not deployed yet: the first block belongs to who wants to deploy them. */
export async function startTestChain(id: number): Promise<TestChain> {
  const anvil = await startAnvil({ chainId: id, accounts: economyAccounts })
  const addresses = Object.values(registriesOf(id))
  return {
    id,
    rpcUrl: anvil.rpcUrl,
    wsUrl: anvil.wsUrl,
    call: anvil.call,
    mine: async (blocks) => {
      // One by one: anvil_mine of many announces only the last of them.
      for (let mined = 0; mined < blocks; mined++) await anvil.call('evm_mine')
    },
    getLogs: async () => {
      const filter = { fromBlock: '0x0', toBlock: 'latest', address: addresses }
      return (await anvil.call('eth_getLogs', [filter])) as RpcLog[]
    },
    head: async () => Number(await anvil.call('eth_blockNumber')),
    reorg: async (depth, transactions = []) => void (await anvil.call('anvil_reorg', [depth, transactions])),
    stop: anvil.stop,
  }
}

export async function startEmittingChain(id: number): Promise<EmittingChain> {
  const chain = await startTestChain(id)
  const registries = registriesOf(id)
  const code = compileEmitter()
  for (const registry of Object.values(registries)) await chain.call('anvil_setCode', [registry, code])
  await chain.mine(1)
  const emitRaw: EmittingChain['emitRaw'] = async (registry, ...logs) => {
    const data = encodeFunctionData({ abi: emitAbi, args: [logs] })
    const hash = await chain.call('eth_sendTransaction', [
      { from: sender, to: registries[registry], data, gas: '0xf00000' },
    ])
    // anvil answers before it has mined: who reads the chain's logs at once could miss these.
    await until(`${hash} is mined`, () => chain.call('eth_getTransactionReceipt', [hash]))
    return (await chain.call('eth_getRawTransactionByHash', [hash])) as Hex
  }
  return {
    ...chain,
    emitRaw,
    emit: (...emissions) =>
      emitRaw(registryOf(emissions[0]?.event ?? 'Registered'), ...emissions.map(encodeEmission)),
  }
}

function registriesOf(id: number): Registries {
  const chain = knownChains.find((known) => known.id === id)
  if (chain === undefined) throw new Error(`Chain ${id} is not in src/chains.ts`)
  return chain.registries
}

function encodeEmission({ event, args }: Emission) {
  const abi = [...identityAbi, ...reputationAbi, ...validationAbi]
  const item = abi.find(({ name }) => name === event) as AbiEvent
  const inputs = item.inputs.filter((input) => !input.indexed)
  return {
    topics: encodeEventTopics({ abi, eventName: event, args } as never) as Hex[],
    data: encodeAbiParameters(inputs, inputs.map((input) => args[input.name ?? '']) as never),
  }
}

function compileEmitter(): string {
  const solc = createRequire(import.meta.url)('solc') as { compile(input: string): string }
  const output = JSON.parse(
    solc.compile(
      JSON.stringify({
        language: 'Solidity',
        sources: { 'emitter.sol': { content: source } },
        settings: { outputSelection: { '*': { '*': ['evm.deployedBytecode.object'] } } },
      }),
    ),
  )
  return `0x${output.contracts['emitter.sol'].Emitter.evm.deployedBytecode.object}`
}
