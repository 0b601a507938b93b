import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { UserError } from './errors.ts'
import { keepText, readText } from './kept-text.ts'
import type { SecretKey } from './secret-box.ts'

/** The newest first; the others only open what was sealed before. */
export type SecretKeys = readonly [SecretKey, ...SecretKey[]]

const keyBytes = 32

/**
 * The keys that secrets are stored with: the configured ones, else those in `<home>/secret-keys`, where one is made at the first
 * start. Processes that start together get the same one.
 *
 * @throws UserError when the file is there and holds no keys.
 */
export async function loadSecretKeys(source: KeySource): Promise<SecretKeys> {
  const found = await readSecretKeys(source)
  if (found !== undefined) return found
  const id = `key-${randomBytes(4).toString('hex')}`
  const made = `${id}:${randomBytes(keyBytes).toString('base64')}\n`
  return parseFile(source.home, await keepText(fileIn(source.home), made))
}

/** Like {@link loadSecretKeys}, but makes none: `undefined` before the first start. */
export async function readSecretKeys({ secretKeys, home }: KeySource): Promise<SecretKeys | undefined> {
  if (secretKeys !== undefined) return secretKeys
  const text = await readText(fileIn(home))
  return text === undefined ? undefined : parseFile(home, text)
}

/** Of the configuration. */
type KeySource = { secretKeys: SecretKeys | undefined; home: string }

/**
 * Reads keys as they are configured: `id:base64 of 32 bytes`, separated by commas or lines.
 *
 * @throws UserError that names the entry by its number or id. It never holds a key.
 */
export function parseSecretKeys(text: string): SecretKeys {
  const entries = text
    .split(/[,\n]/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
  const keys = entries.map((entry, index): SecretKey => {
    // Of an entry without an id the part before the colon may be the key itself, so only what looks like an id is repeated.
    const [, id, encoded] = /^([\w.-]{1,32}):(.*)$/.exec(entry) ?? []
    if (id === undefined || encoded === undefined) {
      throw new UserError(
        `expected keys as id:base64 of 32 bytes, separated by commas, the newest first; entry ${index + 1} does not begin with an id of 1 to 32 letters, digits, _ . or - and a colon`,
      )
    }
    const key = /^[\w+/-]{43}=?$/.test(encoded) ? Buffer.from(encoded, 'base64') : undefined
    if (key?.length !== keyBytes) {
      throw new UserError(
        `the key of ${id} is not the base64 of ${keyBytes} bytes. Make one with: openssl rand -base64 ${keyBytes}`,
      )
    }
    return { id, key }
  })
  const [first, ...others] = keys
  if (first === undefined) throw new UserError('expected at least one key, as id:base64 of 32 bytes')
  const twice = keys.find(({ id }, index) => keys.findIndex((other) => other.id === id) !== index)
  if (twice !== undefined) throw new UserError(`the id ${twice.id} is given to two keys`)
  return [first, ...others]
}

function fileIn(home: string): string {
  return join(home, 'secret-keys')
}

function parseFile(home: string, text: string): SecretKeys {
  try {
    return parseSecretKeys(text)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    throw new UserError(
      `${fileIn(home)} cannot be read: ${error.message}. Without its keys, the secrets in the database cannot be opened: restore the file, or set TOCSIN_SECRET_KEYS.`,
    )
  }
}
