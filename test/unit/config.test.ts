import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { UserError } from '../../src/errors.ts'

const problemsOf = (env: Record<string, string>) => {
  try {
    loadConfig(env)
  } catch (error) {
    if (error instanceof UserError) return error.message
    throw error
  }
  return undefined
}

describe('loadConfig', () => {
  it('works with nothing set: an embedded database, the queue in Postgres, an API on loopback', () => {
    const config = loadConfig({})
    expect(config.databaseUrl).toBeUndefined()
    expect(config.redisUrl).toBeUndefined()
    expect(config.api).toMatchObject({
      ...{ host: '127.0.0.1', port: 8004, token: undefined },
      ...{ registration: 'open', triggersMax: 1000 },
    })
    expect(config.chains).toEqual([])
  })

  it('treats an empty variable as not set', () => {
    expect(loadConfig({ REDIS_URL: '', TOCSIN_API_PORT: '' }).api.port).toBe(8004)
  })

  it('takes a list of IPFS gateways, without the slashes at their ends', () => {
    expect(loadConfig({}).ipfsGateways.length).toBeGreaterThan(1)
    const { ipfsGateways } = loadConfig({
      IPFS_GATEWAYS: ' https://a.example/ ,http://127.0.0.1:8080,, https://a.example',
    })
    expect(ipfsGateways).toEqual(['https://a.example', 'http://127.0.0.1:8080'])
  })

  it('switches a chain on by its RPC URL, with its built-in registries and start block', () => {
    const [chain, ...others] = loadConfig({ RPC_URL_84532: 'https://rpc.example/key' }).chains
    expect(others).toEqual([])
    expect(chain).toMatchObject({
      id: 84532,
      name: 'base-sepolia',
      startBlock: 37_174_254,
      rpcUrl: 'https://rpc.example/key',
      wsUrl: undefined,
      registries: { identity: '0x8004A818BFB912233c491871b3d84c89A494BD9e' },
    })
  })

  it('asks for the start block of a chain where none is built in, and takes the one given', () => {
    expect(problemsOf({ RPC_URL_10: 'https://rpc.example' })).toContain('START_BLOCK_10: missing')
    const [chain] = loadConfig({ RPC_URL_10: 'https://rpc.example', START_BLOCK_10: '12' }).chains
    expect(chain?.startBlock).toBe(12)
  })

  it.each([
    [{ DATABASE_URL: 'mysql://x' }, 'DATABASE_URL: expected a URL that begins with postgres://'],
    [
      { DATABASE_URL: 'postgres://u:p#w@host/db' },
      'DATABASE_URL: cannot be read as a URL. In a user name or',
    ],
    [{ RPC_URL_0x1: 'https://rpc.example' }, 'RPC_URL_0x1: no registries are known on that chain'],
    [{ REDIS_URL: 'nonsense' }, 'REDIS_URL: expected a URL that begins with redis://'],
    [{ TOCSIN_API_PORT: '80a' }, 'TOCSIN_API_PORT: expected a whole number from 0 to 65535'],
    [{ TOCSIN_API_TOKEN: 'short' }, 'TOCSIN_API_TOKEN: expected at least 16 characters'],
    [{ TOCSIN_SECRET_KEYS: 'a:short' }, 'TOCSIN_SECRET_KEYS: the key of a is not the base64 of 32 bytes'],
    [{ TOCSIN_LOG_LEVEL: 'loud' }, 'TOCSIN_LOG_LEVEL: '],
    [{ IPFS_GATEWAYS: 'https://a.example, ipfs.io' }, 'IPFS_GATEWAYS: expected URLs such as https://ipfs.io'],
    [{ IPFS_GATEWAYS: 'https://me:secret@a.example' }, 'without user name or query; this is not one'],
    [{ TOCSIN_API_PROT: '1' }, 'TOCSIN_API_PROT: unknown variable. Known are DATABASE_URL, '],
    [{ RPC_URL_999: 'https://rpc.example' }, 'RPC_URL_999: no registries are known on that chain'],
    [{ RPC_URL_BASE: 'https://rpc.example' }, 'RPC_URL_BASE: no registries are known on that chain'],
    [{ RPC_URL_1: 'rpc.example' }, 'RPC_URL_1: expected a URL that begins with http:// or https://'],
    [{ WS_URL_1: 'wss://rpc.example' }, 'RPC_URL_1: missing, though other variables of chain 1 are set'],
    [
      { RPC_URL_1: 'https://rpc.example', START_BLOCK_1: '-5' },
      'START_BLOCK_1: expected a whole number from 0',
    ],
  ])('refuses %j and names the variable', (env, message) => {
    expect(problemsOf(env as unknown as Record<string, string>)).toContain(message)
  })

  it('lists every problem at once', () => {
    const message = problemsOf({ DATABASE_URL: 'x', TOCSIN_API_PORT: '-1', TOCSIN_TYPO: '1' })
    expect(message?.split('\n')).toHaveLength(4)
  })

  it('leaves variables of other programs alone', () => {
    expect(problemsOf({ PATH: '/bin', TOCSINX: '1', RPC_URL: 'x' })).toBeUndefined()
  })
})
