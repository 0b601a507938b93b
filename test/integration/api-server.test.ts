import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OpenAPIHono } from '@hono/zod-openapi'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadBootstrapToken } from '../../src/api/bootstrap-token.ts'
import { listen } from '../../src/api/listen.ts'
import { UserError } from '../../src/errors.ts'

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

  test('closing answers the requests under way, and waits for them', async () => {
    const app = new OpenAPIHono()
    let arrived = () => {}
    let answer = () => {}
    const arrival = new Promise<void>((resolve) => {
      arrived = resolve
    })
    const permission = new Promise<void>((resolve) => {
      answer = resolve
    })
    app.get('/', async (c) => {
      arrived()
      await permission
      return c.text('done')
    })
    const server = await listen(app, local)
    const request = fetch(server.url).then((response) => response.text())
    await arrival
    let closed = false
    const closing = server.close().then(() => {
      closed = true
    })
    await expect(fetch(server.url)).rejects.toThrow()
    expect(closed).toBe(false)
    answer()
    expect(await request).toBe('done')
    const before = performance.now()
    await closing
    expect(performance.now() - before).toBeLessThan(2000)
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
