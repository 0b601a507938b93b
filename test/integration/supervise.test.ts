import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { findFreePort } from '../../src/free-port.ts'
import type { Log } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { createShutdown } from '../../src/shutdown.ts'
import { superviseRoles } from '../../src/supervise.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

let database: Awaited<ReturnType<typeof createTestDatabase>>
let shutdown: ReturnType<typeof createShutdown>
let home: string

beforeEach(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  shutdown = createShutdown()
  home = mkdtempSync(join(tmpdir(), 'tocsin-supervise-'))
})
afterEach(async () => {
  await shutdown.run()
  await database.drop()
  rmSync(home, { recursive: true, force: true })
})

it('a role that crashes while the database is away is started until it is back', async () => {
  const gate = await openGate(database.url)
  const apiPort = await findFreePort()
  const { log, reasons } = collectErrors()
  const output = openSync('/dev/null', 'w')
  shutdown.add(() => closeSync(output))
  shutdown.add(gate.close)
  const environment = {
    DATABASE_URL: gate.url,
    REDIS_URL: undefined,
    TOCSIN_HOME: home,
    TOCSIN_API_PORT: `${apiPort}`,
    TOCSIN_API_TOKEN: 'a-token-for-tests-only',
  }
  await superviseRoles({ roles: ['api'], environment, log, shutdown, output })
  const isUp = () =>
    fetch(`http://127.0.0.1:${apiPort}/healthz`).then(
      (response) => response.ok,
      () => false,
    )
  await until('the API answers', isUp)

  await gate.close()
  process.kill(pidOf('src/api/role.ts'), 'SIGKILL')
  await until('it was started without its database', () =>
    reasons.some((reason) => reason?.includes('no Postgres answers there')),
  )
  expect(await isUp()).toBe(false)

  await gate.open()
  await until('the API answers', isUp)
})

/** A way to the database that can be shut. */
async function openGate(databaseUrl: string) {
  const url = new URL(databaseUrl)
  const target = { host: url.hostname, port: Number(url.port || 5432) }
  const sockets = new Set<Socket>()
  const accept = (socket: Socket) => {
    const onward = connect(target)
    for (const side of [socket, onward]) {
      sockets.add(side)
      side.on('error', () => {})
      side.on('close', () => {
        sockets.delete(side)
        socket.destroy()
        onward.destroy()
      })
    }
    socket.pipe(onward).pipe(socket)
  }
  const port = await findFreePort()
  let server = createServer(accept)
  const open = () => {
    server = createServer(accept)
    return new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', resolve)
    })
  }
  await open()
  url.host = `127.0.0.1:${port}`
  return {
    url: url.href,
    open,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

function collectErrors(): { log: Log; reasons: (string | undefined)[] } {
  const reasons: (string | undefined)[] = []
  const log: Log = {
    child: () => log,
    debug: () => {},
    info: () => {},
    warn: () => {},
    error: ({ reason }) => reasons.push(reason as string | undefined),
  }
  return { log, reasons }
}

/** Of our only child with this in its command line. */
function pidOf(part: string): number {
  return Number(execFileSync('pgrep', ['-P', `${process.pid}`, '-f', part], { encoding: 'utf8' }).trim())
}
