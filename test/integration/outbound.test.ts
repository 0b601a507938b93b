import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { PermanentError, RetryableError } from '../../src/errors.ts'
import { findFreePort } from '../../src/free-port.ts'
import { parseCidrs } from '../../src/outbound/cidr.ts'
import type { OutboundPolicy } from '../../src/outbound/judge-address.ts'
import type { Resolve } from '../../worker/guard/resolve-allowed.ts'
import { createHttpClient, type HttpClient } from '../../worker/http.ts'
import { startVictim } from '../support/count-bytes.ts'
import { startReceiver } from '../support/receiver.ts'
import { until } from '../support/until.ts'

const never = new AbortController().signal
const policy = (allow = '', deny = ''): OutboundPolicy => ({
  allow: parseCidrs(allow),
  deny: parseCidrs(deny),
})

let victim: Awaited<ReturnType<typeof startVictim>>
let receiver: Awaited<ReturnType<typeof startReceiver>>
const clients: HttpClient[] = []

beforeAll(async () => {
  victim = await startVictim()
  receiver = await startReceiver()
})
afterAll(async () => {
  await victim.close()
  await receiver.close()
})
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()))
  receiver.answerWith((_, response) => void response.writeHead(204).end())
})

const open = (by: OutboundPolicy, resolve?: Resolve) => {
  const client = createHttpClient(by, resolve === undefined ? {} : { resolve })
  clients.push(client)
  return client
}

/** Answers with these addresses for every name. A list of lists: one after the other, the last one from then on. */
const answering = (...rounds: string[][]): Resolve & { asked: string[] } => {
  const asked: string[] = []
  const resolve = async (hostname: string) => {
    const round = rounds[Math.min(asked.length, rounds.length - 1)] ?? []
    asked.push(hostname)
    return round.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  }
  return Object.assign(resolve, { asked })
}

const send = (client: HttpClient, url: string, timeoutMs = 5_000) =>
  client.send({ method: 'POST', url, headers: {}, body: 'x', timeoutMs }, never)

/** The error of both ways to call, which must be the same. */
const refusalOf = async (client: HttpClient, url: string): Promise<Error> => {
  const errors = await Promise.all([
    send(client, url).then(
      () => undefined,
      (error) => error,
    ),
    client.fetch(url, { method: 'POST', body: 'x', timeoutMs: 5_000 }).then(
      () => undefined,
      (error) => error,
    ),
  ])
  expect(errors[0]).toBeInstanceOf(Error)
  expect([errors[0].name, errors[0].message]).toEqual([errors[1]?.name, errors[1]?.message])
  return errors[0]
}

/** Whatever was sent to the victim has arrived when it answers to a connection that is made now. */
const nothingArrived = async () => {
  const { connections, bytes } = victim.counts
  const socket = connect(victim.port, '127.0.0.1')
  await once(socket, 'connect')
  socket.destroy()
  await until('the probe was seen', () => victim.counts.connections > connections)
  expect({ connections, bytes }).toEqual({ connections: 0, bytes: 0 })
  victim.counts.connections = 0
}

