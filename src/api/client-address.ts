import type { Context } from 'hono'
import { type Cidr, isWithin } from '../outbound/cidr.ts'
import { readAddress } from '../outbound/read-address.ts'

/**
 * Where a request comes from: the peer of its connection, or what trusted proxies say in `X-Forwarded-For`. Whatever stands there to the
 * left of the first address that is no trusted proxy, anybody can have written. `undefined`: it came over no connection.
 */
export function clientAddress(c: Context, trusted: readonly Cidr[]): string | undefined {
  const { incoming } = (c.env ?? {}) as { incoming?: { socket?: { remoteAddress?: string } } }
  // A socket for both families writes IPv4 as ::ffff:192.0.2.7.
  const peer = incoming?.socket?.remoteAddress?.replace(/^::ffff:(?=\d+\.)/i, '')
  if (peer === undefined) return undefined
  const isTrusted = (text: string) => {
    const address = readAddress(text)
    return address !== undefined && trusted.some((range) => isWithin(address, range))
  }
  let address = peer
  const hops = (c.req.header('x-forwarded-for') ?? '').split(',').map((hop) => hop.trim())
  while (isTrusted(address)) {
    const hop = hops.pop()
    if (hop === undefined || readAddress(hop) === undefined) break
    address = hop
  }
  return address
}

/** What is counted together: an address, or with IPv6 the /64 that one customer has. */
export function networkOf(text: string): string {
  const address = readAddress(text)
  if (address === undefined || address.kind() === 'ipv4') return address?.toString() ?? text
  return Buffer.from(address.toByteArray().slice(0, 8)).toString('hex')
}
