import { hashToken, makeToken } from '../accounts/opaque-token.ts'
import type { Database, Queryable } from '../db.ts'
import type { Scope } from '../scopes.ts'
import { type Page, type PageRequest, toPage } from './page.ts'
import { query } from './query.ts'

/** What is known of a key, without the key. */
export type KeyRow = {
  id: string
  name: string
  /** How it begins. */
  prefix: string
  scopes: Scope[]
  /** null: never. */
  expires_at: Date | null
  revoked_at: Date | null
  /** To the minute. */
  last_used_at: Date | null
  created_at: Date
}

/** With the key itself, which cannot be read again. */
export type NewKey = KeyRow & { key: string }

/** What a key that is found by itself may do. `lives_ms`: how much longer it stands; null: until it is revoked. */
export type UsedKey = {
  id: string
  user_id: string
  scopes: Scope[]
  is_admin: boolean
  lives_ms: number | null
}

const prefixLength = 12
const keysMax = 100

const insertKey = query<KeyRow>('account/insert-key')
const selectKeys = query<KeyRow & { page_key: string[] }>('account/list-keys')
const selectKey = query<KeyRow>('account/read-key')
const setRevoked = query<{ id: string }>('account/revoke-key')
const setExpiring = query<{ name: string; scopes: Scope[]; expires_at: Date }>('account/expire-key')
const takeKey = query<UsedKey>('account/use-key')
const countKeys = query<{ keys: number }>('account/count-keys')

/** `undefined`: the user has as many keys as one can have. */
export async function createKey(
  db: Queryable,
  userId: string,
  { name, scopes, expiresAt }: { name: string; scopes: readonly Scope[]; expiresAt: Date | null },
): Promise<NewKey | undefined> {
  const [count] = await countKeys(db, [userId])
  return (count?.keys ?? 0) >= keysMax ? undefined : insertNew(db, userId, { name, scopes, expiresAt })
}

async function insertNew(
  db: Queryable,
  userId: string,
  { name, scopes, expiresAt }: { name: string; scopes: readonly Scope[]; expiresAt: Date | null },
): Promise<NewKey> {
  const key = makeToken('key')
  const [row] = await insertKey(db, [
    userId,
    name,
    key.slice(0, prefixLength),
    hashToken(key),
    scopes,
    expiresAt,
  ])
  if (row === undefined) throw new Error('The key was not stored')
  return { ...row, key }
}

/** A page of a user's keys, the newest first. */
export async function listKeys(
  db: Queryable,
  userId: string,
  { after, limit }: PageRequest,
): Promise<Page<KeyRow>> {
  return toPage(await selectKeys(db, [userId, after?.[0], after?.[1], limit + 1]), limit)
}

export async function readKey(db: Queryable, userId: string, id: string): Promise<KeyRow | undefined> {
  const [key] = await selectKey(db, [userId, id])
  return key
}

/** `false`: there is no such key. */
export async function revokeKey(db: Queryable, userId: string, id: string): Promise<boolean> {
  return (await setRevoked(db, [userId, id])).length > 0
}

/**
 * A new key of the same name and scopes, and as long a life; the old one ends after the overlap.
 *
 * @returns undefined: there is no such key, or it has ended.
 */
export async function rotateKey(
  db: Database,
  userId: string,
  id: string,
  overlapMs: number,
): Promise<{ key: NewKey; previousExpiresAt: Date } | undefined> {
  const [before] = await selectKey(db, [userId, id])
  const life = before?.expires_at && before.expires_at.getTime() - before.created_at.getTime()
  const rotate = async (transaction: Queryable) => {
    const [old] = await setExpiring(transaction, [userId, id, String(overlapMs)])
    if (old === undefined) return undefined
    const expiresAt = typeof life === 'number' ? new Date(Date.now() + life) : null
    const key = await insertNew(transaction, userId, { name: old.name, scopes: old.scopes, expiresAt })
    return { key, previousExpiresAt: old.expires_at }
  }
  return (await db.begin(rotate)) as Awaited<ReturnType<typeof rotate>>
}

/** Whose key has this hash, while it stands. */
export async function findKey(db: Queryable, hash: Buffer): Promise<UsedKey | undefined> {
  const [used] = await takeKey(db, [hash])
  return used
}