/** Hosts that lead to this machine or into its network, in every spelling that a URL takes. `literal`: no DNS is asked. */
const hosts = {
  literal: [
    ...[
      '127.0.0.1',
      '127.1',
      '127.0.1',
      '127.0.0.1.',
      '127.255.255.254',
      '2130706433',
      '0x7f000001',
      '017700000001',
    ],
    ...[
      '0177.0.0.1',
      '0x7f.1',
      '0x7f.0x0.0x0.0x1',
      '0177.0.0.0x1',
      '00000177.0.0.1',
      '0X7F.0.0.1',
      '%31%32%37.0.0.1',
    ],
    ...['127。0。0。1', '127．0．0．1', '127｡0｡0｡1', '①②⑦.⓪.⓪.①', '１２７.0.0.1'],
    ...[
      '0',
      '0.0.0.0',
      '0x0',
      '10.0.0.1',
      '10.1',
      '0xa000001',
      '172.16.0.1',
      '192.168.1.1',
      '192.168.257',
      '3232235777',
    ],
    ...[
      '169.254.169.254',
      '0xa9fea9fe',
      '2852039166',
      '169.254.1.1',
      '168.63.129.16',
      '100.64.0.1',
      '100.100.100.200',
    ],
    ...[
      '192.0.0.1',
      '192.0.0.192',
      '192.0.2.1',
      '198.18.0.1',
      '198.19.255.255',
      '198.51.100.1',
      '203.0.113.1',
    ],
    ...['192.88.99.1', '224.0.0.1', '239.255.255.250', '240.0.0.1', '255.255.255.255'],
    ...[
      '[::1]',
      '[::]',
      '[0:0:0:0:0:0:0:1]',
      '[0000:0000:0000:0000:0000:0000:0000:0001]',
      '[::127.0.0.1]',
      '[::7f00:1]',
    ],
    ...[
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
      '[::FFFF:7F00:0001]',
      '[0:0:0:0:0:ffff:127.0.0.1]',
      '[::ffff:0:127.0.0.1]',
    ],
    ...['[::ffff:10.0.0.1]', '[::ffff:169.254.169.254]', '[::ffff:a9fe:a9fe]', '[::ffff:0.0.0.0]'],
    ...[
      '[64:ff9b::7f00:1]',
      '[64:ff9b::127.0.0.1]',
      '[64:ff9b::a9fe:a9fe]',
      '[64:ff9b:1::7f00:1]',
      '[64:ff9b:1::8.8.8.8]',
    ],
    ...['[2002:7f00:1::]', '[2002:a00:1::1]', '[2002:a9fe:a9fe::]', '[2001:0:7f00:1::]', '[2001::80ff:fffe]'],
    ...[
      '[2001:0:808:808:0:0:80ff:fffe]',
      '[fe80::1]',
      '[febf::1]',
      '[fec0::1]',
      '[fc00::1]',
      '[fd00::1]',
      '[fd00:ec2::254]',
    ],
    ...['[fd20:ce::254]', '[ff02::1]', '[2001:db8::1]', '[100::1]', '[5f00::1]', '[2001:2::1]', '[3fff::1]'],
  ],
  name: [
    'localhost',
    'localhost.',
    'LOCALHOST',
    'LocalHost.',
    'a.localhost',
    'a.b.LOCALHOST.',
    'ｌｏｃａｌｈｏｓｔ',
    '%6c%6fcalhost',
  ],
}

