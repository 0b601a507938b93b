import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createSecureServer, type Http2SecureServer, type ServerHttp2Stream } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PermanentError, RetryableError } from '../../src/errors.ts'
import { parseCidrs } from '../../src/outbound/cidr.ts'
import type { Resolve } from '../../worker/guard/resolve-allowed.ts'
import { createHttpClient, type HttpClient } from '../../worker/http.ts'
import { until } from '../support/until.ts'

const read = (file: string) => readFileSync(new URL(`../support/tls/${file}`, import.meta.url), 'utf8')
const tls = { key: read('localhost-key.pem'), cert: read('localhost-cert.pem') }
const policy = { allow: parseCidrs('127.0.0.0/8'), deny: [] }
const never = new AbortController().signal

const endings: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end()
})

let client: HttpClient
const open = (resolve?: Resolve) => {
  const opened = createHttpClient(policy, { ca: tls.cert, ...(resolve === undefined ? {} : { resolve }) })
  endings.push(opened.close)
  return opened
}
beforeEach(() => {
  client = open()
})

/** Listens on a free port until the end of the test; counts connections. */
const listen = async (server: Server | Http2SecureServer) => {
  const counts = { connections: 0, open: 0 }
  const sockets = new Set<{ destroy(): void }>()
  server.on('connection', (socket) => {
    counts.connections += 1
    counts.open += 1
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      counts.open -= 1
    })
  })
  ;(server as Server).listen(0, '127.0.0.1')
  await once(server, 'listening')
  endings.push(async () => {
    for (const socket of sockets) socket.destroy()
    ;(server as Server).close()
    await once(server, 'close')
  })
  return { port: ((server as Server).address() as AddressInfo).port, counts }
}

const serve = async (answer: (request: IncomingMessage, response: ServerResponse) => void) => {
  const { port, counts } = await listen(createServer(answer))
  return { url: `http://127.0.0.1:${port}/`, port, counts }
}

const send = (url: string, timeoutMs = 5_000, signal = never) =>
  client.send({ method: 'POST', url, headers: { 'x-test': 'yes' }, body: 'hello', timeoutMs }, signal)

const errorOf = async (promise: Promise<unknown>) => {
  const error = await promise.then(
    () => undefined,
    (reason) => reason,
  )
  expect(error).toBeInstanceOf(Error)
  return error as Error
}

