import ipaddr from 'ipaddr.js'
import { UserError } from '../errors.ts'
import { type IpAddress, readAddress } from './read-address.ts'

/** A range of addresses as somebody wrote it. */
export type Cidr = { text: string; base: IpAddress; prefixBits: number }

/**
 * Reads ranges separated by commas or spaces: `10.0.0.0/8, fd00::/8`. An address without a length is that one address.
 *
 * @throws UserError that names the first entry that is not a range.
 */
export function parseCidrs(list: string): Cidr[] {
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .map(parseCidr)
}

function parseCidr(text: string): Cidr {
  const [address = '', length, ...rest] = text.split('/')
  const base = readAddress(address)
  if (base === undefined || rest.length > 0) {
    throw new UserError(`${text} is not an address range. Write it like 10.0.0.0/8, fd00::/8 or 192.0.2.7`)
  }
  const bitsMax = base.kind() === 'ipv4' ? 32 : 128
  const prefixBits = length === undefined ? bitsMax : /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN
  if (!(prefixBits <= bitsMax)) {
    throw new UserError(`${text}: the length after the slash must be a whole number from 0 to ${bitsMax}`)
  }
  const beyond = base.toByteArray().some((byte, index) => {
    const keptBits = Math.min(8, Math.max(0, prefixBits - index * 8))
    return (byte & (0xff >> keptBits)) !== 0
  })
  if (beyond) {
    throw new UserError(
      `${text} has bits set after its first ${prefixBits}. Name the first address of the range, or use /${bitsMax} for the one address`,
    )
  }
  // A mapped range is a range of IPv4, and is compared with IPv4 addresses.
  return base.kind() === 'ipv6' && base.range() === 'ipv4Mapped' && prefixBits >= 96
    ? { text, base: new ipaddr.IPv4(base.toByteArray().slice(12)), prefixBits: prefixBits - 96 }
    : { text, base, prefixBits }
}

/** Whether an address is in a range. Addresses of the other family never are. */
export function isWithin(address: IpAddress, { base, prefixBits }: Cidr): boolean {
  return address.kind() === base.kind() && address.match(base, prefixBits)
}
