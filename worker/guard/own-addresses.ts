import { networkInterfaces } from 'node:os'
import { readAddress } from '../../src/outbound/read-address.ts'

const keptMs = 10_000
let known: { addresses: ReadonlySet<string>; until: number } | undefined

/** The addresses of this machine's network cards, as ipaddr.js writes them. Kept for ten seconds: asking takes a while. */
export function ownAddresses(): ReadonlySet<string> {
  const now = performance.now()
  if (known === undefined || known.until < now) {
    const all = Object.values(networkInterfaces()).flatMap((cards) => cards ?? [])
    known = {
      addresses: new Set(all.flatMap(({ address }) => readAddress(address)?.toString() ?? [])),
      until: now + keptMs,
    }
  }
  return known.addresses
}