describe('fetch', () => {
  it('is a WHATWG fetch: method, headers of every form, body, status and stream', async () => {
    const { url } = await serve(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
      const { method, headers } = request
      response.writeHead(201, { 'content-type': 'application/json', 'x-answer': 'a' })
      response.end(
        JSON.stringify({
          method,
          test: headers['x-test'],
          accepts: headers['accept-encoding'],
          body: `${Buffer.concat(chunks)}`,
        }),
      )
    })
    for (const headers of [
      { 'x-test': 'yes' },
      new Headers({ 'x-test': 'yes' }),
      [['x-test', 'yes']] as [string, string][],
    ]) {
      const response = await client.fetch(new URL(url), {
        method: 'PUT',
        headers,
        body: 'hello',
        timeoutMs: 5_000,
      })
      expect([response.status, response.ok, response.url]).toEqual([201, true, url])
      expect(response.headers.get('x-answer')).toBe('a')
      expect(response.body).toBeInstanceOf(ReadableStream)
      expect(await response.json()).toEqual({
        method: 'PUT',
        test: 'yes',
        accepts: 'identity',
        body: 'hello',
      })
    }
  })

  it('ends a body after bytesMax bytes, announced, chunked or unpacked from a small one', async () => {
    let sent = 0
    const { url } = await serve((request, response) => {
      if (request.url === '/announced') return void response.end(Buffer.alloc(1_000_001))
      if (request.url === '/bomb') {
        // 64 KiB that unpack into 64 MiB; sent although the client asked for none of it.
        response.writeHead(200, { 'content-encoding': 'gzip' })
        return void response.end(gzipSync(Buffer.alloc(64 * 1024 * 1024)))
      }
      response.on('error', () => {})
      const more = () => {
        do sent += 64 * 1024
        while (!response.destroyed && response.write(Buffer.alloc(64 * 1024)))
      }
      response.on('drain', more)
      more()
    })
    for (const path of ['announced', 'chunked', 'bomb']) {
      const error = await errorOf(
        client.fetch(url + path, { bytesMax: 1_000_000 }).then((response) => response.text()),
      )
      expect(error).toBeInstanceOf(PermanentError)
      expect(error.message).toBe(`the answer of ${new URL(url).host} is larger than 1000000 bytes`)
    }
    // What lies in the buffers of two sockets, not what the server would have liked to send.
    expect(sent).toBeLessThan(32 * 1024 * 1024)
    const whole = await client.fetch(`${url}announced`, { bytesMax: 1_000_001 })
    expect((await whole.arrayBuffer()).byteLength).toBe(1_000_001)
  })

  it('has 16 MiB as its limit unless it is told another', async () => {
    const { url } = await serve((_, response) => void response.end(Buffer.alloc(16 * 1024 * 1024 + 1)))
    expect((await errorOf(client.fetch(url))).message).toContain('is larger than 16777216 bytes')
    const response = await client.fetch(url, { bytesMax: Number.POSITIVE_INFINITY })
    expect((await response.arrayBuffer()).byteLength).toBe(16 * 1024 * 1024 + 1)
  })

  it('without a deadline keeps an event stream open, and the signal ends it', async () => {
    const { url } = await serve((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: one\n\n')
    })
    const stop = new AbortController()
    const response = await client.fetch(url, { signal: stop.signal })
    const reader = response.body?.getReader()
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('data: one\n\n')
    const next = reader?.read()
    const reason = new Error('enough')
    stop.abort(reason)
    await expect(next).rejects.toBe(reason)
  })

  it('reads nothing ahead of its reader', async () => {
    let sent = 0
    const { url } = await serve((_, response) => {
      response.on('error', () => {})
      const more = () => {
        do sent += 64 * 1024
        while (!response.destroyed && response.write(Buffer.alloc(64 * 1024)))
      }
      response.on('drain', more)
      more()
    })
    const response = await client.fetch(url, { bytesMax: Number.POSITIVE_INFINITY })
    await until('the server has filled every buffer', async () => {
      const before = sent
      await delay(300)
      return before === sent && sent > 0
    })
    expect(sent).toBeLessThan(64 * 1024 * 1024)
    await response.body?.cancel()
  })

  it('throws the reason of a signal that is aborted before or during the call', async () => {
    const { url } = await serve(() => {})
    const reason = new Error('not now')
    await expect(client.fetch(url, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const stop = new AbortController()
    const call = client.fetch(url, { signal: stop.signal })
    stop.abort(reason)
    await expect(call).rejects.toBe(reason)
  })
})

describe('the deadline', () => {
  const late = { name: 'RetryableError', message: 'no answer within 300 ms' }
  const endsInTime = async (url: string) => {
    const startedAt = performance.now()
    const read = client
      .fetch(url, { method: 'POST', body: 'x', timeoutMs: 300 })
      .then((response) => response.text())
    const errors = await Promise.all([errorOf(send(url, 300)), errorOf(read)])
    expect(errors.map(({ name, message }) => ({ name, message }))).toEqual([late, late])
    expect(performance.now() - startedAt).toBeLessThan(2_000)
  }

  it('covers DNS that does not answer', async () => {
    client = open(() => new Promise(() => {}))
    await endsInTime('http://silent.example/')
  })

  it('covers TLS that is never spoken', async () => {
    const { port } = await listen(createTcpServer(() => {}))
    await endsInTime(`https://localhost:${port}/`)
  })

  it('covers headers that never come, and those that drip', async () => {
    await endsInTime((await serve(() => {})).url)
    const { port } = await listen(
      createTcpServer((socket) => {
        socket.write('HTTP/1.1 200 OK\r\n')
        const timer = setInterval(() => socket.write('x: y\r\n'), 50)
        socket.on('close', () => clearInterval(timer))
      }),
    )
    await endsInTime(`http://127.0.0.1:${port}/`)
  })

  it('covers a body that drips', async () => {
    const { url } = await serve((_, response) => {
      const timer = setInterval(() => response.write('x'), 50)
      response.on('close', () => clearInterval(timer))
    })
    await endsInTime(url)
  })

  it('does not reach beyond its call: the connection is used again', async () => {
    const { url, counts } = await serve((_, response) => void response.end('ok'))
    for (let call = 0; call < 5; call += 1) {
      expect((await send(url, 300)).body).toBe('ok')
      expect(await (await client.fetch(url, { timeoutMs: 300 })).text()).toBe('ok')
    }
    // Two, where the next call comes before the last is quite put away.
    expect(counts.connections).toBeLessThanOrEqual(2)
  })
})

describe('send', () => {
  it('keeps 4 KiB, refuses headers larger than 16 KiB, and names what cannot be sent', async () => {
    const { url } = await serve((request, response) => {
      if (request.url === '/headers') response.setHeader('x-large', 'x'.repeat(17 * 1024))
      response.end('x'.repeat(100_000))
    })
    expect(await send(url)).toMatchObject({ status: 200, body: 'x'.repeat(4096), bodyTruncated: true })
    expect(await errorOf(send(`${url}headers`))).toMatchObject({
      name: 'RetryableError',
      message: expect.stringContaining('its headers are larger than 16 KiB'),
    })
    const bad = { 'x-bad': 'a\r\nx-injected: b' }
    const call = client.send({ method: 'POST', url, headers: bad, body: 'x', timeoutMs: 5_000 }, never)
    expect(await errorOf(call)).toBeInstanceOf(PermanentError)
  })

  it('is ended by its signal', async () => {
    const { url } = await serve(() => {})
    const stop = new AbortController()
    const call = send(url, 5_000, stop.signal)
    stop.abort()
    expect(await errorOf(call)).toBeInstanceOf(RetryableError)
  })

  it('names a certificate that is not trusted', async () => {
    const { port } = await listen(createHttpsServer(tls, (_, response) => void response.end('ok')))
    const distrusting = createHttpClient(policy)
    endings.push(distrusting.close)
    const call = distrusting.send(
      { method: 'GET', url: `https://localhost:${port}/`, headers: {}, body: undefined, timeoutMs: 5_000 },
      never,
    )
    expect(await errorOf(call)).toMatchObject({
      name: 'RetryableError',
      message: expect.stringMatching(/self-signed|DEPTH_ZERO|certificate/i),
    })
    expect((await send(`https://127.0.0.1:${port}/`)).body).toBe('ok')
  })
})

describe('HTTP/2', () => {
  /** A server of HTTP/2, and of HTTP/1.1 if it is told so. */
  const serveH2 = async (
    allowHTTP1: boolean,
    onStream: (stream: ServerHttp2Stream, path: string) => void,
  ) => {
    const server = createSecureServer({ ...tls, allowHTTP1 })
    server.on('stream', (stream, headers) => {
      stream.on('error', () => {})
      onStream(stream, String(headers[':path']))
    })
    server.on('sessionError', () => {})
    server.on('request', (request, response) => {
      if (request.httpVersionMajor === 1) response.end('HTTP/1.1')
    })
    const { port, counts } = await listen(server)
    return { url: `https://localhost:${port}/`, counts }
  }
  const reply = (stream: ServerHttp2Stream, body = 'HTTP/2') => {
    if (stream.destroyed) return
    stream.respond({ ':status': 200, 'x-version': '2' })
    stream.end(body)
  }

  it('is spoken where nothing else is, over connections that are kept', async () => {
    const { url, counts } = await serveH2(false, (stream) => reply(stream))
    for (let call = 0; call < 10; call += 1) {
      expect(await send(url)).toMatchObject({ status: 200, body: 'HTTP/2', headers: { 'x-version': '2' } })
      expect(await (await client.fetch(url)).text()).toBe('HTTP/2')
    }
    // One that was refused HTTP/1.1, and one that is kept.
    expect(counts.connections).toBe(2)
  })

  it('is not spoken where HTTP/1.1 is', async () => {
    const { url, counts } = await serveH2(true, (stream) => reply(stream))
    for (let call = 0; call < 10; call += 1) expect((await send(url)).body).toBe('HTTP/1.1')
    expect(counts.connections).toBeLessThanOrEqual(2)
  })

  it('carries many calls at once, each answered with its own body', async () => {
    const { url } = await serveH2(false, (stream, path) =>
      setTimeout(() => reply(stream, path), Math.random() * 20),
    )
    const bodies = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => (await send(`${url}${index}`)).body),
    )
    expect(bodies).toEqual(bodies.map((_, index) => `/${index}`))
  })

  it('has the same deadlines, and one call that hangs holds up no other', async () => {
    const { url } = await serveH2(false, (stream, path) => {
      if (path === '/hang') return
      if (path === '/ok') return reply(stream)
      stream.respond({ ':status': 200 })
      const timer = setInterval(() => stream.write('x'), 50)
      stream.on('close', () => clearInterval(timer))
    })
    const hanging = Array.from({ length: 20 }, (_, index) =>
      errorOf(send(`${url}${index % 2 ? 'hang' : 'drip'}`, 500)),
    )
    for (let call = 0; call < 20; call += 1) expect((await send(`${url}ok`, 400)).body).toBe('HTTP/2')
    for (const error of await Promise.all(hanging)) expect(error.message).toBe('no answer within 500 ms')
    expect((await send(`${url}ok`)).body).toBe('HTTP/2')
  })

  it('a connection that the server takes leave of fails one call at most, and the next call has a new one', async () => {
    let calls = 0
    const { url } = await serveH2(false, (stream) => {
      calls += 1
      if (calls % 10 === 0) stream.session?.goaway(0, stream.id)
      setTimeout(() => reply(stream), 2)
    })
    const outcomes: string[] = []
    for (let call = 0; call < 50; call += 1)
      outcomes.push(
        await send(url).then(
          ({ body }) => body,
          (error) => error.name,
        ),
      )
    expect(calls).toBe(50)
    expect(outcomes.filter((outcome) => outcome === 'RetryableError').length).toBeLessThanOrEqual(5)
    expect(outcomes.filter((outcome) => outcome === 'HTTP/2').length).toBeGreaterThanOrEqual(45)
  })
})

