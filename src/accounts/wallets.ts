import { createPublicClient, http, isHex, recoverMessageAddress } from 'viem'
import { generateSiweNonce, parseSiweMessage, validateSiweMessage } from 'viem/siwe'

/** Where a signature of a smart wallet can be checked, by chain id. */
export type RpcUrls = ReadonlyMap<number, string>

export type WalletProof = { message: string; signature: string }

/** What a message says that can be relied on, once its signature is checked. */
export type SignInMessage = { address: `0x${string}`; nonce: string; chainId: number }

/** For how long a nonce is good. */
export const nonceLifeMs = 10 * 60 * 1000

const rpcTimeoutMs = 5_000

export const makeNonce = generateSiweNonce

/**
 * Reads an EIP-4361 message, and checks all that can be checked without its signature and its nonce's record: whom it is for, and when.
 *
 * @param origin of this installation, such as https://tocsin.example.com.
 * @returns what is wrong with it, or what it says.
 */
export function readSignInMessage(
  text: string,
  { origin, time = new Date() }: { origin: string; time?: Date },
): { problem: string } | SignInMessage {
  const message = parseSiweMessage(text)
  const { address, nonce, chainId, uri, version, expirationTime, notBefore } = message
  if (!address || !nonce || !chainId || !uri || version !== '1') {
    return {
      problem: 'expected a message as EIP-4361 has it, with address, nonce, chain id, URI and version 1',
    }
  }
  const { host, protocol } = new URL(origin)
  if (message.domain !== host) {
    return {
      problem: `the message is for ${JSON.stringify(message.domain)}, expected ${JSON.stringify(host)}`,
    }
  }
  if (!URL.canParse(uri) || new URL(uri).origin !== new URL(origin).origin) {
    return { problem: `the URI of the message is not one of ${origin}` }
  }
  if (expirationTime !== undefined && !(time < expirationTime)) return { problem: 'the message has expired' }
  if (notBefore !== undefined && !(time >= notBefore)) return { problem: 'the message is not good yet' }
  const scheme = message.scheme === undefined ? undefined : protocol.slice(0, -1)
  if (!validateSiweMessage({ message, address, domain: host, nonce, time, ...(scheme ? { scheme } : {}) })) {
    return { problem: 'the message is not for this installation' }
  }
  return { address, nonce, chainId }
}

/**
 * Whether the wallet signed the message. Of a wallet with a key of its own that is seen offline. A smart wallet is asked itself (ERC-1271, or
 * ERC-6492 while it is not deployed), where there is an endpoint for its chain.
 */
export async function isSignedBy(
  { message, signature }: WalletProof,
  { address, chainId }: SignInMessage,
  rpcUrls: RpcUrls,
): Promise<boolean | 'no endpoint'> {
  if (!isHex(signature)) return false
  const signer = await recoverMessageAddress({ message, signature }).catch(() => undefined)
  if (signer?.toLowerCase() === address.toLowerCase()) return true
  const url = rpcUrls.get(chainId)
  if (url === undefined) return 'no endpoint'
  const client = createPublicClient({ transport: http(url, { timeout: rpcTimeoutMs, retryCount: 1 }) })
  if ((await client.getChainId()) !== chainId) return false
  return client.verifyMessage({ address, message, signature })
}
