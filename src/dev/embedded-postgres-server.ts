import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { link, open, readFile, rename, stat, truncate, unlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { UserError } from '../errors.ts'
import type { PostgresFolder } from './embedded-postgres-folder.ts'
import { diskFull, type PostgresPrograms, runProgram } from './embedded-postgres-programs.ts'

/** All that one needs to start, find and stop the server of one folder. */
export type PostgresServer = { folder: PostgresFolder; programs: PostgresPrograms }

const settings = {
  listen_addresses: '127.0.0.1',
  // No socket file: /tmp is shared, and other folders' paths can be too long for one.
  unix_socket_directories: '',
  // Every role has its pools, and several stacks may share the server.
  max_connections: 200,
  // Our queries are short; compiling them costs more than it saves.
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  lc_messages: 'C',
}

const logSizeBytesMax = 10_000_000

/**
 * A start that failed and may succeed when it is tried again: another process started the server first; its pid file is just
 * being written; it was up and another process, done with it, has stopped it again; sessions of a killed server still end.
 */
const temporary =
  /lock file "postmaster\.pid" (already exists|is empty)|PID file .* is empty|ready to accept connections|shared memory block .* still in use/

const stopMaxMs = 10_000

/**
 * Starts the server and waits until it answers. It gets the port that it had before, or another if that is taken.
 * When another process was quicker, or the reason will pass, it returns too: look with {@link findPostmaster} and begin again.
 *
 * @throws UserError when it cannot start, with the reason from its log.
 */
export async function startServer({ folder, programs }: PostgresServer): Promise<void> {
  const logPath = join(folder.path, 'server.log')
  const portPath = join(folder.path, 'port')
  let port = Number(await readFile(portPath, 'utf8').catch(() => '0'))
  for (let attempt = 0; attempt < 10; attempt += 1) {
    port = await findFreePort(port)
    await disownPidFile(folder)
    const log = await openLog(logPath)
    try {
      const start = (await log.stat()).size
      const options = Object.entries({ ...settings, port }).map(([name, value]) => `-c ${name}=${value}`)
      const args = ['start', '-D', folder.data, '-w', '-s', '-t', '120', '-o', options.join(' ')]
      // Detached: Ctrl-C must not reach a server that others may be waiting for.
      const { code } = await runProgram(programs.pg_ctl, args, {
        ...programs,
        output: log.fd,
        detached: true,
      })
      if (code === 0) return await writeFile(portPath, `${port}\n`).catch(() => {})
      const said = (await readFile(logPath)).subarray(start).toString()
      const reason = findReason(said)
      // No reason at all: it was killed.
      if (reason === undefined || temporary.test(said)) return
      if (!/could not bind|Address already in use/.test(said)) {
        throw explainFailure(said, reason, folder, logPath)
      }
      port = 0
    } finally {
      await log.close()
    }
  }
  throw new UserError(
    'The embedded Postgres found no free port on 127.0.0.1. Set DATABASE_URL to use another Postgres.',
  )
}

/** Stops the server: sessions are cut, everything is written. Returns whether it ended within the time. */
export async function stopServer({ folder, programs }: PostgresServer): Promise<boolean> {
  const pid = (await findPostmaster(folder))?.pid
  if (pid === undefined) return true
  const args = ['stop', '-D', folder.data, '-m', 'fast', '-s']
  // pg_ctl's own wait looks for the pid file, and would wait for another process's next server to stop.
  await runProgram(programs.pg_ctl, [...args, '--no-wait'], { ...programs, detached: true })
  for (const deadline = Date.now() + stopMaxMs; Date.now() < deadline; await delay(20)) {
    if (!(await isPostmaster(pid, folder))) return true
  }
  return false
}

/** The running server of this folder, as its pid file tells; undefined if none runs. It may be on its way up or down. */
export async function findPostmaster(
  folder: PostgresFolder,
): Promise<{ pid: number; port: number } | undefined> {
  const [pid = 0, , , port = 0] = (await readPidFile(folder)).map(Number)
  return pid > 0 && port > 0 && (await isPostmaster(pid, folder)) ? { pid, port } : undefined
}

/** Whether a process with this id runs, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function readPidFile({ data }: PostgresFolder): Promise<string[]> {
  return (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
}

/** After a crash the id may be that of any other process by now, so the command line decides. */
async function isPostmaster(pid: number, { data }: PostgresFolder): Promise<boolean> {
  if (!isAlive(pid)) return false
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8')
    .catch(async () => (await promisify(execFile)('ps', ['-ww', '-o', 'args=', '-p', String(pid)])).stdout)
    // Neither /proc nor ps: believe the file.
    .catch(() => `postgres -D ${data} `)
  return command.replaceAll('\0', ' ').includes(`postgres -D ${data} `)
}

/**
 * Postgres does not start over a pid file whose process lives, even when that id went to an unrelated process. It accepts its
 * starter's id, so we put ours in. (Without the file it could not notice sessions that the crashed server has left.)
 */
async function disownPidFile(folder: PostgresFolder): Promise<void> {
  const stale = await readPidFile(folder)
  const pid = Number(stale[0])
  const path = join(folder.data, 'postmaster.pid')
  if (!pid) return removeEmptyPidFile(path)
  if (!isAlive(pid) || (await isPostmaster(pid, folder))) return
  const aside = `${path}.${process.pid}`
  try {
    // Taken away whole and looked at again: it may be that of a server which another process has started just now.
    await rename(path, aside)
    const taken = await readFile(aside, 'utf8')
    if (taken === stale.join('\n')) {
      await writeFile(path, [process.pid, ...stale.slice(1)].join('\n'), { flag: 'wx' })
    } else {
      await link(aside, path)
    }
    await unlink(aside)
  } catch (error) {
    // Another process does the same at the same time.
    if (!['ENOENT', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

/** A power cut can leave it empty, and Postgres asks a person then. One that is just being written is young. */
async function removeEmptyPidFile(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found !== undefined && Date.now() - found.mtimeMs > 2_000) await unlink(path)
}

async function openLog(path: string) {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  )
  if (size > logSizeBytesMax) await truncate(path)
  return open(path, 'a+')
}

/** Why the server ended, without what it told those who tried to connect meanwhile. */
function findReason(said: string): string | undefined {
  const reasons = [...said.matchAll(/(?:FATAL|PANIC|error):? +(.*)/g)].map((match) => match[1])
  return reasons.find((reason) => !/^(?:the database system is|terminating|canceling) /.test(reason ?? ''))
}

function explainFailure(said: string, reason: string, folder: PostgresFolder, logPath: string): UserError {
  const made = /initialized by PostgreSQL version (\S+),.*with this version (\d+)/.exec(said)
  if (made !== null) {
    return new UserError(
      `The database in ${folder.path} was made by Postgres ${made[1]} and this is Postgres ${made[2]}. Move the folder away to begin with an empty database, or run that version yourself and set DATABASE_URL.`,
    )
  }
  if (diskFull.test(said)) {
    return new UserError(
      `The embedded Postgres cannot start in ${folder.path}: the disk is full. Free some space.`,
    )
  }
  return new UserError(
    `The embedded Postgres does not start: ${reason}. Its log is ${logPath}. Set DATABASE_URL to use another Postgres.`,
  )
}

/** The wanted port if it is free, any other free one if not. */
async function findFreePort(wanted: number): Promise<number> {
  const server = createServer()
  try {
    server.listen(wanted, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    return address !== null && typeof address === 'object' ? address.port : 0
  } catch (error) {
    if (wanted === 0) throw error
    return findFreePort(0)
  } finally {
    await new Promise((closed) => server.close(closed))
  }
}
