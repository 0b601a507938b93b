import { createHash, timingSafeEqual } from 'node:crypto'
import { tokenPrefixes } from '../accounts/opaque-token.ts'
import { keyScopes, type Scope, scopes } from '../scopes.ts'
import { findKey } from '../store/api-keys.ts'
import { readSession } from '../store/sessions.ts'
import type { ApiContext } from './app.ts'
import type { Authenticate } from './authorize.ts'
import type { Caller } from './caller.ts'

/**
 * Tells credentials apart: the installation's own token, API keys, access tokens. Keys and sessions are looked up at each request,
 * so that one that was revoked is refused from then on, by every process.
 */
export function createAuthenticator({
  db,
  token,
  userId,
  accessTokens,
}: Pick<ApiContext, 'db' | 'token' | 'userId' | 'accessTokens'>): Authenticate {
  const expected = digest(token)
  const operator: Caller = { userId, kind: 'operator', scopes }
  const ofUser = (may: { is_admin: boolean }, wanted: readonly Scope[]) =>
    wanted.filter((scope) => scope !== 'admin' || may.is_admin)

  return async (credential) => {
    // Digests have one length, so that the comparison takes the same time for every token.
    if (timingSafeEqual(digest(credential), expected)) return operator
    if (credential.startsWith(tokenPrefixes.key)) {
      const key = await findKey(db, credential)
      const allowed = key && ofUser(key, key.scopes).filter((scope) => keyScopes.includes(scope))
      return key && allowed && { userId: key.user_id, kind: 'key', scopes: allowed }
    }
    if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(credential)) return undefined
    const claims = await accessTokens.verify(credential)
    const session = claims && (await readSession(db, claims.userId, claims.sessionId))
    return (
      claims &&
      session && {
        userId: claims.userId,
        kind: 'session',
        scopes: ofUser(session, scopes),
        sessionId: claims.sessionId,
      }
    )
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
