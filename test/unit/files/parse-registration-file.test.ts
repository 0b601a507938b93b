import { describe, expect, it } from 'vitest'
import { PermanentError } from '../../../src/errors.ts'
import { parseRegistrationFile, pickMcpEndpoint } from '../../../worker/files/parse-registration-file.ts'

const registry = '0x8004A169FB4a3325136EB29fA0ceB6D2e539a432'
const parse = (value: unknown) =>
  parseRegistrationFile(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)))

const final = {
  type: 'https://eips.ethereum.org/EIPS/eip-8004#registration-v1',
  name: 'Weather',
  description: 'Says what the weather is',
  image: 'https://example.com/a.png',
  services: [
    { name: 'web', endpoint: 'https://example.com/' },
    { name: 'A2A', endpoint: 'https://example.com/.well-known/agent-card.json', version: '0.3.0' },
    { name: 'MCP', endpoint: 'https://mcp.example.com/', version: '2025-06-18' },
    { name: 'OASF', endpoint: 'ipfs://x', version: '0.8', skills: ['a'], domains: ['b'] },
  ],
  x402Support: false,
  active: true,
  registrations: [{ agentId: 22, agentRegistry: `eip155:1:${registry}` }],
  supportedTrust: ['reputation'],
}

describe('parseRegistrationFile', () => {
  it('reads a file of the final standard', () => {
    const file = parse(final)
    expect(file).toMatchObject({
      name: 'Weather',
      active: true,
      x402Support: false,
      supportedTrust: ['reputation'],
    })
    expect(file.services).toHaveLength(4)
    expect(file.services[3]).toMatchObject({ skills: ['a'], domains: ['b'] })
    expect(file.mcpEndpoints).toEqual(['https://mcp.example.com/'])
    expect(file.registrations).toEqual([
      { agentId: '22', chainId: '1', registryAddress: registry.toLowerCase() },
    ])
    expect(file.problems).toEqual([])
  })

  it('reads the names of the drafts: endpoints, x402support, supportedTrusts', () => {
    const file = parse({
      name: 'Old',
      endpoints: [{ name: 'mcp', endpoint: ' https://mcp.example.com ', version: 1 }],
      x402support: true,
      supportedTrusts: ['tee-attestation'],
    })
    expect(file).toMatchObject({ x402Support: true, supportedTrust: ['tee-attestation'], problems: [] })
    expect(file.mcpEndpoints).toEqual(['https://mcp.example.com'])
    expect(file.services[0]?.version).toBe('1')
  })

  it('reads token ids as text, also large ones, and those that were not known yet', () => {
    const large = (2n ** 256n - 1n).toString()
    const agentRegistry = `eip155:8453:${registry}`
    const { registrations, problems } = parse({
      registrations: [
        { agentId: large, agentRegistry },
        { agentId: 0, agentRegistry },
        { agentId: null, agentRegistry },
      ],
    })
    expect(registrations.map(({ agentId }) => agentId)).toEqual([large, '0', undefined])
    expect(problems).toEqual([])
  })

  it('keeps what can be read beside what cannot, and names each field that cannot', () => {
    const file = parse({
      name: 5,
      active: 'yes',
      services: [{ name: 'MCP' }, 'x', { name: 'MCP', endpoint: 'https://b.example' }],
      registrations: [{ agentId: 1.5, agentRegistry: 'eip155:1:{identityRegistry}' }],
      supportedTrust: 'all',
      image: null,
    })
    expect(file.mcpEndpoints).toEqual(['https://b.example'])
    expect(file.registrations).toEqual([])
    expect(file.problems).toEqual([
      'services[0].endpoint: expected a text',
      'services[1]: expected an object',
      'name: expected a text',
      'active: expected true or false',
      'registrations[0].agentId: expected a whole number',
      'registrations[0].agentRegistry: expected eip155:<chain id>:<address>',
      'supportedTrust: expected a list of texts',
    ])
  })

  it('reads a file with a byte order mark', () => {
    expect(parse(`\uFEFF${JSON.stringify(final)}`).name).toBe('Weather')
  })

  it('keeps little of a file that lists very much', () => {
    const entry = { name: 'MCP', endpoint: 'x' }
    expect(parse({ services: Array(20_000).fill(entry) }).services).toHaveLength(200)
    expect(parse({ services: Array(20_000).fill(1) }).problems.length).toBeLessThanOrEqual(20)
  })

  it('has no field that the file does not have itself', () => {
    const file = parse(
      '{"__proto__":{"name":"x","services":[{"name":"MCP","endpoint":"https://x.example"}]}}',
    )
    expect(file).toMatchObject({ name: undefined, services: [] })
  })

  it.each([
    ['<!doctype html><html>', 'the registration file is not JSON (it looks like HTML)'],
    ['', 'the registration file is not JSON (it is empty)'],
    ['{"name":', 'the registration file is not JSON ('],
    ['[]', 'the registration file is JSON, but not an object'],
    ['null', 'the registration file is JSON, but not an object'],
    ['['.repeat(1000), 'nests more than 64 levels'],
  ])('refuses what is no JSON object: %#', (text, message) => {
    expect(() => parse(text)).toThrow(PermanentError)
    expect(() => parse(text)).toThrow(message)
  })
})

describe('pickMcpEndpoint', () => {
  it('takes the first MCP service with a URL', () => {
    const services = [
      { name: 'MCP', endpoint: 'stdio' },
      { name: 'mcp', endpoint: 'http://a.example' },
      { name: 'MCP', endpoint: 'https://b.example' },
    ]
    expect(pickMcpEndpoint(parse({ services }))).toBe('http://a.example')
  })

  it.each([
    [{}, 'has no service named MCP (it lists none)'],
    [{ services: 'x' }, '(it lists none; services: expected a list)'],
    [
      { services: [{ name: 'web', endpoint: 'https://a.example' }, { name: 'MCP' }] },
      '(it lists web; services[1].endpoint: expected a text)',
    ],
    [
      { services: [{ name: 'MCP', endpoint: 'npx my-server' }] },
      '"npx my-server" is not an https:// or http:// URL',
    ],
    [{ services: [{ name: 'MCP', endpoint: 'file:///etc/passwd' }] }, 'is not an https:// or http:// URL'],
    [
      { services: [{ name: 'MCP', endpoint: `https://a.example/${'x'.repeat(3000)}` }] },
      'at most 2048 characters',
    ],
  ])('says what there is instead: %#', (file, message) => {
    expect(() => pickMcpEndpoint(parse(file))).toThrow(PermanentError)
    expect(() => pickMcpEndpoint(parse(file))).toThrow(message)
  })
})
