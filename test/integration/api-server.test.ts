import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OpenAPIHono } from '@hono/zod-openapi'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadBootstrapToken } from '../../src/api/bootstrap-token.ts'
import { listen } from '../../src/api/listen.ts'
import { UserError } from '../../src/errors.ts'
import { until } from '../support/until.ts'

const local = { host: '127.0.0.1', port: 0 }

describe('the port', () => {
  test('one that is taken is an error that names it and the setting', async () => {
    const first = await listen(new OpenAPIHono(), local)
    const port = Number(new URL(first.url).port)
    const second = listen(new OpenAPIHono(), { ...local, port })
    await expect(second).rejects.toThrow(UserError)
    await expect(second).rejects.toThrow(`Port ${port} on 127.0.0.1 is taken`)
    await expect(second).rejects.toThrow('TOCSIN_API_PORT')
    await first.close()
  })

  test('an address of another machine is an error that names the setting', async () => {
    await expect(listen(new OpenAPIHono(), { host: '192.0.2.1', port: 0 })).rejects.toThrow(/TOCSIN_API_HOST/)
  })

  describe('closing', () => {
    /** A server with a route that answers when it is let. */
    async function serveSlow(patience?: { acceptMs: number; endMs: number }) {
      let arrived = () => {}
      let answer = () => {}
      const arrival = new Promise<void>((resolve) => {
        arrived = resolve
      })
      const permission = new Promise<void>((resolve) => {
        answer = resolve
      })
      const app = new OpenAPIHono()
      app.get('/', async (c) => {
        arrived()
        await permission
        return c.text('done')
      })
      app.get('/fast', (c) => c.text('fast'))
      const server = await listen(app, local, patience)
      const slow = fetch(server.url)
      slow.catch(() => {})
      await arrival
      return { server, slow, answer }
    }

    test('the requests under way are answered, and it ends with the last of them', async () => {
      const { server, slow, answer } = await serveSlow()
      let closed = false
      const closing = server.close().then((brokenOff) => {
        closed = true
        return brokenOff
      })
      // Who has not heard of it yet is answered, and told to come back by another connection.
      const late = await fetch(`${server.url}/fast`)
      expect(await late.text()).toBe('fast')
      expect(late.headers.get('connection')).toBe('close')
      expect(closed).toBe(false)
      answer()
      const answered = await slow
      expect(await answered.text()).toBe('done')
      expect(answered.headers.get('connection')).toBe('close')
      const before = performance.now()
      expect(await closing).toBe(0)
      expect(performance.now() - before).toBeLessThan(2000)
      await expect(fetch(`${server.url}/fast`)).rejects.toThrow()
    })

    test('after a while it takes no new ones, whatever is still under way', async () => {
      const { server, slow, answer } = await serveSlow({ acceptMs: 50, endMs: 20_000 })
      const closing = server.close()
      await until('the port is closed', () =>
        fetch(`${server.url}/fast`).then(
          () => false,
          () => true,
        ),
      )
      answer()
      expect(await (await slow).text()).toBe('done')
      expect(await closing).toBe(0)
    })

    test('what takes too long is broken off, and counted', async () => {
      const { server, slow } = await serveSlow({ acceptMs: 20, endMs: 100 })
      expect(await server.close()).toBe(1)
      await expect(slow).rejects.toThrow()
    })

    test('with nothing under way it ends at once', async () => {
      const server = await listen(new OpenAPIHono(), local)
      expect((await fetch(server.url)).status).toBe(404)
      const before = performance.now()
      await server.close()
      expect(performance.now() - before).toBeLessThan(1000)
    })
  })
})

describe('the bootstrap token', () => {
  let home: string
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'tocsin-token-'))
  })
  afterEach(() => rm(home, { recursive: true }))

  test('the configured one counts, and nothing is written', async () => {
    expect(await loadBootstrapToken({ configured: 'configured-token', home })).toBe('configured-token')
    await expect(readFile(join(home, 'api-token'))).rejects.toThrow(/ENOENT/)
  })

  test('one is made once and kept where only its owner can read it', async () => {
    const inner = join(home, 'new', 'home')
    const token = await loadBootstrapToken({ configured: undefined, home: inner })
    expect(token).toMatch(/^[\w-]{43}$/)
    expect(await loadBootstrapToken({ configured: undefined, home: inner })).toBe(token)
    expect((await stat(join(inner, 'api-token'))).mode & 0o777).toBe(0o600)
  })

  test('all that start at the same time have the same one', async () => {
    const tokens = await Promise.all(
      Array.from({ length: 20 }, () => loadBootstrapToken({ configured: undefined, home })),
    )
    expect(new Set(tokens).size).toBe(1)
    expect((await readFile(join(home, 'api-token'), 'utf8')).trim()).toBe(tokens[0])
  })

  test('a file without a token is an error that says what to do, not an open API', async () => {
    await writeFile(join(home, 'api-token'), '\n')
    await expect(loadBootstrapToken({ configured: undefined, home })).rejects.toThrow(
      /Delete it to have a new one made/,
    )
  })
})