describe('many hosts', () => {
  it('leave no connection behind when their servers close them', async () => {
    client = open(async () => [{ address: '127.0.0.1', family: 4 }])
    const { port, counts } = await serve((_, response) => {
      response.setHeader('keep-alive', 'timeout=3')
      response.end('ok')
    })
    await Promise.all(
      Array.from({ length: 300 }, (_, index) => send(`http://host-${index}.example:${port}/`)),
    )
    expect(counts.connections).toBe(300)
    await until('every connection is closed', () => counts.open === 0)
    expect((await send(`http://host-1.example:${port}/`)).body).toBe('ok')
  })
})

describe('the transports of the MCP SDK', () => {
  const echo = () => {
    const server = new McpServer({ name: 'echo', version: '1' })
    server.registerTool('greet', {}, async () => ({ content: [{ type: 'text', text: 'hello' }] }))
    return server
  }
  const greeting = { content: [{ type: 'text', text: 'hello' }] }

  it.each([true, false])('Streamable HTTP (answers as JSON: %s)', async (enableJsonResponse) => {
    const { url } = await serve(async (request, response) => {
      const transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: undefined,
        enableJsonResponse,
      } as never)
      await echo().connect(transport as never)
      await transport.handleRequest(request, response)
    })
    const mcp = new Client({ name: 'test', version: '1' })
    await mcp.connect(new StreamableHTTPClientTransport(new URL(url), { fetch: client.fetch }) as never)
    expect(await mcp.callTool({ name: 'greet' })).toMatchObject(greeting)
    await mcp.close()
  })

  it('SSE', async () => {
    let transport: SSEServerTransport | undefined
    const { url } = await serve(async (request, response) => {
      if (request.method === 'POST') return transport?.handlePostMessage(request, response)
      transport = new SSEServerTransport('/messages', response)
      await echo().connect(transport)
    })
    const mcp = new Client({ name: 'test', version: '1' })
    await mcp.connect(new SSEClientTransport(new URL(url), { fetch: client.fetch }))
    expect(await mcp.callTool({ name: 'greet' })).toMatchObject(greeting)
    await mcp.close()
  })

  it('tell a refused address as it is', async () => {
    const mcp = new Client({ name: 'test', version: '1' })
    const transport = new StreamableHTTPClientTransport(new URL('http://10.0.0.1/'), { fetch: client.fetch })
    expect(await errorOf(mcp.connect(transport as never))).toBeInstanceOf(PermanentError)
  })
})
