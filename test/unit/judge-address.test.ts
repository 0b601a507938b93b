import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseCidrs } from '../../src/outbound/cidr.ts'
import { judgeAddress, type OutboundPolicy } from '../../src/outbound/judge-address.ts'

const policy = (allow = '', deny = ''): OutboundPolicy => ({
  allow: parseCidrs(allow),
  deny: parseCidrs(deny),
})
const strict = policy()
const isAllowed = (address: string, by: OutboundPolicy = strict) => judgeAddress(address, by).allowed

/** What is refused without being asked to, first and last address of each range. */
const refused: [kind: string, ...addresses: string[]][] = [
  ['loopback', '127.0.0.0', '127.0.0.1', '127.255.255.255', '::1'],
  ['private', '10.0.0.0', '10.255.255.255', '172.16.0.0', '172.31.255.255', '192.168.0.0', '192.168.255.255'],
  ['private', 'fc00::', 'fd00::1', 'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'fd20:ce::254'],
  [
    'link-local',
    '169.254.0.0',
    '169.254.255.255',
    'fe80::',
    'febf::1',
    'fe80::1%eth0',
    'fe80::1%1',
    '::1%lo',
  ],
  ['cloud metadata', '169.254.169.254', 'fd00:ec2::254', '168.63.129.16'],
  ['carrier NAT', '100.64.0.0', '100.127.255.255', '100.100.100.200'],
  ['unspecified', '0.0.0.0', '0.0.0.1', '0.255.255.255', '::'],
  ['multicast', '224.0.0.0', '239.255.255.255', 'ff00::', 'ff02::1', 'ffff::1'],
  ['broadcast', '255.255.255.255'],
  ['benchmarking', '198.18.0.0', '198.19.255.255', '2001:2::1'],
  [
    'documentation',
    '192.0.2.0',
    '198.51.100.7',
    '203.0.113.255',
    '2001:db8::1',
    '3fff::1',
    '3fff:fff:ffff::1',
  ],
  ['reserved', '192.0.0.0', '192.0.0.170', '192.0.0.255', '192.88.99.1', '240.0.0.0', '255.255.255.254'],
  [
    'reserved',
    'fec0::1',
    '100::1',
    '5f00::1',
    '2001:10::1',
    '2001:20::1',
    '2001:30::1',
    '4000::1',
    '1fff::1',
    '::2',
  ],
  // Translations that nothing public uses, whatever they carry.
  [
    'reserved',
    '::8.8.8.8',
    '::ffff:0:8.8.8.8',
    '64:ff9b:1::8.8.8.8',
    '64:ff9b:2::1',
    '2002:808:808::1',
    '2001:0:808:808::1',
  ],
  [
    'unreadable',
    '',
    'localhost',
    '127.1',
    '0177.0.0.1',
    '0x7f.0.0.1',
    '2130706433',
    '127.0.0.1.',
    '[::1]',
    '8.8.8.8:80',
  ],
]

describe('judgeAddress', () => {
  it.each(refused.flatMap(([kind, ...addresses]) => addresses.map((address) => [address, kind])))(
    'refuses %s (%s)',
    (address, kind) => {
      expect(judgeAddress(address, strict)).toEqual({ allowed: false, denied: false, kind })
    },
  )

  it.each([
    ...['1.1.1.1', '8.8.8.8', '9.255.255.255', '11.0.0.0', '172.15.255.255', '172.32.0.0', '192.167.255.255'],
    ...['100.63.255.255', '100.128.0.0', '126.255.255.255', '128.0.0.0', '169.253.255.255', '198.17.255.255'],
    ...[
      '198.20.0.0',
      '223.255.255.255',
      '192.0.1.0',
      '2606:4700::1111',
      '2a00:1450:4001:80b::200e',
      '2001:4860::8888',
    ],
    // What an IPv6-only network with NAT64 gets from DNS for a public IPv4 host.
    ...['64:ff9b::8.8.8.8', '::ffff:8.8.8.8'],
  ])('allows %s', (address) => {
    expect(judgeAddress(address, strict)).toEqual({ allowed: true, listed: false })
  })

  it('allows what OUTBOUND_ALLOW names and nothing beside it', () => {
    const lan = policy('10.1.0.0/16, fd12::/16, 127.0.0.1')
    expect(judgeAddress('10.1.255.255', lan)).toEqual({ allowed: true, listed: true })
    expect(judgeAddress('8.8.8.8', lan)).toEqual({ allowed: true, listed: false })
    for (const address of ['fd12:ffff::1', '127.0.0.1', '::ffff:10.1.2.3'])
      expect(isAllowed(address, lan)).toBe(true)
    for (const address of ['10.2.0.0', 'fd13::1', '127.0.0.2', '::1', '169.254.169.254'])
      expect(isAllowed(address, lan)).toBe(false)
  })

  it('lets OUTBOUND_DENY win, in every wrapping', () => {
    const mixed = policy('10.0.0.0/8, 2002::/16, ::/0', '10.9.0.0/16, 8.8.8.0/24, 2606:4700::/32')
    expect(isAllowed('10.8.0.1', mixed)).toBe(true)
    for (const address of [
      '10.9.0.1',
      '8.8.8.8',
      '::ffff:8.8.8.8',
      '64:ff9b::808:808',
      '2606:4700::1',
      '2002:a09:1::1',
    ]) {
      expect(judgeAddress(address, mixed)).toEqual({ allowed: false, denied: true, kind: 'denied' })
    }
  })

  it('judges what a range of translations carries by itself, although the range is allowed', () => {
    const tunnels = policy('64:ff9b:1::/48, 2002::/16, 2001::/32')
    expect(['64:ff9b:1::8.8.8.8', '2002:808:808::1'].map((address) => isAllowed(address, tunnels))).toEqual([
      true,
      true,
    ])
    expect(['64:ff9b:1::127.0.0.1', '2002:7f00:1::'].map((address) => isAllowed(address, tunnels))).toEqual([
      false,
      false,
    ])
  })

  it('refuses the public addresses of this machine, unless they are allowed', () => {
    const own = new Set(['93.184.216.34', '2606:4700::1'])
    for (const address of ['93.184.216.34', '::ffff:93.184.216.34', '64:ff9b::5db8:d822', '2606:4700:0::1'])
      expect(judgeAddress(address, strict, own)).toEqual({
        allowed: false,
        denied: false,
        kind: 'this machine',
      })
    expect(judgeAddress('93.184.216.34', policy('93.184.216.34'), own).allowed).toBe(true)
    expect(judgeAddress('93.184.216.35', strict, own).allowed).toBe(true)
  })
})

type Four = readonly [number, number, number, number]
const hex = (high = 0, low = 0) => ((high << 8) | low).toString(16)

/** Every way to carry an IPv4 address in an IPv6 address, in several spellings. */
const wrappings: Record<string, (four: Four) => string> = {
  mapped: (four) => `::ffff:${four.join('.')}`,
  mappedHex: ([a, b, c, d]) => `::ffff:${hex(a, b)}:${hex(c, d)}`,
  mappedLong: ([a, b, c, d]) => `0000:0000:0000:0000:0000:FFFF:${hex(a, b)}:${hex(c, d)}`,
  compatible: (four) => `::${four.join('.')}`,
  translated: (four) => `::ffff:0:${four.join('.')}`,
  nat64: (four) => `64:ff9b::${four.join('.')}`,
  nat64Hex: ([a, b, c, d]) => `0064:FF9B::${hex(a, b)}:${hex(c, d)}`,
  localNat64: (four) => `64:ff9b:1::${four.join('.')}`,
  sixToFour: ([a, b, c, d]) => `2002:${hex(a, b)}:${hex(c, d)}::1`,
  teredoServer: ([a, b, c, d]) => `2001:0:${hex(a, b)}:${hex(c, d)}:0:0:f7f7:f7f7`,
  teredoClient: ([a, b, c, d]) => `2001:0:808:808:0:0:${hex(~a & 255, ~b & 255)}:${hex(~c & 255, ~d & 255)}`,
}

const byte = fc.nat(255)
const anyFour = fc.tuple(byte, byte, byte, byte)
const deniedFour = fc.oneof(
  fc.tuple(
    fc.constantFrom(0, 10, 127, ...Array.from({ length: 32 }, (_, index) => 224 + index)),
    byte,
    byte,
    byte,
  ),
  fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), byte, byte),
  fc.tuple(fc.constant(100), fc.integer({ min: 64, max: 127 }), byte, byte),
  fc.tuple(fc.constant(198), fc.constantFrom(18, 19), byte, byte),
  fc.tuple(fc.constantFrom(169), fc.constant(254), byte, byte),
  fc.tuple(fc.constant(192), fc.constant(168), byte, byte),
  fc.tuple(fc.constant(192), fc.constant(0), fc.constantFrom(0, 2), byte),
)
const anyWrapping = fc.constantFrom(...Object.values(wrappings))

