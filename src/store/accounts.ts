import type { Database, Queryable, Transaction } from '../db.ts'
import { query } from './query.ts'
import { inTransaction } from './transaction.ts'

/** A user, as they see themselves. */
export type Account = {
  id: string
  username: string
  is_admin: boolean
  /** null: there is no password. */
  password_hash: string | null
  is_active: boolean
  wallets: string[]
  created_at: Date
  last_login_at: Date | null
}

const insertUser = query<{ id: string }>('account/insert-user')
const selectAccount = query<Account>('account/read-account')
const selectLogin = query<{ id: string; password_hash: string | null; is_active: boolean }>(
  'account/read-login',
)
const updatePassword = query<never>('account/write-password')
const takeAttempt = query<{ failures: number }>('account/take-login-attempt')
const selectLock = query<{ wait_s: number }>('account/read-login-lock')
const forgetFailures = query<never>('account/forget-login-failures')
const deleteDeliveries = query<{ matches: number[] | null }>('account/delete-account')
const deleteUser = query<{ id: string }>('account/delete-user')
const upsertAdmin = query<{ id: string; is_new: boolean }>('account/make-admin')
const selectAnyAdmin = query<{ is_there: boolean }>('account/any-admin')
const insertNonce = query<{ expires_at: Date }>('account/insert-nonce')
const takeNonce = query<{ is_good: boolean }>('account/use-nonce')
const selectWallet = query<{ user_id: string; is_active: boolean }>('account/read-wallet')
const insertWallet = query<{ user_id: string }>('account/insert-wallet')
const removeWallet = query<{ address: string }>('account/delete-wallet')

/** Parameters: user id. */
export const noteLogin = query<never>('account/note-login')

/** From this failure on each one doubles the pause, from a second to a quarter of an hour. */
const lockout = { freeFailures: 5, longestPauseS: 15 * 60 }

/** `undefined`: the name is taken. */
export async function createUser(
  db: Queryable,
  { username, passwordHash }: { username: string; passwordHash: string | null },
): Promise<string | undefined> {
  const [user] = await insertUser(db, [username, passwordHash, false])
  return user?.id
}

/** Makes an administrator, or makes one of who is there already, with a new password. */
export async function makeAdmin(
  db: Queryable,
  username: string,
  passwordHash: string,
): Promise<{ id: string; is_new: boolean }> {
  const [user] = await upsertAdmin(db, [username, passwordHash])
  if (user === undefined) throw new Error(`The administrator ${username} was not stored`)
  return user
}

export async function hasAdmin(db: Queryable): Promise<boolean> {
  const [found] = await selectAnyAdmin(db)
  return found?.is_there === true
}

export async function readAccount(db: Queryable, userId: string): Promise<Account | undefined> {
  const [account] = await selectAccount(db, [userId])
  return account
}

export async function readLogin(db: Queryable, username: string) {
  const [login] = await selectLogin(db, [username])
  return login
}

export async function writePassword(db: Queryable, userId: string, hash: string): Promise<void> {
  await updatePassword(db, [userId, hash])
}

/**
 * Counts an attempt to sign in under a name as failed, before it is looked at. Success forgets it again.
 *
 * @returns for how long no attempt is looked at, in seconds; `undefined`: this one is.
 */
export async function takeLoginAttempt(db: Queryable, nameHash: Buffer): Promise<number | undefined> {
  const { freeFailures, longestPauseS } = lockout
  const [taken] = await takeAttempt(db, [nameHash, freeFailures, longestPauseS])
  if (taken !== undefined) return undefined
  const [lock] = await selectLock(db, [nameHash])
  return lock?.wait_s ?? 1
}

export async function forgetLoginFailures(db: Queryable, nameHash: Buffer): Promise<void> {
  await forgetFailures(db, [nameHash])
}

/** Deletes a user and everything of theirs: triggers, what these did, destinations, keys, sessions. */
export async function deleteAccount(db: Database, userId: string): Promise<void> {
  const work = async (transaction: Transaction) => {
    const [gone] = await deleteDeliveries(transaction, [userId])
    await deleteUser(transaction, [userId, gone?.matches?.map(String)])
  }
  await inTransaction(db, work, 5)
}

export async function addNonce(db: Queryable, nonce: string, lifeMs: number): Promise<Date> {
  const [added] = await insertNonce(db, [nonce, lifeMs])
  if (added === undefined) throw new Error('The nonce was not stored')
  return added.expires_at
}

/** Whether the nonce was given out and is not too old. It cannot be used again, whatever becomes of the sign-in. */
export async function consumeNonce(db: Queryable, nonce: string): Promise<boolean> {
  const [used] = await takeNonce(db, [nonce])
  return used?.is_good === true
}

export async function readWalletOwner(db: Queryable, address: string) {
  const [wallet] = await selectWallet(db, [address])
  return wallet
}

/** Links a wallet to a user. Returns whose it is: it stays with whom it was linked to before. */
export async function linkWallet(db: Queryable, address: string, userId: string): Promise<string> {
  const [wallet] = await insertWallet(db, [address, userId])
  if (wallet === undefined) throw new Error('The wallet was not stored')
  return wallet.user_id
}

/** `false`: it is not theirs, or their only way to sign in. */
export async function unlinkWallet(db: Queryable, userId: string, address: string): Promise<boolean> {
  return (await removeWallet(db, [userId, address])).length > 0
}
