import { createHash, randomBytes } from 'node:crypto'

/** Long enough to find one's phone. */
export const linkCodeMs = 15 * 60_000

/** A code that links a chat: 128 bits, in the letters that a `t.me` link takes. */
export function makeLinkCode(): string {
  return randomBytes(16).toString('base64url')
}

/** What is kept of a code. It is random, so a hash without salt gives nothing away. */
export function hashLinkCode(code: string): Buffer {
  return createHash('sha256').update(code).digest()
}