describe('a client without exceptions', () => {
  it.each(hosts.literal)('refuses http(s)://%s before a connection is made', async (host) => {
    const resolve = answering(['127.0.0.1'])
    const client = open(policy(), resolve)
    for (const scheme of ['http', 'https']) {
      const error = await refusalOf(client, `${scheme}://${host}:${victim.port}/`)
      expect(error).toBeInstanceOf(PermanentError)
      expect(error.message).toMatch(
        / is not called: it is not on the public internet \([a-zA-Z -]+\)\. .*OUTBOUND_ALLOW$/,
      )
    }
    expect(resolve.asked).toEqual([])
    await nothingArrived()
  })

  it.each(hosts.name)('refuses http(s)://%s whatever DNS says of it', async (host) => {
    const client = open(policy(), answering(['93.184.216.34']))
    for (const scheme of ['http', 'https']) {
      const error = await refusalOf(client, `${scheme}://${host}:${victim.port}/`)
      expect(error).toBeInstanceOf(PermanentError)
      expect(error.message).toContain('is not called: it has a private address')
    }
    await nothingArrived()
  })

  it.each([
    ['127.0.0.1'],
    ['::1'],
    ['::ffff:127.0.0.1'],
    ['::ffff:7f00:1'],
    ['fe80::1%lo'],
    ['::1%lo'],
    ['10.0.0.1', '10.0.0.2'],
    ['169.254.169.254'],
    ['fd00:ec2::254'],
    ['0.0.0.0'],
    ['64:ff9b::7f00:1'],
    // One bad answer refuses all of them, wherever it stands.
    ['93.184.216.34', '127.0.0.1'],
    ['127.0.0.1', '93.184.216.34'],
    ['2606:2800:220:1:248:1893:25c8:1946', '93.184.216.34', '::1'],
    ['0177.0.0.1'],
    ['not an address'],
  ])('refuses a name that DNS leads to %s %s %s, and does not say where that is', async (...addresses) => {
    const given = addresses.filter((address) => address !== undefined)
    const client = open(policy(), answering(given))
    for (const host of ['internal.example', 'INTERNAL.example.', 'internal。example', 'bücher.example']) {
      const error = await refusalOf(client, `http://${host}:${victim.port}/`)
      expect(error).toBeInstanceOf(PermanentError)
      expect(error.message).toMatch(
        /^\S+example\.? is not called: it has a private address\. The operator of this installation can allow it with OUTBOUND_ALLOW$/,
      )
    }
    await nothingArrived()
  })

  it.each([
    'http://user:password@127.0.0.1/',
    'http://user@example.com/',
    'http://:password@example.com/',
    'http://8.8.8.8@127.0.0.1/',
    'http://127.0.0.1%2f@example.com/',
  ])('refuses credentials in %s and does not repeat them', async (url) => {
    const error = await refusalOf(open(policy()), url)
    expect(error).toBeInstanceOf(PermanentError)
    expect(error.message).toContain('holds a user name or password')
    expect(error.message).not.toMatch(/user:|password@|user@/)
  })

  it.each([
    'file:///etc/passwd',
    'gopher://127.0.0.1:6379/_x',
    'ftp://127.0.0.1/',
    'data:text/plain,x',
    'ws://127.0.0.1/',
    'unix:/run/docker.sock',
    'javascript:1',
    'blob:http://127.0.0.1/1',
  ])('refuses %s', async (url) => {
    const error = await refusalOf(open(policy()), url)
    expect(error).toBeInstanceOf(PermanentError)
    expect(error.message).toContain('only http: and https:')
  })

  it.each([
    '',
    '/path',
    '//127.0.0.1/',
    'http://',
    'http://[fe80::1%25lo]/',
    'http://127.0.0.1%00.example/',
    'http://[::1',
    'http://256.1.1.1/',
    'http://1.2.3.4.5/',
    'http://0x7f.0.0.1.example.0x1/',
  ])('refuses %j, which is no URL', async (url) => {
    const error = await refusalOf(open(policy()), url)
    expect(error).toBeInstanceOf(PermanentError)
    expect(error.message).toBe('the address to call cannot be read as a URL')
  })
})

describe('between the check and the connection', () => {
  it('a name is resolved once a connection; when it answers otherwise later, the next connection is refused', async () => {
    const resolve = answering(['127.0.0.1'], ['::1'])
    const client = open(policy('127.0.0.1'), resolve)
    const url = `http://rebinding.example:${new URL(receiver.url).port}/`
    receiver.answerWith((_, response) => void response.writeHead(200, { connection: 'close' }).end())
    expect((await send(client, url)).status).toBe(200)
    expect(resolve.asked).toHaveLength(1)
    expect(await refusalOf(client, `http://rebinding.example:${victim.port}/`)).toBeInstanceOf(PermanentError)
    expect((await refusalOf(client, url)).message).toContain('it has a private address')
    expect(receiver.received).toHaveLength(1)
    await nothingArrived()
  })

  it.each(['http', 'https'])(
    'an answer that turns into another address ends at the socket, before a byte of %s is sent',
    async (scheme) => {
      let reads = 0
      const turning = {
        get address() {
          reads += 1
          return reads === 1 ? '93.184.216.34' : '127.0.0.1'
        },
        family: 4,
      }
      const client = open(policy(), async () => {
        reads = 0
        return [turning]
      })
      await expect(send(client, `${scheme}://turning.example:${victim.port}/`)).rejects.toThrow(
        'turning.example is not called: it led to an address that is refused',
      )
      await until('the connection was closed', () => victim.counts.connections === 1)
      victim.counts.connections = 0
      await nothingArrived()
    },
  )

  it('a connection of a client that may is not used by one that may not', async () => {
    const url = `http://shared.example:${new URL(receiver.url).port}/`
    const resolve = answering(['127.0.0.1'])
    const [may, mayNot] = [open(policy('127.0.0.0/8'), resolve), open(policy(), resolve)]
    expect((await send(may, url)).status).toBe(204)
    expect(await refusalOf(mayNot, url)).toBeInstanceOf(PermanentError)
    expect((await send(may, url)).status).toBe(204)
    expect(receiver.received).toHaveLength(2)
  })

  it('a redirect is an answer, whatever the caller asks for', async () => {
    const client = open(policy('127.0.0.1'))
    for (const [status, location] of [
      [301, `http://127.0.0.1:${victim.port}/`],
      [302, `http://[::1]:${victim.port}/`],
      [307, `http://localhost:${victim.port}/`],
      [308, '/elsewhere'],
    ] as const) {
      receiver.answerWith((_, response) => void response.writeHead(status, { location }).end('moved'))
      expect(await send(client, receiver.url)).toMatchObject({ status, body: 'moved' })
      const response = await client.fetch(receiver.url, { redirect: 'follow' })
      expect([response.status, response.headers.get('location'), await response.text()]).toEqual([
        status,
        location,
        'moved',
      ])
      expect(receiver.received).toHaveLength(2)
    }
    await nothingArrived()
  })
})

