import { timingSafeEqual } from 'node:crypto'
import { hashToken, tokenPrefixes } from '../accounts/opaque-token.ts'
import { keyScopes, type Scope, scopes } from '../scopes.ts'
import { findKey } from '../store/api-keys.ts'
import { readSession } from '../store/sessions.ts'
import type { ApiContext } from './app.ts'
import type { Authenticate } from './authorize.ts'
import type { Caller } from './caller.ts'

/**
 * Tells credentials apart: the installation's own token, API keys, access tokens. Keys and sessions are looked up at each request,
 * so that one that was revoked is refused from then on, by every process; with `knownKeys`, from when it is told of it.
 */
export function createAuthenticator({
  db,
  token,
  userId,
  accessTokens,
  knownKeys,
}: Pick<ApiContext, 'db' | 'token' | 'userId' | 'accessTokens' | 'knownKeys'>): Authenticate {
  const expected = hashToken(token)
  const operator: Caller = { userId, kind: 'operator', scopes }
  const ofUser = (may: { is_admin: boolean }, wanted: readonly Scope[]) =>
    wanted.filter((scope) => scope !== 'admin' || may.is_admin)

  return async (credential) => {
    // Digests have one length, so that the comparison takes the same time for every token.
    const hash = hashToken(credential)
    if (timingSafeEqual(hash, expected)) return operator
    if (credential.startsWith(tokenPrefixes.key)) {
      const look = () => findKey(db, hash)
      const key = await (knownKeys === undefined ? look() : knownKeys.find(hash, look))
      const allowed = key && ofUser(key, key.scopes).filter((scope) => keyScopes.includes(scope))
      return key && allowed && { userId: key.user_id, kind: 'key', scopes: allowed, keyId: key.id }
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
