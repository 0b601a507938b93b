import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

/** A key of 32 bytes and the name by which sealed texts refer to it. */
export type SecretKey = { id: string; key: Buffer }

export type SecretBox = {
  /** Encrypts with the newest key. The context (such as `mcp-token:8453:12`) is not stored, and has to be the same to open it. */
  seal(plain: string, context: string): string
  /** @throws Error when the key is not known, or the text was not sealed for this context. */
  open(sealed: string, context: string): string
}

const prefix = 'sealed'
const nonceBytes = 12
const tagBytes = 16

/**
 * Encrypts texts for storage with AES-256-GCM. A sealed text is `sealed:<key id>:<base64url of nonce, tag, ciphertext>`.
 *
 * @param keys the newest first; the others only open what was sealed before.
 */
export function createSecretBox(keys: readonly [SecretKey, ...SecretKey[]]): SecretBox {
  return {
    seal: (plain, context) => {
      const [{ id, key }] = keys
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context))
      const text = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()])
      return `${prefix}:${id}:${Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64url')}`
    },
    open: (sealed, context) => {
      if (!isSealed(sealed)) throw new Error('What is stored as a secret was not encrypted')
      const id = keyIdOf(sealed)
      const known = keys.find((candidate) => candidate.id === id)
      if (known === undefined) {
        throw new Error(
          `The secret was encrypted with the key ${id}, which is not among TOCSIN_SECRET_KEYS (or, where that is not set, in TOCSIN_HOME/secret-keys). Put it back there`,
        )
      }
      try {
        const bytes = Buffer.from(sealed.slice(`${prefix}:${id}:`.length), 'base64url')
        const nonce = bytes.subarray(0, nonceBytes)
        const decipher = createDecipheriv('aes-256-gcm', known.key, nonce, { authTagLength: tagBytes })
          .setAAD(Buffer.from(context))
          .setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes))
        return (
          decipher.update(bytes.subarray(nonceBytes + tagBytes), undefined, 'utf8') + decipher.final('utf8')
        )
      } catch (error) {
        throw new Error(
          `The secret cannot be decrypted with the key ${id}: it was changed, or copied from elsewhere`,
          { cause: error },
        )
      }
    },
  }
}

/** The id of the key that a text was sealed with. */
export function keyIdOf(sealed: string): string {
  return sealed.split(':')[1] ?? ''
}

/** Whether a text is one that {@link createSecretBox} made. */
export function isSealed(text: string): boolean {
  return text.startsWith(`${prefix}:`)
}