describe('judgeAddress, for any address', () => {
  it('refuses what lies in a refused range, bare and in every IPv6 wrapping, also where the wrapping itself is allowed', () => {
    const wide = policy('::/0')
    fc.assert(
      fc.property(deniedFour, anyWrapping, (four, wrap) => {
        expect(isAllowed(four.join('.'))).toBe(false)
        expect(isAllowed(wrap(four))).toBe(false)
        expect(isAllowed(wrap(four), wide)).toBe(false)
      }),
      { numRuns: 5_000 },
    )
  })

  it('refuses what OUTBOUND_DENY covers in every wrapping, whatever is allowed', () => {
    const everythingBut = (range: string) => policy('0.0.0.0/0, ::/0', range)
    fc.assert(
      fc.property(anyFour, fc.integer({ min: 0, max: 32 }), anyWrapping, (four, prefixBits, wrap) => {
        const number = four.reduce((sum, part) => sum * 256 + part, 0)
        const start = number - (number % 2 ** (32 - prefixBits))
        const base = [24, 16, 8, 0].map((shift) => Math.floor(start / 2 ** shift) % 256).join('.')
        const by = everythingBut(`${base}/${prefixBits}`)
        expect(isAllowed(four.join('.'), by)).toBe(false)
        expect(isAllowed(wrap(four), by)).toBe(false)
      }),
      { numRuns: 2_000 },
    )
  })

  it('refuses every IPv6 address outside 2000::/3 but the mapped and NAT64 ones', () => {
    const group = fc.nat(0xffff)
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const address = groups.map((value) => value.toString(16)).join(':')
        const isGlobal = ((groups[0] ?? 0) & 0xe000) === 0x2000
        if (!isGlobal) expect(isAllowed(address)).toBe(false)
      }),
      { numRuns: 2_000 },
    )
  })
})
