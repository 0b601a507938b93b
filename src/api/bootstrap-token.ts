import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { UserError } from '../errors.ts'
import { keepText, readText } from '../kept-text.ts'

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
  const text = (await readText(file)) ?? (await keepText(file, `${randomBytes(32).toString('base64url')}\n`))
  const token = text.trim()
  if (!/^\S{16,}$/.test(token)) {
    throw new UserError(
      `${file} holds no token of at least 16 characters. Delete it to have a new one made, or set TOCSIN_API_TOKEN.`,
    )
  }
  return token
}
