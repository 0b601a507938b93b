import { randomUUID } from 'node:crypto'
import { hashToken, makeToken } from '../accounts/opaque-token.ts'
import type { Database, Queryable } from '../db.ts'
import { query } from './query.ts'

const lifeMs = 30 * 24 * 60 * 60 * 1000

/** A refresh token, which cannot be read again, and the session that it goes on with. */
export type GivenToken = { userId: string; sessionId: string; refreshToken: string }

const insertToken = query<never>('account/insert-refresh-token')
const takeToken = query<{ family_id: string; user_id: string }>('account/use-refresh-token')
const revokeReused = query<{ user_id: string }>('account/revoke-reused-family')
const revoke = query<{ id: number }>('account/revoke-sessions')
const selectSession = query<{ is_admin: boolean }>('account/read-session')

export async function startSession(db: Queryable, userId: string): Promise<GivenToken> {
  return give(db, userId, randomUUID())
}

/**
 * Exchanges a refresh token for the next one. A token that was used before ends its whole session: one of the two who have it is a
 * thief, and nobody can say which.
 *
 * @returns undefined: it is not good (any more).
 */
export async function continueSession(
  db: Database,
  refreshToken: string,
): Promise<GivenToken | 'reused' | undefined> {
  const hash = hashToken(refreshToken)
  return (await db.begin(async (transaction) => {
    const [used] = await takeToken(transaction, [hash])
    if (used !== undefined) return give(transaction, used.user_id, used.family_id)
    return (await revokeReused(transaction, [hash])).length > 0 ? 'reused' : undefined
  })) as GivenToken | 'reused' | undefined
}

/** Ends sessions of a user: one, all, or all but one. */
export async function endSessions(
  db: Queryable,
  userId: string,
  { only, except }: { only?: string | undefined; except?: string | undefined } = {},
): Promise<void> {
  await revoke(db, [userId, only, except])
}

/** What the user of a session may be; `undefined`: it has ended, or its user was switched off. */
export async function readSession(db: Queryable, userId: string, sessionId: string) {
  const [session] = await selectSession(db, [userId, sessionId])
  return session
}

async function give(db: Queryable, userId: string, sessionId: string): Promise<GivenToken> {
  const refreshToken = makeToken('refresh')
  await insertToken(db, [sessionId, userId, hashToken(refreshToken), String(lifeMs)])
  return { userId, sessionId, refreshToken }
}
