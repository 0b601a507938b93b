import { randomBytes } from 'node:crypto'
import { exportJWK, exportPKCS8, generateKeyPair, importJWK, importPKCS8, jwtVerify, SignJWT } from 'jose'
import { JOSEError } from 'jose/errors'
import type { Database } from '../db.ts'
import type { SecretBox } from '../secret-box.ts'
import { addTokenKey, readTokenKeys, type TokenKeyRow, tokenKeyContext } from '../store/token-keys.ts'

/** Whose token it is, and of which session. */
export type AccessClaims = { userId: string; sessionId: string }

export type AccessTokens = {
  issue(claims: AccessClaims): Promise<{ token: string; expiresInS: number }>
  /** `undefined`: it is not ours, was changed, or is too old. */
  verify(token: string): Promise<AccessClaims | undefined>
}

/** The only one, whatever a token says of itself. */
const algorithm = 'ES256'
const issuer = 'tocsin'
const audience = 'tocsin-api'
const type = 'at+jwt'

const lifeS = 15 * 60
const keyLifeMs = 30 * 24 * 60 * 60 * 1000
/** By then every token that it signed is too old, on clocks that are some minutes apart too. */
const keyRestMs = 60 * 60 * 1000
/** How long keys are used without a look at the database. */
const freshMs = 60_000

type Key = Awaited<ReturnType<typeof importPKCS8>>
type Loaded = {
  at: number
  byKid: Map<string, Key>
  newest: { kid: string; key: Key; createdAt: Date } | undefined
}

/**
 * Signs and verifies access tokens (JWT, ES256, 15 minutes). Keys are in the database, their private part encrypted; the first
 * process that finds the newest one 30 days old makes the next, and the old one verifies for an hour more.
 *
 * @param options.now for tests.
 */
export function createAccessTokens(
  db: Database,
  secrets: SecretBox,
  { now = Date.now }: { now?: () => number } = {},
): AccessTokens {
  let loaded: Loaded | undefined
  let loading: Promise<Loaded> | undefined

  const load = (): Promise<Loaded> => {
    loading ??= read().finally(() => {
      loading = undefined
    })
    return loading
  }
  const read = async (): Promise<Loaded> => {
    const rows = await readTokenKeys(db)
    const publicKeys = await Promise.all(
      rows.map(
        async ({ kid, public_key }) => [kid, (await importJWK(public_key, algorithm)) as Key] as const,
      ),
    )
    const [first] = rows
    const newest = first && {
      kid: first.kid,
      key: await importPKCS8(secrets.open(first.private_key, tokenKeyContext(first.kid)), algorithm),
      createdAt: first.created_at,
    }
    loaded = { at: now(), byKid: new Map(publicKeys), newest }
    return loaded
  }
  const isOld = (newest: Loaded['newest']) =>
    newest === undefined || now() - newest.createdAt.getTime() > keyLifeMs

  const signingKey = async () => {
    let keys = loaded !== undefined && now() - loaded.at < freshMs ? loaded : await load()
    if (isOld(keys.newest)) {
      const made = await makeKey(secrets)
      await addTokenKey(db, made, { olderThanMs: keyLifeMs, restMs: keyRestMs + lifeS * 1000 })
      keys = await read()
    }
    if (keys.newest === undefined) throw new Error('A key for access tokens was made and is not there')
    return keys.newest
  }

  const keyOf = async (kid: string | undefined): Promise<Key> => {
    const known = kid === undefined ? undefined : loaded?.byKid.get(kid)
    if (known !== undefined && loaded !== undefined && now() - loaded.at < freshMs) return known
    // Another process may have made it just now. Anybody can name a key: who does so at the same time shares one look.
    const keys = await load()
    const key = kid === undefined ? undefined : keys.byKid.get(kid)
    if (key === undefined) throw new UnknownKeyError('There is no such key')
    return key
  }

  return {
    issue: async ({ userId, sessionId }) => {
      const { kid, key } = await signingKey()
      const seconds = Math.floor(now() / 1000)
      const token = await new SignJWT({ sid: sessionId })
        .setProtectedHeader({ alg: algorithm, kid, typ: type })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(userId)
        .setIssuedAt(seconds)
        .setExpirationTime(seconds + lifeS)
        .sign(key)
      return { token, expiresInS: lifeS }
    },
    verify: async (token) => {
      try {
        const { payload } = await jwtVerify(token, ({ kid }) => keyOf(kid), {
          algorithms: [algorithm],
          issuer,
          audience,
          typ: type,
          requiredClaims: ['sub', 'exp', 'iat', 'sid'],
          currentDate: new Date(now()),
        })
        const { sub, sid } = payload
        return typeof sub === 'string' && typeof sid === 'string'
          ? { userId: sub, sessionId: sid }
          : undefined
      } catch (error) {
        if (error instanceof JOSEError || error instanceof UnknownKeyError) return undefined
        throw error
      }
    },
  }
}

class UnknownKeyError extends Error {
  override name = 'UnknownKeyError'
}

async function makeKey(secrets: SecretBox): Promise<Omit<TokenKeyRow, 'created_at'>> {
  const kid = randomBytes(9).toString('base64url')
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true })
  return {
    kid,
    public_key: await exportJWK(publicKey),
    private_key: secrets.seal(await exportPKCS8(privateKey), tokenKeyContext(kid)),
  }
}
