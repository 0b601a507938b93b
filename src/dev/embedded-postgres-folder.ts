import { createHash, randomBytes } from 'node:crypto'
import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { describeError, UserError } from '../errors.ts'
import {
  canEnter,
  diskFull,
  makeSystemFolder,
  type PostgresPrograms,
  runProgram,
  systemFolder,
} from './embedded-postgres-programs.ts'
import { isAlive } from './embedded-postgres-server.ts'

/** Everything of one embedded server: `data/`, `password`, `port` (the last one) and the logs. */
export type PostgresFolder = { path: string; data: string }

/**
 * The folder `postgres` in `home`, made with an empty database if it is not there. It appears at once and whole: it is
 * prepared beside its place and renamed, so an interrupted start leaves nothing half-made, and of two at once one wins.
 *
 * @throws UserError when it cannot be made or belongs to another user.
 */
export async function openPostgresFolder(
  home: string,
  programs: PostgresPrograms,
  log: (line: string) => void,
): Promise<PostgresFolder> {
  const link = join(home, 'postgres')
  try {
    await mkdir(home, { recursive: true })
    await removeAbandoned(link)
    if (!(await isPresent(link))) await createFolder(home, link, programs, log)
    await checkOwner(link, programs)
    const path = await realpath(link)
    return { path, data: join(path, 'data') }
  } catch (error) {
    if (error instanceof UserError) throw error
    throw explainFileError(error, home)
  }
}

/** The password of the server's one user. Made with the database and kept; it never appears in a command line. */
export async function readPassword({ path }: PostgresFolder): Promise<string> {
  return (await readFile(join(path, 'password'), 'utf8')).trim()
}

/** A sentence for what the file system refused. */
export function explainFileError(error: unknown, folder: string): unknown {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  const hint = {
    EACCES: 'you have no permission there',
    EPERM: 'you have no permission there',
    // Node says this for a new folder on a read-only disk, too.
    ENOENT: 'something is missing or cannot be made',
    EROFS: 'it is read-only',
    ENOSPC: 'the disk is full',
    EDQUOT: 'your share of the disk is used up',
    ENOTDIR: 'a part of the path is a file',
    EEXIST: 'a file is in its place',
  }[code]
  if (hint === undefined) return error
  return new UserError(
    `Cannot keep a database in ${folder}: ${hint} (${describeError(error)}). Mend that, set TOCSIN_HOME to another folder, or DATABASE_URL to use another Postgres.`,
    { cause: error },
  )
}

async function createFolder(
  home: string,
  link: string,
  programs: PostgresPrograms,
  log: (line: string) => void,
): Promise<void> {
  const { user } = programs
  const inHome = await canEnter(home, user)
  const id = createHash('sha256')
    .update(await realpath(home))
    .digest('hex')
    .slice(0, 8)
  const prefix = inHome ? link : join(systemFolder, id)
  if (!inHome) {
    await makeSystemFolder()
    await removeAbandoned(prefix)
  }
  const staging = await mkdtemp(`${prefix}.new-${process.pid}-`)
  try {
    await initialise(staging, programs)
    if (inHome) {
      await rename(staging, link)
    } else {
      const target = `${prefix}-${randomBytes(4).toString('hex')}`
      await rename(staging, target)
      await symlink(target, link).catch(async (error) => {
        await rm(target, { recursive: true, force: true })
        throw error
      })
      log(`the user postgres cannot reach ${home}: the database is kept in ${target}`)
    }
  } catch (error) {
    await rm(staging, { recursive: true, force: true })
    // Somebody else was quicker: theirs it is.
    if (!(await isPresent(link))) throw error
  }
}

async function initialise(folder: string, programs: PostgresPrograms): Promise<void> {
  const { user } = programs
  const data = join(folder, 'data')
  const password = join(folder, 'password')
  await mkdir(data, { mode: 0o700 })
  await writeFile(password, `${randomBytes(24).toString('hex')}\n`, { mode: 0o600 })
  if (user !== undefined) {
    // The folder stays root's; the user postgres only passes through to what is its own.
    await chmod(folder, 0o711)
    await chown(data, user.uid, user.gid)
    await chown(password, user.uid, user.gid)
  }
  // The builtin locale is the same on every machine: an index never depends on the C library.
  const args = [
    ['--pgdata', data],
    ['--username', 'tocsin'],
    ['--pwfile', password],
    ['--auth', 'scram-sha-256'],
    ['--encoding', 'UTF8'],
    ['--locale', 'C'],
    ['--locale-provider', 'builtin'],
    ['--builtin-locale', 'C.UTF-8'],
  ].flat()
  const { code, output } = await runProgram(programs.initdb, [...args, '--no-instructions'], programs)
  if (code === 0) return
  if (diskFull.test(output)) {
    throw new UserError(
      `Cannot make a database in ${dirname(folder)}: the disk is full. Free some 100 MB and try again.`,
    )
  }
  const reason = /(?:error|FATAL): +(.*)/.exec(output)?.[1] ?? output.trim().split('\n').at(-1)
  throw new UserError(
    `Postgres could not make a database in ${dirname(folder)}: ${reason}. Set TOCSIN_HOME to another folder, or DATABASE_URL to use another Postgres.`,
  )
}

/** What starts that were killed have left, told by the process id in its name. */
async function removeAbandoned(prefix: string): Promise<void> {
  const parent = dirname(prefix)
  const start = `${basename(prefix)}.new-`
  for (const name of await readdir(parent)) {
    if (name.startsWith(start) && !isAlive(Number.parseInt(name.slice(start.length), 10))) {
      // Its initdb may still be writing for a moment; then the next start removes the rest.
      await rm(join(parent, name), { recursive: true, force: true }).catch(() => {})
    }
  }
}

async function checkOwner(folder: string, { user }: PostgresPrograms): Promise<void> {
  const own = user?.uid ?? process.getuid?.()
  const data = await stat(join(folder, 'data')).catch((error) => {
    if (error.code !== 'ENOENT') throw error
    throw new UserError(
      `${folder} has lost its folder "data". Remove ${folder} to begin with an empty database.`,
    )
  })
  if (own !== undefined && data.uid !== own) {
    const byRoot = (await stat(folder)).uid === 0
    throw new UserError(
      `The database in ${folder} belongs to ${byRoot ? 'root' : `the user with id ${data.uid}`}. Run Tocsin as that user, set TOCSIN_HOME to a folder of your own, or DATABASE_URL to use another Postgres.`,
    )
  }
  if (!(await canEnter(await realpath(join(folder, 'data')), user))) {
    throw new UserError(
      `The user postgres can no longer reach its database in ${folder}: a folder above it is closed to others. Open it (chmod o+x), set TOCSIN_HOME to another folder, or DATABASE_URL to use another Postgres.`,
    )
  }
}

function isPresent(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    (error) => {
      if (error.code === 'ENOENT') return false
      throw error
    },
  )
}
