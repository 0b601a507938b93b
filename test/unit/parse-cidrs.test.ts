import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { UserError } from '../../src/errors.ts'
import { parseCidrs } from '../../src/outbound/cidr.ts'

describe('parseCidrs', () => {
  it('takes ranges and single addresses of both families, separated by commas, spaces or both', () => {
    const list = parseCidrs(' 10.0.0.0/8,fd00::/8  192.0.2.7 , ::1\n0.0.0.0/0 ')
    expect(list.map(({ base, prefixBits }) => `${base}/${prefixBits}`)).toEqual([
      '10.0.0.0/8',
      'fd00::/8',
      '192.0.2.7/32',
      '::1/128',
      '0.0.0.0/0',
    ])
    expect(parseCidrs('')).toEqual([])
  })

  it('takes a mapped range for the range of IPv4 that it is', () => {
    expect(parseCidrs('::ffff:10.0.0.0/104')).toMatchObject([
      { base: { octets: [10, 0, 0, 0] }, prefixBits: 8 },
    ])
  })

  it.each([
    '10.0.0.0/33',
    'fd00::/129',
    '10.0.0.1/8',
    'fd00::1/8',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0.0/255.0.0.0',
    '10.1',
    '010.0.0.0/8',
    '0x0a.0.0.0/8',
    '167772160',
    'fe80::1%eth0',
    'fe80::%eth0/64',
    'localhost',
    'example.com/24',
    '/8',
  ])('refuses %s and names it', (entry) => {
    expect(() => parseCidrs(`127.0.0.0/8, ${entry}`)).toThrow(UserError)
    expect(() => parseCidrs(`127.0.0.0/8, ${entry}`)).toThrow(entry)
  })
})

describe('OUTBOUND_ALLOW and OUTBOUND_DENY', () => {
  it('are empty unless they are set', () => {
    expect(loadConfig({}).outbound).toEqual({ allow: [], deny: [] })
  })

  it('are read from the environment', () => {
    const { allow, deny } = loadConfig({
      OUTBOUND_ALLOW: '10.0.0.0/8 fd00::/8',
      OUTBOUND_DENY: '10.9.0.0/16',
    }).outbound
    expect([allow, deny].map((list) => list.map(({ text }) => text))).toEqual([
      ['10.0.0.0/8', 'fd00::/8'],
      ['10.9.0.0/16'],
    ])
  })

  it('name the variable and the entry that cannot be read; a misspelt name is no silent gap', () => {
    expect(() => loadConfig({ OUTBOUND_ALLOW: '10.0.0.0/8, 10.300.0.0/16' })).toThrow(
      'OUTBOUND_ALLOW: 10.300.0.0/16 is not an address range',
    )
    expect(() => loadConfig({ OUTBOUND_DENY: '10.1.2.3/8' })).toThrow(
      'OUTBOUND_DENY: 10.1.2.3/8 has bits set',
    )
    expect(() => loadConfig({ OUTBOUND_DENIED: '10.0.0.0/8' })).toThrow('OUTBOUND_DENIED: unknown variable')
  })
})
