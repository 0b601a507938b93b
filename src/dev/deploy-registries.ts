import { readFileSync } from 'node:fs'
import {
  createPublicClient,
  createWalletClient,
  defineChain,
  getContractAddress,
  http,
  isAddressEqual,
} from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { knownChains, type Registries } from '../chains.ts'
import { UserError } from '../errors.ts'
import type { Artifacts } from './compile-registries.ts'
import { waitForReceipt } from './wait-for-receipt.ts'

/** Anvil's own: its accounts are the same on every machine and worth nothing. */
export const anvilMnemonic = 'test test test test test test test test test test test junk'

/** ABI and bytecode of our registries, as compiled by compile-registries.ts. */
export function readArtifacts(): Artifacts {
  return JSON.parse(
    readFileSync(new URL('./registries/artifacts.json', import.meta.url), 'utf8'),
  ) as Artifacts
}

/** A viem chain for a local chain: nothing but where it is. */
export function localChain({ rpcUrl, chainId }: { rpcUrl: string; chainId: number }) {
  return defineChain({
    id: chainId,
    name: 'local',
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  })
}

/**
 * Deploys the three registries from anvil's first account. On a fresh chain they get the addresses that
 * src/chains.ts has for local chains; where they are already, nothing is done.
 *
 * @throws UserError when the account has sent other transactions before, so that the addresses would be others.
 */
export async function deployRegistries(options: { rpcUrl: string; chainId: number }): Promise<Registries> {
  const chain = localChain(options)
  const transport = http(options.rpcUrl)
  const client = createPublicClient({ chain, transport })
  const wallet = createWalletClient({ chain, transport, account: mnemonicToAccount(anvilMnemonic) })
  const expected = knownChains.find(({ id }) => id === options.chainId)?.registries
  if (expected === undefined)
    throw new UserError(`${options.chainId} is not one of the local chain ids in src/chains.ts.`)

  const { contracts } = readArtifacts()
  for (const [nonce, name] of (['identity', 'reputation', 'validation'] as const).entries()) {
    const address = expected[name]
    if ((await client.getCode({ address })) !== undefined) continue
    const artifact = contracts[`${name[0]?.toUpperCase()}${name.slice(1)}Registry`]
    if (artifact === undefined) throw new Error(`artifacts.json lacks the ${name} registry`)
    const sent = await client.getTransactionCount({ address: wallet.account.address })
    if (
      sent !== nonce ||
      !isAddressEqual(address, getContractAddress({ from: wallet.account.address, nonce: BigInt(nonce) }))
    ) {
      throw new UserError(
        'The registries can be deployed on a fresh local chain only: its first account has been used already.',
      )
    }
    const hash = await wallet.deployContract({ abi: artifact.abi, bytecode: artifact.bytecode })
    await waitForReceipt(client, hash)
  }
  return expected
}
