import ipaddr from 'ipaddr.js'
import { type Cidr, isWithin } from './cidr.ts'
import { type IpAddress, readAddress } from './read-address.ts'

/** What the operator decided: OUTBOUND_ALLOW and OUTBOUND_DENY. Two empty lists leave only the public internet. */
export type OutboundPolicy = { allow: readonly Cidr[]; deny: readonly Cidr[] }

/** The kind of the addresses of the machine that asks. */
export const ownKind = 'this machine'

/**
 * `listed`: OUTBOUND_ALLOW was needed for it. `denied`: OUTBOUND_DENY refuses it, so that nothing can allow it.
 * `kind` is a word for people, such as "loopback".
 */
export type AddressVerdict =
  | { allowed: true; listed: boolean }
  | { allowed: false; denied: boolean; kind: string }

/**
 * Decides whether an address may be called. OUTBOUND_DENY wins over OUTBOUND_ALLOW, which wins over the built-in rule: only
 * globally routable unicast. An IPv6 address that carries an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo) is
 * judged by both, since a gateway on the way takes it to either.
 *
 * @param text An address as DNS or a socket gives it: four decimal parts, or IPv6. Anything else is refused.
 * @param own The addresses of this machine, as text. A public one of them is refused too: what listens there behind a
 *   firewall is open to whoever calls from the machine itself.
 */
export function judgeAddress(
  text: string,
  { allow, deny }: OutboundPolicy,
  own: ReadonlySet<string> = new Set(),
): AddressVerdict {
  // A zone names a network card of this machine: nothing public has one.
  if (text.includes('%')) return { allowed: false, denied: false, kind: 'link-local' }
  const address = readAddress(text)
  if (address === undefined) return { allowed: false, denied: false, kind: 'unreadable' }
  const forms = formsOf(address)
  if (forms.some((form) => isListed(form, deny))) return { allowed: false, denied: true, kind: 'denied' }
  let listed = false
  for (const form of forms) {
    const kind = specialKind(form) ?? (own.has(form.toString()) ? ownKind : undefined)
    if (kind === undefined) continue
    if (!isListed(form, allow)) return { allowed: false, denied: false, kind }
    listed = true
  }
  return { allowed: true, listed }
}

function isListed(address: IpAddress, ranges: readonly Cidr[]): boolean {
  return ranges.some((range) => isWithin(address, range))
}

/** Words for the ranges of ipaddr.js. Those that have none are "reserved". */
const words: Record<string, string> = {
  private: 'private',
  uniqueLocal: 'private',
  loopback: 'loopback',
  linkLocal: 'link-local',
  carrierGradeNat: 'carrier NAT',
  multicast: 'multicast',
  broadcast: 'broadcast',
  unspecified: 'unspecified',
  benchmarking: 'benchmarking',
}

/** What ipaddr.js calls by a wider name, or takes for public. The last words are said first. */
const named = (
  [
    ['cloud metadata', '169.254.169.254/32'],
    ['cloud metadata', 'fd00:ec2::254/128'],
    // Azure's, a public address that answers only to the machines of its own cloud.
    ['cloud metadata', '168.63.129.16/32'],
    ['benchmarking', '198.18.0.0/15'],
    ['documentation', '192.0.2.0/24'],
    ['documentation', '198.51.100.0/24'],
    ['documentation', '203.0.113.0/24'],
    ['documentation', '2001:db8::/32'],
    ['documentation', '3fff::/20'],
  ] as const
).map(([kind, text]) => ({ kind, ...rangeOf(text) }))

const globalUnicast = rangeOf('2000::/3')
const nat64 = rangeOf('64:ff9b::/96')
const localNat64 = rangeOf('64:ff9b:1::/48')
const sixToFour = rangeOf('2002::/16')
const teredo = rangeOf('2001::/32')
const compatible = rangeOf('::/96')
const translated = rangeOf('::ffff:0:0:0/96')

/** What an address is, if it is anything but globally routable unicast. */
function specialKind(address: IpAddress): string | undefined {
  const found = named.find((range) => isWithin(address, range))
  if (found !== undefined) return found.kind
  // The only translation prefix that IANA calls globally reachable: networks without IPv4 reach all of it this way.
  if (isWithin(address, nat64)) return undefined
  const range = address.range()
  if (range !== 'unicast') return words[range] ?? 'reserved'
  // Of IPv6, only 2000::/3 is given out: the rest is not routed, whatever a list of ranges has not heard of yet.
  return address.kind() === 'ipv6' && !isWithin(address, globalUnicast) ? 'reserved' : undefined
}

/** The addresses that one address may end up at. A mapped one is nothing but its IPv4 address. */
function formsOf(address: IpAddress): IpAddress[] {
  if (address.kind() === 'ipv4') return [address]
  const bytes = address.toByteArray()
  const four = (start: number, mask = 0) =>
    new ipaddr.IPv4(bytes.slice(start, start + 4).map((byte) => byte ^ mask))
  if (address.range() === 'ipv4Mapped') return [four(12)]
  if (isWithin(address, sixToFour)) return [address, four(2)]
  // Its server, and its client with every bit turned over (RFC 4380).
  if (isWithin(address, teredo)) return [address, four(4), four(12, 0xff)]
  const endsInFour = [nat64, localNat64, compatible, translated].some((range) => isWithin(address, range))
  // :: and ::1 are compatible addresses by their form only.
  const isOwn = ['unspecified', 'loopback'].includes(address.range())
  return endsInFour && !isOwn ? [address, four(12)] : [address]
}

function rangeOf(text: string): Cidr {
  const [base, prefixBits] = ipaddr.parseCIDR(text)
  return { text, base, prefixBits }
}
