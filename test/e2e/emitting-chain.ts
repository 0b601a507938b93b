import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
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
import { type EventType, registryOf } from '../../src/event.ts'

export type Emission = { event: EventType; args: Record<string, unknown> }

/** A local chain whose registries log whatever a test wants, also what a real registry would never say. */
export type EmittingChain = {
  id: number
  rpcUrl: string
  wsUrl: string
  /** Mines one block with one transaction, whose logs are all of one registry. Returns the signed transaction. */
  emit(...emissions: Emission[]): Promise<Hex>
  mine(blocks: number): Promise<void>
  /** All logs of the canonical chain that the registries have written. */
  getLogs(): Promise<RpcLog[]>
  head(): Promise<number>
  /** Replaces the newest blocks by as many others: empty, but for the given transactions at their places. */
  reorg(depth: number, transactions?: [signed: Hex, block: number][]): Promise<void>
  stop(): Promise<void>
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
      if (t.length == 3) assembly { log3(add(data, 32), mload(data), mload(add(t, 32)), mload(add(t, 64)), mload(add(t, 96))) }
      else assembly { log4(add(data, 32), mload(data), mload(add(t, 32)), mload(add(t, 64)), mload(add(t, 96)), mload(add(t, 128))) }
    }
  }
}`

export async function startEmittingChain(id: number): Promise<EmittingChain> {
  const anvil = spawn(
    process.execPath,
    [
      createRequire(import.meta.url).resolve('@foundry-rs/anvil/bin.mjs'),
      '--port',
      '0',
      '--chain-id',
      String(id),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const address = await new Promise<string>((resolve, reject) => {
    createInterface({ input: anvil.stdout }).on('line', (line) => {
      const found = /^Listening on (\S+)/.exec(line)?.[1]
      if (found !== undefined) resolve(found)
    })
    anvil.once('exit', (code) => reject(new Error(`anvil ended with code ${code}`)))
  })
  const rpcUrl = `http://${address}`
  const registries = knownChains.find((chain) => chain.id === id)?.registries as Registries

  const request = async <T>(method: string, ...params: unknown[]): Promise<T> => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    const response = await fetch(rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    const { result, error } = (await response.json()) as { result: T; error?: { message: string } }
    if (error !== undefined) throw new Error(`${method}: ${error.message}`)
    return result
  }

  const code = compileEmitter()
  for (const registry of Object.values(registries)) await request('anvil_setCode', registry, code)
  await request('evm_mine')

  return {
    id,
    rpcUrl,
    wsUrl: `ws://${address}`,
    emit: async (...emissions) => {
      const [first] = emissions
      const to = registries[registryOf(first?.event ?? 'Registered')]
      const data = encodeFunctionData({ abi: emitAbi, args: [emissions.map(encodeEmission)] })
      const hash = await request<Hex>('eth_sendTransaction', { from: sender, to, data, gas: '0xf00000' })
      return request<Hex>('eth_getRawTransactionByHash', hash)
    },
    mine: async (blocks) => {
      // One by one: anvil_mine of many announces only the last of them.
      for (let mined = 0; mined < blocks; mined++) await request('evm_mine')
    },
    getLogs: () =>
      request('eth_getLogs', { fromBlock: '0x0', toBlock: 'latest', address: Object.values(registries) }),
    head: async () => Number(await request<Hex>('eth_blockNumber')),
    reorg: async (depth, transactions = []) => request('anvil_reorg', depth, transactions),
    stop: async () => {
      if (anvil.exitCode !== null) return
      anvil.kill('SIGTERM')
      await once(anvil, 'exit')
    },
  }
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
