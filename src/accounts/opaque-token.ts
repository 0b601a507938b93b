import { hash, randomBytes } from 'node:crypto'

const bytes = 32

/** How credentials begin, so that people and scanners of leaked secrets know them. */
export const tokenPrefixes = { key: 'tcs_', refresh: 'tcr_' } as const

/** A random credential. Only its hash is stored. */
export function makeToken(kind: keyof typeof tokenPrefixes): string {
  return `${tokenPrefixes[kind]}${randomBytes(bytes).toString('base64url')}`
}

/** SHA-256 is enough for what is random: there is nothing to guess. */
export function hashToken(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}