describe('OUTBOUND_ALLOW and OUTBOUND_DENY', () => {
  it('let through what is allowed, by address and by name', async () => {
    const { port } = new URL(receiver.url)
    const client = open(policy('127.0.0.0/8'), answering(['127.0.0.1']))
    for (const host of [
      '127.0.0.1',
      '127.1',
      '0x7f.1',
      '2130706433',
      '[::ffff:127.0.0.1]',
      'localhost',
      'a.localhost.',
      'allowed.example',
    ]) {
      expect((await send(client, `http://${host}:${port}/`)).status).toBe(204)
      expect((await client.fetch(`http://${host}:${port}/`)).status).toBe(204)
    }
  })

  it('where one address of a name is allowed, the refused ones are left out', async () => {
    const { port } = new URL(receiver.url)
    const client = open(policy('127.0.0.0/8'), answering(['10.0.0.1', '::1', '127.0.0.1']))
    expect((await send(client, `http://several.example:${port}/`)).status).toBe(204)
  })

  it('deny wins, and says that allowing does not help', async () => {
    const client = open(policy('0.0.0.0/0, ::/0', '127.0.0.0/8'), answering(['127.0.0.1']))
    for (const host of ['127.0.0.1', '[::ffff:7f00:1]', '[64:ff9b::7f00:1]', 'denied.example']) {
      const error = await refusalOf(client, `http://${host}:${victim.port}/`)
      expect(error).toBeInstanceOf(PermanentError)
      expect(error.message).toContain('OUTBOUND_DENY of this installation refuses it')
    }
    await nothingArrived()
  })
})

describe('what is said of a failure', () => {
  it('is retryable and keeps the address to itself', async () => {
    const client = open(policy('127.0.0.0/8'), answering(['127.0.0.1', '127.0.0.3']))
    const port = await findFreePort()
    const error = await refusalOf(client, `http://closed.example:${port}/`)
    expect(error).toBeInstanceOf(RetryableError)
    expect(error.message).toBe(
      `the call of closed.example:${port} failed (it refuses connections, ECONNREFUSED)`,
    )
    expect(error.cause).toBeUndefined()
  })

  it('is retryable where DNS has no answer', async () => {
    const missing = open(policy(), async () => {
      throw Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' })
    })
    for (const client of [missing, open(policy(), answering([]))]) {
      const error = await refusalOf(client, 'https://missing.example/')
      expect(error).toBeInstanceOf(RetryableError)
      expect(error.message).toMatch(
        /^the address of missing.example could not be found \((ENOTFOUND|ENODATA)\)$/,
      )
    }
  })
})
