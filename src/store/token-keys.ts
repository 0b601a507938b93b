import type { JWK } from 'jose'
import type { Database } from '../db.ts'
import { query } from './query.ts'

/** What access tokens are signed with. The private key is encrypted. */
export type TokenKeyRow = { kid: string; public_key: JWK; private_key: string; created_at: Date }

const selectKeys = query<TokenKeyRow>('account/read-token-keys')
const insertKey = query<never>('account/insert-token-key')
const lockKeys = query<never>('account/lock-token-keys')
const deleteKeys = query<never>('account/delete-token-keys')

/** Every key, the newest first. */
export function readTokenKeys(db: Database): Promise<TokenKeyRow[]> {
  return selectKeys(db)
}

/**
 * Adds a key, unless somebody else has added one meanwhile.
 *
 * @param options.olderThanMs how old the newest one has to be.
 * @param options.restMs for how long a key that was replaced is kept.
 */
export async function addTokenKey(
  db: Database,
  { kid, public_key, private_key }: Omit<TokenKeyRow, 'created_at'>,
  { olderThanMs, restMs }: { olderThanMs: number; restMs: number },
): Promise<void> {
  await db.begin(async (transaction) => {
    await lockKeys(transaction)
    const [newest] = await selectKeys(transaction)
    if (newest !== undefined && Date.now() - newest.created_at.getTime() <= olderThanMs) return
    await insertKey(transaction, [kid, public_key, private_key])
    await deleteKeys(transaction, [String(restMs)])
  })
}

/** What a private key is encrypted for. */
export function tokenKeyContext(kid: string): string {
  return `token-key:${kid}`
}
