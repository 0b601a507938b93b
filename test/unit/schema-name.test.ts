import { describe, expect, test } from 'vitest'
import { hashSchemaName, ponderSchemaName } from '../../indexer/schema-name.ts'
import { loadConfig } from '../../src/config.ts'

const { chains } = loadConfig({
  RPC_URL_8453: 'https://base.example/key',
  RPC_URL_1: 'https://ethereum.example/key',
})
const [first, second] = chains
if (first === undefined || second === undefined) throw new Error('Two chains were configured')
const input = { files: { 'a.ts': 'code', 'b.ts': 'more' }, chains, ponderVersion: '0.16.10' }
const name = hashSchemaName(input)

describe("the name of Ponder's schema", () => {
  test('is a short name for Postgres', async () => {
    expect(name).toMatch(/^ponder_[0-9a-f]{10}$/)
    expect(await ponderSchemaName(chains)).toMatch(/^ponder_[0-9a-f]{10}$/)
  })

  test.each([
    [
      'the endpoints',
      { chains: [{ ...first, rpcUrl: 'https://x.example', wsUrl: 'wss://x.example' }, second] },
    ],
    ['the polling interval', { chains: [{ ...first, pollingIntervalMs: 1 }, second] }],
    ['the order of chains', { chains: [second, first] }],
    ['the order of files', { files: { 'b.ts': 'more', 'a.ts': 'code' } }],
    [
      'the case of an address',
      {
        chains: [
          {
            ...first,
            registries: {
              ...first.registries,
              identity: first.registries.identity.toLowerCase() as `0x${string}`,
            },
          },
          second,
        ],
      },
    ],
  ])('stays the same whatever %s', (_what, change) => {
    expect(hashSchemaName({ ...input, ...change })).toBe(name)
  })

  test.each([
    ['code', { files: { 'a.ts': 'other code', 'b.ts': 'more' } }],
    ['file', { files: { 'a.ts': 'codemore', 'b.ts': '' } }],
    ['start block', { chains: [{ ...first, startBlock: first.startBlock + 1 }, second] }],
    [
      'address',
      { chains: [{ ...first, registries: { ...first.registries, validation: '0x01' as const } }, second] },
    ],
    ['chain', { chains: [first] }],
    ['version of Ponder', { ponderVersion: '0.16.11' }],
  ])('is another one with another %s', (_what, change) => {
    expect(hashSchemaName({ ...input, ...change })).not.toBe(name)
  })
})
