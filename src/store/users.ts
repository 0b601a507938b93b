import type { Database, Queryable } from '../db.ts'
import { type Page, type PageRequest, toPage } from './page.ts'
import { query } from './query.ts'
import { endSessions } from './sessions.ts'
import { inTransaction } from './transaction.ts'

/** A user, as administrators see them. */
export type UserRow = {
  id: string
  username: string
  is_admin: boolean
  /** false: nothing is done for their credentials. */
  is_active: boolean
  created_at: Date
  last_login_at: Date | null
}

/** How much they have. What it is, is theirs. */
export type UserWithCounts = UserRow & {
  has_password: boolean
  wallets: number
  triggers: number
  triggers_enabled: number
  /** Those that stand. */
  keys: number
  key_last_used_at: Date | null
}

export type UserChange = { is_admin?: boolean | undefined; is_active?: boolean | undefined }

const pausedReason = 'The account was switched off'

const selectUsers = query<UserRow & { page_key: string[] }>('account/list-users')
const selectUser = query<UserWithCounts>('account/read-user')
const lockUsers = query<Pick<UserRow, 'id' | 'is_admin' | 'is_active'>>('account/lock-users')
const updateUser = query<never>('account/change-user')
const pauseTriggers = query<{ id: string }>('account/pause-triggers-of-user')

/** A page of all users, the newest first. @param filter.username what their name contains. */
export async function listUsers(
  db: Queryable,
  { username }: { username?: string | undefined },
  { after, limit }: PageRequest,
): Promise<Page<UserRow>> {
  return toPage(await selectUsers(db, [username, after?.[0], after?.[1], limit + 1]), limit)
}

export async function readUser(db: Queryable, id: string): Promise<UserWithCounts | undefined> {
  const [user] = await selectUser(db, [id])
  return user
}

/**
 * Makes somebody an administrator or not, and switches their account on or off. Off: their sessions end, their keys are refused, and
 * their triggers are paused; switching on again leaves these off. The last active administrator stays.
 *
 * @returns undefined: there is no such user.
 */
export async function changeUser(
  db: Database,
  id: string,
  change: UserChange,
): Promise<{ user: UserWithCounts } | { refused: string } | undefined> {
  return inTransaction(db, async (transaction) => {
    const held = await lockUsers(transaction, [id])
    const user = held.find((row) => row.id === id)
    if (user === undefined) return undefined
    const stays = (change.is_admin ?? user.is_admin) && (change.is_active ?? user.is_active)
    if (user.is_admin && user.is_active && !stays && held.length === 1) {
      return { refused: 'This is the last administrator: make another one first.' }
    }
    await updateUser(transaction, [id, change.is_admin, change.is_active])
    if (change.is_active === false) {
      await endSessions(transaction, id)
      await pauseTriggers(transaction, [id, pausedReason])
    }
    const after = await readUser(transaction, id)
    if (after === undefined) throw new Error(`The user ${id} is held and is not there`)
    return { user: after }
  })
}
