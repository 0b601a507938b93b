import { describe, expect, it } from 'vitest'
import { PermanentError } from '../../../src/errors.ts'
import { parseIpfsUri } from '../../../worker/files/parse-ipfs-uri.ts'

const v0 = 'QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n'
const v1 = 'bafybeihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'

describe('parseIpfsUri', () => {
  it.each([
    [`ipfs://${v0}`, v0, []],
    [`ipfs://${v1}`, v1, []],
    [`IPFS://${v0}`, v0, []],
    [`ipfs://ipfs/${v0}`, v0, []],
    [`ipfs:/ipfs/${v0}/a.json`, v0, ['a.json']],
    [`ipfs:${v1}`, v1, []],
    [`/ipfs/${v1}/x`, v1, ['x']],
    [`ipfs://${v1}/dir/agent%20card.json?download=1#top`, v1, ['dir', 'agent card.json']],
    [`ipfs://${v1}//a//b/`, v1, ['a', 'b']],
    [`ipfs://${v1}/100%`, v1, ['100%']],
  ])('reads %s', (uri, cid, path) => {
    const parsed = parseIpfsUri(uri)
    expect(parsed?.cid.toString()).toBe(cid)
    expect(parsed?.path).toEqual(path)
  })

  it.each(['https://ipfs.io/ipfs/x', 'ipns://example.com', 'ar://x', v1, ''])(
    'leaves %j to others',
    (uri) => {
      expect(parseIpfsUri(uri)).toBeUndefined()
    },
  )

  it.each([
    ['ipfs://', 'names no CID'],
    ['ipfs://ipfs/', 'names no CID'],
    ['ipfs://agent.json', 'agent.json is not a CID'],
    [`ipfs://${v0.toLowerCase()}`, 'is not a CID'],
    [`ipfs://${v1}/../x`, '".."'],
    [`ipfs://${v1}/%2e%2e/x`, '".."'],
    [`ipfs://${v1}/a%2Fb`, '"a/b"'],
    [`ipfs://${v1}${'/a'.repeat(33)}`, 'more than 32 names'],
  ])('refuses %s', (uri, message) => {
    expect(() => parseIpfsUri(uri)).toThrow(PermanentError)
    expect(() => parseIpfsUri(uri)).toThrow(message)
  })
})
