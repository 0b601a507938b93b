import { spawn } from 'node:child_process'
import { open } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describeError, UserError } from '../errors.ts'
import { explainFileError, openPostgresFolder, readPassword } from './embedded-postgres-folder.ts'
import {
  claimServer,
  giveBackLease,
  hasKeeper,
  isPassing,
  openSession,
  type Session,
  takeLease,
} from './embedded-postgres-lease.ts'
import { findPostgresPrograms, plainEnvironment } from './embedded-postgres-programs.ts'
import { findPostmaster, type PostgresServer, startServer, stopServer } from './embedded-postgres-server.ts'

const database = 'tocsin'

/** A server that runs but does not answer is given up after this; recovery after a crash takes its time. */
const answerMaxMs = 120_000

/** Starts may fail for a passing reason; each takes some 200 ms, a session of a killed server at most seconds to end. */
const startsMax = 50

type Lease = { session: Session; url: string }

/**
 * Opens the Postgres that lives in `home` and is shared by everything that uses the same `home`: makes it when it is
 * opened for the first time, starts it if it does not run. It runs until the last user has given it back or has ended,
 * in whatever way; data stays.
 *
 * @returns a superuser's URL of the database `tocsin`, and `release`, which gives the server back and, after the last
 *   user, returns when it has stopped.
 * @throws UserError when it cannot be made, started or reached.
 */
export async function openEmbeddedPostgres({
  home,
  log = () => {},
}: {
  home: string
  log?: (line: string) => void
}): Promise<{ url: string; release(): Promise<void> }> {
  const programs = await findPostgresPrograms(log)
  const server = { programs, folder: await openPostgresFolder(resolve(home), programs, log) }
  let lease = acquireLease(server, log)
  const { url } = await lease.catch((error) => {
    throw explainFileError(error, server.folder.path)
  })

  let released: Promise<void> | undefined
  const watch = async () => {
    await (await lease).session.closed
    if (released !== undefined) return
    log('the embedded Postgres was lost; starting it again')
    lease = acquireLease(server, log)
    const revived = await lease
    if (revived.url !== url) log('the embedded Postgres has another port now: restart Tocsin')
    await watch()
  }
  watch().catch((error) => log(`the embedded Postgres is gone: ${describeError(error)}`))

  return {
    url,
    release: () => {
      released ??= lease
        .then((held) => releaseLease(server, held.session, log))
        .catch((error) => {
          // Whatever was missed, the keeper will do.
          if (!isPassing(error))
            log(`the embedded Postgres was not given back cleanly: ${describeError(error)}`)
        })
      return released
    },
  }
}

/** Finds the running server or starts it, and takes a lease on it; begins again when it goes down in between. */
async function acquireLease(server: PostgresServer, log: (line: string) => void): Promise<Lease> {
  const deadline = Date.now() + answerMaxMs
  let starts = 0
  let keeper: Keeper | undefined
  try {
    for (;;) {
      const postmaster = await findPostmaster(server.folder)
      if (postmaster === undefined) {
        if (starts === startsMax) {
          throw new UserError(
            `The embedded Postgres does not stay up. ${seeLog(server)} Set DATABASE_URL to use another Postgres.`,
          )
        }
        starts += 1
        // The keeper first, so that there is no moment in which our death would leave the server running.
        keeper ??= await startKeeper(server)
        await startServer(server)
        if ((await findPostmaster(server.folder)) === undefined) await delay(100)
        continue
      }
      let session: Session | undefined
      try {
        session = await openSession(server.folder, postmaster.port, 'lease')
        await takeLease(session)
        await createDatabase(session)
        if (keeper === undefined && !(await hasKeeper(session))) keeper = await startKeeper(server)
        log(`Postgres runs on 127.0.0.1:${postmaster.port}, its data is in ${server.folder.path}`)
        const password = await readPassword(server.folder)
        return { session, url: `postgres://tocsin:${password}@127.0.0.1:${postmaster.port}/${database}` }
      } catch (error) {
        await session?.sql.end({ timeout: 0 })
        if (!isPassing(error) || Date.now() > deadline) {
          throw explainFailure(error, server)
        }
      }
      await delay(50)
    }
  } finally {
    keeper?.letGo()
  }
}

async function releaseLease(
  server: PostgresServer,
  session: Session,
  log: (line: string) => void,
): Promise<void> {
  try {
    await giveBackLease(session)
    if ((await claimServer(session)) && !(await stopServer(server))) {
      log('the embedded Postgres takes long to stop; it goes on in the background')
    }
  } finally {
    await session.sql.end({ timeout: 0 })
  }
}

async function createDatabase({ sql }: Session): Promise<void> {
  const [found] = await sql`select from pg_database where datname = ${database}`
  if (found !== undefined) return
  await sql`create database ${sql(database)} template template0`.catch((error) => {
    // Another process made it at the same time: duplicate_database, or unique_violation if it was closer still.
    if (!['42P04', '23505'].includes(error.code)) throw error
  })
}

function explainFailure(error: unknown, server: PostgresServer): UserError {
  const { path } = server.folder
  const message =
    (error as { code?: string }).code === '28P01'
      ? `The password in ${path}/password is not that of the database beside it. Put the right one back, or move ${path} away to begin with an empty database.`
      : `The embedded Postgres runs but cannot be used: ${describeError(error)}. ${seeLog(server)} Set DATABASE_URL to use another Postgres.`
  return new UserError(message, { cause: error })
}

function seeLog({ folder }: PostgresServer): string {
  return `Its log is ${join(folder.path, 'server.log')}.`
}

type Keeper = { letGo(): void }

/** Starts the process that stops the server when nobody uses it. `letGo` tells it that our start is over; our death tells it, too. */
async function startKeeper(server: PostgresServer): Promise<Keeper> {
  const log = await open(join(server.folder.path, 'keeper.log'), 'a')
  const args = [
    '--import',
    // Not import.meta.resolve: vitest does not have it.
    pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href,
    fileURLToPath(new URL('./postgres-keeper.ts', import.meta.url)),
    JSON.stringify(server),
  ]
  const child = spawn(process.execPath, args, {
    cwd: '/',
    detached: true,
    env: plainEnvironment,
    stdio: ['pipe', log.fd, log.fd],
  })
  child.on('error', () => {})
  child.stdin?.on('error', () => {})
  child.unref()
  await log.close()
  return { letGo: () => child.stdin?.end('done') }
}
