import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type AbiEvent, createPublicClient, http, parseEventLogs, toHex } from 'viem'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { identityAbi, reputationAbi, validationAbi } from '../../indexer/abi.ts'
import { knownChains, type Registries } from '../../src/chains.ts'
import { deployRegistries } from '../../src/dev/deploy-registries.ts'
import { createWorld, economyAccounts } from '../../src/dev/economy-world.ts'
import { createEconomy } from '../../src/dev/run-economy.ts'
import { type LocalChain, startAnvil } from '../../src/dev/start-anvil.ts'
import { UserError } from '../../src/errors.ts'
import { type EventType, eventTypes } from '../../src/event.ts'
import { until } from '../support/until.ts'

const steps = 80
const abi = [...identityAbi, ...reputationAbi, ...validationAbi]

describe('the demo economy on a local chain', () => {
  let chain: LocalChain
  let registries: Registries
  let actions: unknown[]
  let logs: Awaited<ReturnType<typeof readLogs>>

  beforeAll(async () => {
    chain = await startAnvil({ accounts: economyAccounts })
    registries = await deployRegistries(chain)
    actions = await play(chain, registries, 1)
    logs = await readLogs(chain, registries)
  })
  afterAll(() => chain?.stop())

  test('logs all nine event types', () => {
    const types = new Set(logs.map(({ eventName }) => eventName))
    expect([...types].sort()).toEqual(Object.values(eventTypes).flat().sort())
  })

  test('sends what its seed decides, one transaction a block', async () => {
    const world = createWorld(1)
    expect(actions).toEqual(Array.from({ length: steps }, () => world.next()))
    // Three blocks hold the registries.
    expect(Number(await chain.call('eth_blockNumber'))).toBe(steps + 3)
  })

  test('logs the same on another chain with the same seed', async () => {
    const other = await startAnvil({ accounts: economyAccounts })
    onTestFinished(() => other.stop())
    const otherRegistries = await deployRegistries(other)
    await play(other, otherRegistries, 1)

    const told = (list: typeof logs) =>
      list.map(({ eventName, args, topics }) => ({ eventName, args, topics }))
    expect(told(await readLogs(other, otherRegistries))).toEqual(told(logs))
  })

  test('sends nothing that the registries refuse, also with other seeds', async () => {
    const other = await startAnvil({ accounts: economyAccounts })
    onTestFinished(() => other.stop())
    const otherRegistries = await deployRegistries(other)
    for (const seed of [2, 3]) {
      const snapshot = await other.call('evm_snapshot')
      await play(other, otherRegistries, seed, 150)
      await other.call('evm_revert', [snapshot])
    }
  })

  test('registers with Transfer, Registered, the wallet, then other metadata', () => {
    const transactions = transactionsWith(logs, 'Registered')
    const withMetadata = transactions.filter((transaction) => transaction.length > 3)
    expect(withMetadata.length).toBeGreaterThan(0)
    expect(withMetadata.length).toBeLessThan(transactions.length)

    for (const transaction of transactions) {
      const [minted, registered, wallet, ...others] = transaction
      const { agentId, owner } = argsOf(registered)
      expect(minted?.eventName).toBe('Transfer')
      expect(argsOf(minted)).toEqual({ from: `0x${'0'.repeat(40)}`, to: owner, tokenId: agentId })
      expect(registered?.eventName).toBe('Registered')
      expect(argsOf(wallet)).toMatchObject({
        agentId,
        metadataKey: 'agentWallet',
        metadataValue: String(owner).toLowerCase(),
      })
      expect(others.every((log) => log.eventName === 'MetadataSet')).toBe(true)
      expect(others.map((log) => argsOf(log).metadataKey)).not.toContain('agentWallet')
    }
  })

  test('numbers agents from 0', () => {
    const ids = logs.filter(({ eventName }) => eventName === 'Registered').map((log) => argsOf(log).agentId)
    expect(ids).toEqual(ids.map((_, position) => BigInt(position)))
  })

  test('clears the wallet before the Transfer to a new owner', () => {
    const transfers = transactionsWith(logs, 'Transfer').filter(
      (transaction) => !transaction.some(({ eventName }) => eventName === 'Registered'),
    )
    expect(transfers.length).toBeGreaterThan(0)
    for (const [cleared, transfer, ...rest] of transfers) {
      expect(argsOf(cleared)).toMatchObject({ metadataKey: 'agentWallet', metadataValue: '0x' })
      expect(transfer?.eventName).toBe('Transfer')
      expect(argsOf(cleared).agentId).toBe(argsOf(transfer).tokenId)
      expect(rest).toEqual([])
    }
  })

  test('counts feedback from 1 for each agent and client', () => {
    const counts = new Map<string, bigint>()
    for (const log of logs.filter(({ eventName }) => eventName === 'NewFeedback')) {
      const { agentId, clientAddress, feedbackIndex } = argsOf(log)
      const key = `${agentId} ${clientAddress}`
      const expected = (counts.get(key) ?? 0n) + 1n
      expect(feedbackIndex).toBe(expected)
      counts.set(key, expected)
    }
    expect([...counts.values()].some((count) => count > 1n)).toBe(true)
  })
})

