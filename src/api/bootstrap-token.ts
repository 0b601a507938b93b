import { randomBytes } from 'node:crypto'
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../errors.ts'

/**
 * The token of the API: the configured one, else the one in `<home>/api-token`, which is made at the first start.
 * Processes that start together get the same one.
 *
 * @throws UserError when the file is there and holds no token.
 */
export async function loadBootstrapToken({
  configured,
  home,
}: {
  configured: string | undefined
  home: string
}): Promise<string> {
  if (configured !== undefined) return configured
  const file = join(home, 'api-token')
  return (await readToken(file)) ?? makeToken(home, file)
}

async function makeToken(home: string, file: string): Promise<string> {
  await mkdir(home, { recursive: true, mode: 0o700 })
  const token = randomBytes(32).toString('base64url')
  // Written under another name and linked to its own: the file is whole as soon as it is there, and only the first one counts.
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`
  try {
    await writeFile(draft, `${token}\n`, { mode: 0o600, flag: 'wx' })
    await link(draft, file)
    return token
  } catch (error) {
    const made = (error as { code?: string }).code === 'EEXIST' ? await readToken(file) : undefined
    if (made === undefined) throw error
    return made
  } finally {
    await rm(draft, { force: true })
  }
}

async function readToken(file: string): Promise<string | undefined> {
  const text = await readFile(file, 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  const token = text.trim()
  if (!/^\S{16,}$/.test(token)) {
    throw new UserError(
      `${file} holds no token of at least 16 characters. Delete it to have a new one made, or set TOCSIN_API_TOKEN.`,
    )
  }
  return token
}
