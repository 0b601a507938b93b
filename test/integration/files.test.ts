import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/db.ts'
import { describeError, GoneError, PermanentError, RetryableError } from '../../src/errors.ts'
import type { RegistryEvent } from '../../src/event.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { parseCidrs } from '../../src/outbound/cidr.ts'
import { type FetchOptions, fetchFile } from '../../worker/files/fetch-file.ts'
import { blockKey } from '../../worker/files/read-car.ts'
import { createRegistrationCache, resolveMcpEndpoint } from '../../worker/files/resolve-mcp-endpoint.ts'
import { createHttpClient, type HttpClient } from '../../worker/http.ts'
import { sampleEvent } from '../support/events.ts'
import { insertEvents, setEventStatus } from '../support/insert-events.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'
import { carOf, carOfDag, craftNode, type Dag, importFiles, inlineCid, rawCid } from '../unit/files/dag.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void
type Site = { url: string; host: string; requests: string[]; open: () => number; answer: Answer }

const servers: Server[] = []
let http: HttpClient

beforeAll(() => {
  http = createHttpClient({ allow: parseCidrs('127.0.0.0/8'), deny: [] })
})
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
})
afterAll(() => http.close())

async function startSite(answer: Answer): Promise<Site> {
  let open = 0
  const site = { url: '', host: '', requests: [] as string[], open: () => open, answer }
  const server = createServer((request, response) => {
    site.requests.push(request.url ?? '')
    open += 1
    response.on('close', () => {
      open -= 1
    })
    site.answer(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  servers.push(server)
  site.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  site.url = `http://${site.host}`
  return site
}

const fails = async (promise: Promise<unknown>): Promise<Error> => {
  try {
    await promise
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('it was expected to fail')
}
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('utf8')
const send =
  (status: number, body: string | Uint8Array = '', headers: Record<string, string> = {}): Answer =>
  (_, response) =>
    void response.writeHead(status, headers).end(body)

/** Writes for as long as somebody reads. */
const sendForever: Answer = (_, response) => {
  const chunk = Buffer.alloc(65_536)
  const more = () => {
    while (!response.destroyed && response.write(chunk));
  }
  response.on('drain', more)
  more()
}

describe('fetchFile from the web', () => {
  const get = (site: Site, options: FetchOptions = {}) =>
    fetchFile(`${site.url}/agent.json?key=secret`, { http, gateways: [] }, options)

  it('gives the bytes as they are, and where they came from', async () => {
    const body = Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d, 0x00, 0xff])
    const site = await startSite(send(200, body))
    const file = await get(site)
    expect(Buffer.from(file.bytes).equals(body)).toBe(true)
    expect(file).toMatchObject({ via: site.url, cid: undefined })
  })

  it.each([
    [404, RetryableError],
    [408, RetryableError],
    [425, RetryableError],
    [429, RetryableError],
    [500, RetryableError],
    [503, RetryableError],
    [301, PermanentError],
    [307, PermanentError],
    [400, PermanentError],
    [401, PermanentError],
    [403, PermanentError],
    [410, PermanentError],
  ])('tells what may pass from what will not: HTTP %d', async (status, kind) => {
    const site = await startSite(send(status, 'x', { location: 'http://127.0.0.1:1/', 'retry-after': '7' }))
    const error = await fails(get(site))
    expect(error).toBeInstanceOf(kind)
    // A file that is gone says nothing about the destination of the delivery.
    expect(error).not.toBeInstanceOf(GoneError)
    expect(error.message).toContain(`HTTP ${status}`)
    expect(error.message).not.toContain('secret')
    expect(site.requests).toHaveLength(1)
    if (error instanceof RetryableError) expect(error.retryAfterMs).toBe(7000)
  })

  it.each<[string, Answer]>([
    ['announced', (_, response) => void response.writeHead(200, { 'content-length': '1048577' }).write('x')],
    ['without end', sendForever],
    ['packed', send(200, gzipSync(Buffer.alloc(50_000_000)), { 'content-encoding': 'gzip' })],
  ])('stops reading a file that is too large: %s', async (_, answer) => {
    const site = await startSite(answer)
    const error = await fails(get(site))
    expect(error).toBeInstanceOf(PermanentError)
    expect(error.message).toMatch(/more than|larger than/)
    await until('the connection is closed', () => site.open() === 0)
  })

  it.each<[string, Answer]>([
    ['never', () => {}],
    ['not to the end', (_, response) => void response.writeHead(200).write('{')],
  ])('waits no longer than its time for a server that answers %s', async (_, answer) => {
    const site = await startSite(answer)
    const startedMs = performance.now()
    const error = await fails(get(site, { timeoutMs: 300 }))
    expect(error).toBeInstanceOf(RetryableError)
    expect(describeError(error)).toContain('within 300 ms')
    expect(performance.now() - startedMs).toBeLessThan(5000)
    await until('the connection is closed', () => site.open() === 0)
  })

  it('stops when it is told to, also before it began', async () => {
    const site = await startSite(() => {})
    const controller = new AbortController()
    const fetched = fails(get(site, { signal: controller.signal }))
    await until('the request arrived', () => site.requests.length === 1)
    controller.abort()
    expect((await fetched).message).toContain('was stopped')
    expect((await fails(get(site, { signal: controller.signal }))).message).toContain('was stopped')
    expect(site.requests).toHaveLength(1)
  })

  it('takes a connection that breaks, and a name that is not there, as what may pass', async () => {
    const site = await startSite((request) => request.socket.destroy())
    expect(await fails(get(site))).toBeInstanceOf(RetryableError)
  })

  it.each([
    ['ftp://example.com/x', 'not ftp:'],
    ['ipns://example.com', 'not ipns:'],
    ['ar://abc', 'not ar:'],
    ['file:///etc/passwd', 'not file:'],
    ['javascript:alert(1)', 'not javascript:'],
    ['agent.json', 'agent.json has none of these'],
    ['', 'there is no URI'],
    ['   ', 'there is no URI'],
    [`https://example.com/${'x'.repeat(9000)}`, 'longer than 8192 characters'],
    ['data:text/plain', 'no comma'],
  ])('refuses %s for good', async (uri, message) => {
    const error = await fails(fetchFile(uri, { http, gateways: [] }))
    expect(error).toBeInstanceOf(PermanentError)
    expect(error.message).toContain(message)
  })

  it('goes through the guard: what the policy refuses is not asked', async () => {
    const site = await startSite(send(200, '{}'))
    const guarded = createHttpClient({ allow: [], deny: [] })
    expect(await fails(fetchFile(site.url, { http: guarded, gateways: [] }))).toBeInstanceOf(PermanentError)
    await guarded.close()
    expect(site.requests).toEqual([])
  })
})

describe('fetchFile from IPFS', () => {
  const content = Buffer.from(JSON.stringify({ name: 'Agent', filler: 'x'.repeat(70_000) }))
  const bytesMax = 1_048_576
  let dag: Dag
  let car: Buffer
  let directory: Dag
  let directoryCar: Buffer

  beforeAll(async () => {
    dag = await importFiles([{ path: 'f', content }], {
      chunkSize: 5000,
      children: 4,
      cidVersion: 0,
      rawLeaves: false,
    })
    car = await carOfDag(dag)
    directory = await importFiles([
      { path: 'd/agent card.json', content },
      { path: 'd/other.json', content: Buffer.from('{}') },
    ])
    directoryCar = await carOfDag(directory)
  })

  const get = (uri: string, gateways: (Site | string)[], options: FetchOptions = {}) =>
    fetchFile(
      uri,
      { http, gateways: gateways.map((site) => (typeof site === 'string' ? site : site.url)) },
      options,
    )

  it('asks for a CAR of the file and puts it together', async () => {
    expect(dag.root.version).toBe(0)
    const site = await startSite((request, response) => {
      expect(request.headers.accept).toContain('application/vnd.ipld.car')
      response.writeHead(200).end(car)
    })
    const file = await get(`ipfs://${dag.root}`, [site])
    expect(text(file.bytes)).toBe(content.toString())
    expect(file).toMatchObject({ via: site.url, cid: dag.root.toString() })
    expect(site.requests).toEqual([`/ipfs/${dag.root}?format=car&dag-scope=entity`])
  })

  it('follows a path in a directory', async () => {
    const site = await startSite(send(200, directoryCar))
    const { bytes } = await get(`ipfs://ipfs/${directory.root}/d/agent%20card.json`, [site])
    expect(text(bytes)).toBe(content.toString())
    expect(site.requests[0]).toMatch(/\/d\/agent%20card\.json\?format=car/)
  })

  it.each([0x55, 0x0200, 0x0129])('asks for the one block of a file that is one (codec %d)', async (code) => {
    const cid = await rawCid(content, code)
    const site = await startSite(send(200, content))
    expect(text((await get(`ipfs://${cid}`, [site])).bytes)).toBe(content.toString())
    expect(site.requests).toEqual([`/ipfs/${cid}?format=raw`])
  })

  it('reads what the CID holds itself without asking anybody', async () => {
    const file = await get(`ipfs://${inlineCid(Buffer.from('{"a":1}'))}`, [])
    expect(text(file.bytes)).toBe('{"a":1}')
    expect(file.via).toBe('cid')
    const node = await craftNode({ data: Buffer.from('{"b":2}'), fileSize: 7 })
    expect(text((await get(`ipfs://${inlineCid(node.bytes, 0x70)}`, [])).bytes)).toBe('{"b":2}')
  })

  const otherFile = () =>
    importFiles([{ path: 'f', content: Buffer.from('{"name":"Mallory"}'.repeat(900)) }], { chunkSize: 5000 })
  const withoutBlock = async (which: number) => {
    const cids = dag.cids.filter((_, index) => index !== which)
    return carOf(
      [dag.root],
      cids.map((cid) => ({ cid, bytes: dag.blocks.get(blockKey(cid)) ?? Buffer.of() })),
    )
  }
  const flipped = (at: number) => {
    const bytes = Buffer.from(car)
    bytes[at] = (bytes[at] ?? 0) ^ 1
    return bytes
  }
  const bad: [string, () => Promise<Answer>, string][] = [
    [
      'sends other bytes for a block',
      async () => send(200, flipped(car.length - 100)),
      'not what its CID says',
    ],
    ['cuts the CAR off', async () => send(200, car.subarray(0, car.length - 3000)), 'Unexpected end'],
    ['cuts the CAR off between two blocks', async () => send(200, await withoutBlock(0)), 'is missing'],
    ['leaves out the root', async () => send(200, await withoutBlock(dag.cids.length - 1)), 'is missing'],
    [
      'sends another file under its own root',
      async () => send(200, await carOfDag(await otherFile())),
      'is missing',
    ],
    [
      'sends another file under the right name',
      async () => {
        const other = await otherFile()
        const bytes = other.blocks.get(blockKey(other.root)) ?? Buffer.of()
        return send(200, await carOf([dag.root], [{ cid: dag.root, bytes }]))
      },
      'not what its CID says',
    ],
    [
      'adds megabytes to what is right',
      async () => send(200, Buffer.concat([car, ...(await padding())])),
      'more than',
    ],
    ['sends the file itself', async () => send(200, content), ''],
    ['sends a page of HTML', async () => send(200, '<html>'), ''],
    ['sends nothing', async () => send(200), ''],
    ['does not have it', async () => send(404), 'HTTP 404'],
    ['is gone', async () => send(410), 'HTTP 410'],
    ['has too much to do', async () => send(429), 'HTTP 429'],
    ['is broken', async () => send(502), 'HTTP 502'],
    ['redirects', async () => send(301, '', { location: 'http://127.0.0.1:1/' }), 'HTTP 301'],
    ['breaks the connection', async () => (request) => request.socket.destroy(), ''],
    [
      'breaks it in the middle',
      async () => (_, response) => {
        response.writeHead(200).write(car.subarray(0, 20_000), () => response.socket?.destroy())
      },
      '',
    ],
    ['sends without end', async () => sendForever, ''],
    [
      'packs gigabytes',
      async () => send(200, gzipSync(Buffer.alloc(50_000_000)), { 'content-encoding': 'gzip' }),
      '',
    ],
  ]
  const padding = async () => {
    const one = Buffer.alloc(500_000, 7)
    const block = await carOf([], [{ cid: await rawCid(one), bytes: one }])
    const header = await carOf([], [])
    return Array(10).fill(block.subarray(header.length)) as Buffer[]
  }

  it.each(bad)('passes over a gateway that %s', async (_, makeAnswer, reason) => {
    const site = await startSite(await makeAnswer())
    const honest = await startSite(send(200, car))
    const file = await get(`ipfs://${dag.root}`, [site, honest])
    expect(text(file.bytes)).toBe(content.toString())
    expect(file.via).toBe(honest.url)

    const error = await fails(get(`ipfs://${dag.root}`, [site]))
    expect(error).toBeInstanceOf(RetryableError)
    expect(error.message).toContain(`${site.host}: `)
    expect(error.message).toContain(reason)
    await until('no connection is left open', () => site.open() === 0)
  })

  it.each<[string, Answer]>([
    ['never answers', () => {}],
    ['begins and never ends', (_, response) => void response.writeHead(200).write(Buffer.of(1))],
    [
      'trickles',
      (_, response) => {
        response.writeHead(200)
        const timer = setInterval(() => response.write(Buffer.of(0x80)), 20)
        response.on('close', () => clearInterval(timer))
      },
    ],
  ])('gives a gateway that %s its share of the time, and the next one the rest', async (_, answer) => {
    const site = await startSite(answer)
    const honest = await startSite(send(200, car))
    const startedMs = performance.now()
    const file = await get(`ipfs://${dag.root}`, [site, honest], { timeoutMs: 4000 })
    expect(file.via).toBe(honest.url)
    expect(performance.now() - startedMs).toBeLessThan(3800)

    const error = await fails(get(`ipfs://${dag.root}`, [site, site], { timeoutMs: 600 }))
    expect(error).toBeInstanceOf(RetryableError)
    expect(error.message.match(new RegExp(site.host, 'g'))).toHaveLength(2)
    await until('no connection is left open', () => site.open() === 0)
  })

  it('ignores the roots that a CAR names, and blocks that nobody asked for', async () => {
    const other = await otherFile()
    const blocks = [
      ...other.cids.map((cid) => [other, cid] as const),
      ...dag.cids.map((cid) => [dag, cid] as const),
    ]
    const body = await carOf(
      [other.root],
      blocks.map(([from, cid]) => ({ cid, bytes: from.blocks.get(blockKey(cid)) ?? Buffer.of() })),
    )
    const site = await startSite(send(200, body))
    expect(text((await get(`ipfs://${dag.root}`, [site])).bytes)).toBe(content.toString())
  })

  it('refuses a file for good that is too large by what its own first block says, without asking on', async () => {
    const large = await importFiles([{ path: 'f', content: Buffer.alloc(8_000_000, 'abcdefg') }])
    for (const headers of [{}, { 'content-length': String((await carOfDag(large)).length) }]) {
      const site = await startSite(send(200, await carOfDag(large), headers))
      const other = await startSite(send(500))
      const error = await fails(get(`ipfs://${large.root}`, [site, other]))
      expect(error).toBeInstanceOf(PermanentError)
      expect(error.message).toContain(`larger than ${bytesMax} bytes`)
      expect(other.requests).toEqual([])
    }
    const block = Buffer.alloc(bytesMax + 1, 'x')
    const site = await startSite(send(200, block))
    expect(await fails(get(`ipfs://${await rawCid(block)}`, [site]))).toBeInstanceOf(PermanentError)
  })

  it('passes over a gateway that sends another block than the one of the CID', async () => {
    const cid = await rawCid(content)
    const site = await startSite(send(200, content.toString().replace('Agent', 'Angel')))
    const honest = await startSite(send(200, content))
    expect((await get(`ipfs://${cid}`, [site, honest])).via).toBe(honest.url)
    expect((await fails(get(`ipfs://${cid}`, [site]))).message).toContain('something else than the CID says')
  })

  it('passes over a gateway that only says that a file is too large', async () => {
    const cid = await rawCid(content)
    const site = await startSite(send(200, Buffer.alloc(3_000_000)))
    const honest = await startSite(send(200, content))
    expect((await get(`ipfs://${cid}`, [site, honest])).via).toBe(honest.url)
    expect(await fails(get(`ipfs://${cid}`, [site]))).toBeInstanceOf(RetryableError)
  })

  it.each([
    ['a directory without a path', '', 'is a directory'],
    ['a name that is not there', '/d/nothing.json', 'no "nothing.json" in the directory'],
    ['a path through a file', '/d/other.json/x', 'is no directory'],
  ])('refuses for good what the blocks prove: %s', async (_, path, message) => {
    const site = await startSite(send(200, directoryCar))
    const other = await startSite(send(500))
    const error = await fails(get(`ipfs://${directory.root}${path}`, [site, other]))
    expect(error).toBeInstanceOf(PermanentError)
    expect(error.message).toContain(message)
    expect(other.requests).toEqual([])
  })

  it('ends within its bounds with a DAG that is a bomb', async () => {
    const bomb: Dag = { root: inlineCid(Buffer.of()), cids: [], blocks: new Map() }
    let { cid } = await craftNode({ data: Buffer.of() }, bomb)
    for (let level = 0; level < 200; level += 1) {
      const links = Array.from({ length: 100 }, () => ({ cid }))
      cid = (await craftNode({ blockSizes: links.map(() => 0), links }, bomb)).cid
    }
    const site = await startSite(send(200, await carOfDag({ ...bomb, root: cid })))
    const startedMs = performance.now()
    expect((await fails(get(`ipfs://${cid}`, [site]))).message).toContain('takes more than')
    expect(performance.now() - startedMs).toBeLessThan(5000)
  })

  it('refuses for good what has no gateway to ask, and what is neither file nor directory', async () => {
    expect((await fails(get(`ipfs://${dag.root}`, []))).message).toContain('IPFS_GATEWAYS')
    const error = await fails(get(`ipfs://${await rawCid(content, 0x71)}`, ['http://127.0.0.1:1']))
    expect(error).toBeInstanceOf(PermanentError)
    expect(error.message).toContain('codec is 0x71')
    // blake2b-256, which we have no code for.
    const blake = CID.createV1(0x55, createDigest(0xb220, Buffer.alloc(32)))
    const unchecked = await fails(get(`ipfs://${blake}`, ['http://127.0.0.1:1']))
    expect(unchecked).toBeInstanceOf(PermanentError)
    expect(unchecked.message).toContain('its hash is 0xb220')
  })

  it('stops when it is told to, and asks no further gateway', async () => {
    const site = await startSite(() => {})
    const other = await startSite(send(200, car))
    const controller = new AbortController()
    const fetched = fails(get(`ipfs://${dag.root}`, [site, other], { signal: controller.signal }))
    await until('the request arrived', () => site.requests.length === 1)
    controller.abort()
    expect((await fetched).message).toContain('was stopped')
    expect(other.requests).toEqual([])
  })
})

describe('resolveMcpEndpoint', () => {
  const chainId = 31337
  const registryAddress = `0x${'ab'.repeat(20)}`
  const mcp = 'https://mcp.example.com/'
  let database: Awaited<ReturnType<typeof createTestDatabase>>
  let db: Database
  let cache: ReturnType<typeof createRegistrationCache>
  let number = 0

  beforeAll(async () => {
    database = await createTestDatabase()
    await applyMigrations(database.url)
    db = openDatabase(database.url, { name: 'test' })
  })
  beforeEach(() => {
    cache = createRegistrationCache()
    number += 1
  })
  afterAll(async () => {
    await db?.end()
    await database?.drop()
  })

  const agentId = () => String(number)
  const resolve = (fields: { registryAddress?: string; chainId?: number; signal?: AbortSignal } = {}) =>
    resolveMcpEndpoint(
      {
        chainId: fields.chainId ?? chainId,
        agentId: agentId(),
        registryAddress: fields.registryAddress ?? registryAddress.toUpperCase().replace('0X', '0x'),
      },
      { http, gateways: [], db, registrations: cache },
      { signal: fields.signal },
    )
  const dataUri = (file: unknown) => `data:application/json,${JSON.stringify(file)}`
  const fileWith = (endpoint: string, more = {}) => ({ services: [{ name: 'MCP', endpoint }], ...more })

  let position = 0
  async function emit(
    eventType: 'Registered' | 'URIUpdated',
    uri: string,
    fields: Partial<RegistryEvent> = {},
  ) {
    position += 1
    const event = sampleEvent(eventType, {
      id: `${chainId}-${position}-0-cdcdcdcdcdcdcdcd`,
      block_number: position,
      log_index: 0,
      occurrence: `${chainId}-${position}`,
      contract_address: registryAddress,
      agent_id: agentId(),
      token_uri: uri,
      ...fields,
    })
    await insertEvents(db, [event], { chainId, lastBlock: position })
    return event
  }

  it('finds the endpoint in the file at the URI that the agent has now', async () => {
    await emit('Registered', dataUri(fileWith('https://old.example/')))
    expect((await resolve()).endpoint).toBe('https://old.example/')
    await emit('URIUpdated', dataUri(fileWith(mcp, { active: false })))
    expect(await resolve()).toMatchObject({ endpoint: mcp, active: false, registration: 'silent' })
  })

  it('goes back to the URI from before when the change was in a block that left the chain, and forward again', async () => {
    await emit('Registered', dataUri(fileWith('https://old.example/')))
    const update = await emit('URIUpdated', dataUri(fileWith(mcp)))
    await setEventStatus(db, update, 'retracted')
    expect((await resolve()).endpoint).toBe('https://old.example/')
    await setEventStatus(db, update, 'reinstated')
    expect((await resolve()).endpoint).toBe(mcp)
  })

  it('tells agents with one id in two registries apart', async () => {
    const legacy = `0x${'cd'.repeat(20)}`
    await emit('Registered', dataUri(fileWith(mcp)))
    await emit('URIUpdated', dataUri(fileWith('https://legacy.example/')), { contract_address: legacy })
    expect((await resolve()).endpoint).toBe(mcp)
    expect((await resolve({ registryAddress: legacy })).endpoint).toBe('https://legacy.example/')
    expect((await fails(resolve({ chainId: 1 }))).message).toContain(
      `agent ${agentId()} on chain 1 is not known`,
    )
  })

  it('tells whether the file names this agent, no agent, or only others', async () => {
    const of = (id: unknown, chain = chainId, address = registryAddress) => ({
      agentId: id,
      agentRegistry: `eip155:${chain}:${address}`,
    })
    for (const [registrations, expected] of [
      [
        [of(1, 1), of(Number(agentId()), chainId, registryAddress.toUpperCase().replace('0X', '0x'))],
        'confirmed',
      ],
      [[of(agentId())], 'confirmed'],
      [[], 'silent'],
      [[of(null)], 'silent'],
      [[of(123_456)], 'contradicted'],
      [[of(agentId(), 1)], 'contradicted'],
      [[of(agentId(), chainId, `0x${'cd'.repeat(20)}`)], 'contradicted'],
    ] as const) {
      await emit('URIUpdated', dataUri(fileWith(mcp, { registrations })))
      expect((await resolve()).registration).toBe(expected)
    }
  })

  it.each([
    ['', 'has no URI'],
    ['   ', 'has no URI'],
    ['ar://x', 'not ar:'],
    ['data:,hello', 'the registration file is not JSON'],
    ['data:,[]', 'not an object'],
    ['data:,{}', 'no service named MCP'],
    [dataUri(fileWith('npx server')), 'is not an https:// or http:// URL'],
  ])('says in one sentence why there is no endpoint: %#', async (uri, message) => {
    await emit('Registered', uri)
    const error = await fails(resolve())
    expect(error).toBeInstanceOf(PermanentError)
    expect(error.message).toContain(`agent ${agentId()} on chain ${chainId}`)
    expect(error.message).toContain(message)
  })

  it('fetches a file once for all who ask, keeps it, and notices a new URI at once', async () => {
    const site = await startSite(send(200, JSON.stringify(fileWith(mcp))))
    await emit('Registered', `${site.url}/1.json`)
    const found = await Promise.all(Array.from({ length: 20 }, () => resolve()))
    expect(found.map(({ endpoint }) => endpoint)).toEqual(Array(20).fill(mcp))
    await resolve()
    expect(site.requests).toEqual(['/1.json'])
    await emit('URIUpdated', `${site.url}/2.json`)
    await resolve()
    expect(site.requests).toEqual(['/1.json', '/2.json'])
  })

  it('remembers for a while that a file cannot be had or has no endpoint', async () => {
    const site = await startSite(send(403))
    await emit('Registered', `${site.url}/forbidden.json`)
    for (let time = 0; time < 3; time += 1) expect((await fails(resolve())).message).toContain('HTTP 403')
    expect(site.requests).toHaveLength(1)
    site.answer = send(200, '{}')
    await emit('URIUpdated', `${site.url}/empty.json`)
    for (let time = 0; time < 3; time += 1)
      expect((await fails(resolve())).message).toContain('no service named MCP')
    expect(site.requests).toHaveLength(2)
  })

  it('lets one caller give up while others wait for the same file', async () => {
    let answer = () => {}
    const site = await startSite((_, response) => {
      answer = () => void response.end(JSON.stringify(fileWith(mcp)))
    })
    await emit('Registered', `${site.url}/slow.json`)
    const controller = new AbortController()
    const impatient = fails(resolve({ signal: controller.signal }))
    const patient = resolve()
    await until('the request arrived', () => site.requests.length === 1)
    controller.abort()
    expect(await impatient).toBeInstanceOf(RetryableError)
    answer()
    expect((await patient).endpoint).toBe(mcp)
    expect(site.requests).toHaveLength(1)
  })
})