describe('deployRegistries', () => {
  test('deploys to the addresses that are known for local chains, and only once', async () => {
    const chain = await startAnvil({ chainId: 31339 })
    onTestFinished(() => chain.stop())
    const expected = knownChains.find(({ id }) => id === 31339)?.registries

    expect(await deployRegistries(chain)).toEqual(expected)
    expect(await deployRegistries(chain)).toEqual(expected)
    expect(Number(await chain.call('eth_blockNumber'))).toBe(3)
    for (const address of Object.values(expected ?? {})) {
      expect(await chain.call('eth_getCode', [address, 'latest'])).not.toBe('0x')
    }
  })

  test('refuses a chain whose first account has been used, since the addresses would be others', async () => {
    const chain = await startAnvil()
    onTestFinished(() => chain.stop())
    const [first] = (await chain.call('eth_accounts')) as string[]
    const sent = await chain.call('eth_sendTransaction', [{ from: first, to: first, value: toHex(1) }])
    await until('it is mined', () => chain.call('eth_getTransactionReceipt', [sent]))

    const refusal = deployRegistries(chain)
    await expect(refusal).rejects.toThrow(UserError)
    await expect(refusal).rejects.toThrow('fresh local chain')
  })
})

describe('startAnvil', () => {
  test('mines at intervals when asked to', async () => {
    const chain = await startAnvil({ blockTimeSeconds: 1 })
    onTestFinished(() => chain.stop())
    await until('a block without a transaction', async () => Number(await chain.call('eth_blockNumber')) > 0)
  })

  test('names the port that is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const { port } = server.address() as { port: number }

    const refusal = startAnvil({ port })
    await expect(refusal).rejects.toThrow(UserError)
    await expect(refusal).rejects.toThrow(String(port))
  })

  test('leaves nothing behind after stop, and takes a second stop', async () => {
    const chain = await startAnvil()
    expect(isAlive(chain.pid)).toBe(true)
    await chain.stop()
    await chain.stop()
    expect(isAlive(chain.pid)).toBe(false)
  })

  test('leaves nothing behind after stop when its guard was killed with -9', async () => {
    const chain = await startAnvil()
    const guard = Number(execFileSync('ps', ['-o', 'ppid=', '-p', String(chain.pid)], { encoding: 'utf8' }))
    process.kill(guard, 'SIGKILL')
    await chain.stop()
    await until('anvil to end', () => !isAlive(chain.pid), 2000)
  })

  test('ends within 2 s when its parent is killed with -9', async () => {
    const { parent, anvil } = await startParent('setInterval(() => {}, 1000)')
    parent.kill('SIGKILL')
    await until('anvil to end', () => !isAlive(anvil), 2000)
  })

  test('does not end by Ctrl-C, which goes to the whole terminal: its parent decides when', async () => {
    const { parent, anvil, lines } = await startParent(`
      setInterval(() => {}, 1000)
      process.on('SIGINT', async () => {
        for (let block = 0; block < 300; block++) await chain.call('evm_mine')
        await chain.stop()
        console.log('stopped in peace')
        process.exit()
      })
    `)
    process.kill(-Number(parent.pid), 'SIGINT')
    const { value: line } = await lines.next()
    expect(line).toBe('stopped in peace')
    expect(isAlive(anvil)).toBe(false)
  })

  test('does not keep a process alive that forgot it', async () => {
    const { parent, anvil } = await startParent('')
    if (parent.exitCode === null) await once(parent, 'exit', { signal: AbortSignal.timeout(20_000) })
    expect(parent.exitCode).toBe(0)
    await until('anvil to end', () => !isAlive(anvil), 2000)
  })

  test('is waited for by a process that has nothing left to do but stop it', async () => {
    const { parent, lines } = await startParent(`
      // Without connections nothing but the chain itself is left.
      process.once('beforeExit', async () => {
        await chain.stop()
        console.log('stopped')
      })
    `)
    const { value: line } = await lines.next()
    expect(line).toBe('stopped')
    if (parent.exitCode === null) await once(parent, 'exit')
    expect(parent.exitCode).toBe(0)
  })
})

