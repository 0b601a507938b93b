import { setTimeout as delay } from 'node:timers/promises'
import { createWalletClient, type Hex, http } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { loadConfig } from '../src/config.ts'
import { anvilMnemonic, localChain, readArtifacts } from '../src/dev/deploy-registries.ts'
import { createScratchDatabase } from '../src/dev/scratch-database.ts'
import { startWebhookReceiver } from '../src/dev/webhook-receiver.ts'
import { openInstallation } from '../src/installation.ts'
import { createShutdown, type Shutdown } from '../src/shutdown.ts'
import { startStack } from '../test/support/stack.ts'
import { percentiles } from './percentiles.ts'

const warmUps = 5
const samples = 60

/**
 * From a block to its row in `events` and to the webhook, on an idle system over WebSocket: one transaction, one match and
 * one delivery a block, on a real local chain with all roles running. The clock starts before the block is asked for, so
 * that mining counts; the row is there when another connection reads it.
 */
export async function latency(): Promise<unknown> {
  const shutdown = createShutdown()
  try {
    return await measure(shutdown)
  } finally {
    await shutdown.run()
  }
}

async function measure(shutdown: Shutdown): Promise<unknown> {
  const { databaseUrl } = await openInstallation(loadConfig(), shutdown, console.error)
  const { url } = await createScratchDatabase(databaseUrl, 'tocsin_bench', shutdown)
  const stack = await startStack(url)
  shutdown.add(stack.stop)

  const arrivedAt = new Map<string, number>()
  const receiver = await startWebhookReceiver(({ body }) => {
    const { event } = body as { event: { transaction_hash: string } }
    arrivedAt.set(event.transaction_hash, performance.now())
  })
  shutdown.add(receiver.close)
  await stack.createTrigger({
    name: 'A new agent',
    chain_id: stack.chain.chainId,
    registry: 'identity',
    conditions: [{ condition_type: 'event_type_equals', value: 'Registered' }],
    actions: [{ action_type: 'rest', config: { url: receiver.url } }],
  })

  await stack.chain.call('evm_setAutomine', [false])
  const register = createRegister(stack)
  const toRow: number[] = []
  const toReceiver: number[] = []
  for (let sample = -warmUps; sample < samples; sample += 1) {
    // Idle in between, and never in step with anybody's timer.
    await delay(150 + 17 * ((sample + warmUps) % 7))
    const hash = await register()
    const startedAt = performance.now()
    await stack.chain.call('evm_mine')
    while ((await stack.db`select from events where transaction_hash = ${hash}`).length === 0) await delay(1)
    const rowAt = performance.now()
    while (!arrivedAt.has(hash)) await delay(1)
    if (sample < 0) continue
    toRow.push(rowAt - startedAt)
    toReceiver.push((arrivedAt.get(hash) ?? Number.NaN) - startedAt)
  }
  return { blockToRow: percentiles(toRow), blockToReceiver: percentiles(toReceiver) }
}

/** Sends a registration that waits for the next block; returns its transaction's hash. */
function createRegister({ chain, registries }: Awaited<ReturnType<typeof startStack>>): () => Promise<Hex> {
  const abi = readArtifacts().contracts.IdentityRegistry?.abi ?? []
  const account = mnemonicToAccount(anvilMnemonic, { addressIndex: 1 })
  const wallet = createWalletClient({ account, chain: localChain(chain), transport: http(chain.rpcUrl) })
  return () =>
    wallet.writeContract({
      address: registries.identity,
      abi,
      functionName: 'register',
      args: [''],
      gas: 500_000n,
    })
}
