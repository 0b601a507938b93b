import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

export type IpAddress = ipaddr.IPv4 | ipaddr.IPv6

/** An address in its one strict spelling: four decimal parts, or IPv6 without a zone. Anything else is undefined. */
export function readAddress(text: string): IpAddress | undefined {
  if (isIP(text) === 0 || text.includes('%')) return undefined
  // ipaddr.js takes ::8.8.8.8 for ::ffff:8.8.8.8, which is another address. Without dots there is no doubt.
  const isMixed = text.includes(':') && text.includes('.')
  return ipaddr.parse(isMixed ? new URL(`http://[${text}]`).hostname.slice(1, -1) : text)
}