async function play(
  chain: LocalChain,
  registries: Registries,
  seed: number,
  count = steps,
): Promise<unknown[]> {
  const economy = createEconomy({ ...chain, registries, seed })
  const actions = []
  for (let step = 0; step < count; step++) actions.push((await economy.step()).action)
  return actions
}

/** All logs of the registries in chain order, decoded with the ABIs of the indexer. Strict: none may be undecodable. */
async function readLogs(chain: LocalChain, registries: Registries) {
  const client = createPublicClient({ transport: http(chain.rpcUrl) })
  const logs = await client.getLogs({ address: Object.values(registries), fromBlock: 0n })
  const decoded = parseEventLogs({ abi: abi as AbiEvent[], logs, strict: true })
  expect(decoded.length).toBe(logs.length)
  return decoded
}

type DecodedLog = Awaited<ReturnType<typeof readLogs>>[number]

function argsOf(log: DecodedLog | undefined): Record<string, unknown> {
  return (log?.args ?? {}) as Record<string, unknown>
}

/** The logs of each transaction that logged an event of this type. */
function transactionsWith(logs: readonly DecodedLog[], type: EventType): DecodedLog[][] {
  const groups = new Map<string, DecodedLog[]>()
  for (const log of logs) groups.set(log.transactionHash, [...(groups.get(log.transactionHash) ?? []), log])
  return [...groups.values()].filter((group) => group.some(({ eventName }) => eventName === type))
}

/** Another process, in a process group of its own, that has started a chain as `chain` and run `script`. */
async function startParent(
  script: string,
): Promise<{ parent: ChildProcess; anvil: number; lines: AsyncIterator<string, undefined> }> {
  const source = `
    import { startAnvil } from ${JSON.stringify(new URL('../../src/dev/start-anvil.ts', import.meta.url).href)}
    const chain = await startAnvil()
    ${script}
    console.log(chain.pid)
  `
  const parent = spawn(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), '--input-type=module', '--eval', source],
    { detached: true, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  onTestFinished(() => void parent.kill('SIGKILL'))
  const lines = createInterface({ input: parent.stdout })[Symbol.asyncIterator]()
  const { value } = await lines.next()
  const anvil = Number(value)
  expect(anvil).toBeGreaterThan(0)
  return { parent, anvil, lines }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('a guard whose starter is gone before it has begun ends its program all the same', async () => {
  const guard = fork(
    fileURLToPath(new URL('../../src/dev/child-guard.mjs', import.meta.url)),
    [process.execPath, '-e', 'setTimeout(() => {}, 60_000)'],
    { execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] },
  )
  guard.disconnect()
  // The program has the same stderr: it closes when both are gone.
  guard.stderr?.resume()
  await once(guard.stderr ?? guard, 'close', { signal: AbortSignal.timeout(5_000) })
})
