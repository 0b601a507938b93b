import { createHmac } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, exportSPKI, importJWK } from 'jose'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { createSiweMessage } from 'viem/siwe'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAccessTokens } from '../../src/accounts/access-tokens.ts'
import { createApp } from '../../src/api/app.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import { createLog } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { createUser } from '../../src/store/accounts.ts'
import { startSession } from '../../src/store/sessions.ts'
import { ensureUser } from '../../src/store/triggers.ts'
import { testSecrets } from '../support/secrets.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'

// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the tests are about
type Body = any

const password = 'correct horse battery'
const origin = 'http://tocsin.example'
const log = createLog({ level: 'silent', format: 'json' }, 'test')

let database: TestDatabase
let db: Database
let app: ReturnType<typeof createApp>

const make = async (options: Partial<Parameters<typeof createApp>[0]> = {}) =>
  createApp({
    db,
    log,
    secrets: testSecrets,
    token: 'the-token-of-the-installation',
    userId: await ensureUser(db, 'bootstrap'),
    publicUrl: origin,
    ...options,
  })

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'accounts test' })
  app = await make()
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
})

async function ask(
  method: string,
  path: string,
  { body, token, of = app }: { body?: unknown; token?: string; of?: typeof app } = {},
): Promise<{ status: number; headers: Headers; body: Body }> {
  const response = await of.request(path, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? undefined : JSON.parse(text),
  }
}

/** Signed in, without the time that a password takes. */
async function someone(username: string) {
  const userId = await createUser(db, { username, passwordHash: null })
  if (userId === undefined) throw new Error(`${username} is there already`)
  const { sessionId, refreshToken } = await startSession(db, userId)
  const { token } = await createAccessTokens(db, testSecrets).issue({ userId, sessionId })
  return { userId, sessionId, refreshToken, token }
}

describe('passwords', () => {
  test('an account is made, signed in to, changed and deleted, with everything of it', async () => {
    const made = await ask('POST', '/v1/auth/register', { body: { username: 'ann', password } })
    expect(made.status).toBe(201)
    expect(made.headers.get('cache-control')).toBe('no-store')
    const again = await ask('POST', '/v1/auth/register', { body: { username: 'ann', password } })
    expect(again.status).toBe(409)
    const signedIn = await ask('POST', '/v1/auth/login', { body: { username: 'Ann', password } })
    expect(signedIn.status).toBe(200)
    const { access_token: token } = signedIn.body
    expect((await ask('GET', '/v1/me', { token })).body).toMatchObject({
      username: 'ann',
      is_admin: false,
      has_password: true,
      credential: { kind: 'session' },
    })
    const [row] = await db`select password_hash from users where username = 'ann'`
    expect(row?.password_hash).toMatch(/^\$2b\$12\$/)

    const wrong = { current_password: 'not the password', new_password: 'another long password' }
    expect((await ask('POST', '/v1/auth/change-password', { token, body: wrong })).status).toBe(403)
    const right = { ...wrong, current_password: password }
    expect((await ask('POST', '/v1/auth/change-password', { token, body: right })).status).toBe(204)
    // The session that changed it goes on, the other one is over.
    expect((await ask('GET', '/v1/me', { token })).status).toBe(200)
    expect((await ask('GET', '/v1/me', { token: made.body.access_token })).status).toBe(401)

    expect((await ask('DELETE', '/v1/me', { token, body: {} })).status).toBe(400)
    const body = { password: right.new_password }
    expect((await ask('DELETE', '/v1/me', { token, body })).status).toBe(204)
    expect((await ask('GET', '/v1/me', { token })).status).toBe(401)
    expect(await db`select from users where username = 'ann'`).toHaveLength(0)
  })

  test('that are too short, or longer than bcrypt looks at, are refused with the reason', async () => {
    const of = async (text: string) =>
      (await ask('POST', '/v1/auth/register', { body: { username: 'long', password: text } })).body.errors[0]
        .message
    expect(await of('short')).toBe('expected at least 12 characters')
    expect(await of('ä'.repeat(37))).toBe('expected at most 72 bytes of UTF-8; it has 74')
  })

  test('wrong ones lock a name for longer and longer, whether there is such a user or not', async () => {
    for (const username of ['locked', 'nobody-at-all']) {
      if (username === 'locked') await someone(username)
      const attempt = () => ask('POST', '/v1/auth/login', { body: { username, password: 'wrong password' } })
      const answers = []
      for (let n = 0; n < 6; n++) answers.push(await attempt())
      expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401, 429])
      expect(Number(answers[5]?.headers.get('retry-after'))).toBeGreaterThan(0)
      expect(new Set(answers.slice(0, 5).map(({ body }) => body.detail)).size).toBe(1)
      await db`update login_failures set locked_until = now()`
      expect((await attempt()).status).toBe(401)
      const [lock] =
        await db`select extract(epoch from max(locked_until) - now())::float8 as seconds from login_failures`
      expect(lock?.seconds).toBeGreaterThan(1)
      await db`truncate login_failures`
    }
  })

  test('nobody registers where that is switched off, and the installation has no session', async () => {
    const shut = await make({ registration: 'closed' })
    const body = { username: 'late', password }
    expect((await ask('POST', '/v1/auth/register', { body, of: shut })).status).toBe(403)
    const token = 'the-token-of-the-installation'
    expect((await ask('DELETE', '/v1/me', { token, body: {} })).status).toBe(409)
  })
})

describe('a session', () => {
  const refresh = (refresh_token: string) => ask('POST', '/v1/auth/refresh', { body: { refresh_token } })

  test('goes on with each refresh token once; one that comes again ends all of it', async () => {
    const { refreshToken: first, token } = await someone('rotating')
    const second = await refresh(first)
    expect(second.status).toBe(200)
    const third = await refresh(second.body.refresh_token)
    expect(third.status).toBe(200)
    const reused = await refresh(first)
    expect([reused.status, reused.body.detail]).toEqual([401, expect.stringContaining('was used before')])
    expect((await refresh(third.body.refresh_token)).status).toBe(401)
    // Access tokens of the session are over too.
    for (const given of [token, third.body.access_token]) {
      expect((await ask('GET', '/v1/me', { token: given })).status).toBe(401)
    }
    const stored = await db`select * from refresh_tokens`
    expect(JSON.stringify(stored)).not.toContain(third.body.refresh_token)
  })

  test('goes on for one of those who use a token at the same time, and then for nobody', async () => {
    const { refreshToken } = await someone('racing')
    const answers = await Promise.all(Array.from({ length: 5 }, () => refresh(refreshToken)))
    const won = answers.filter(({ status }) => status === 200)
    expect(won).toHaveLength(1)
    expect((await refresh(won[0]?.body.refresh_token)).status).toBe(401)
  })

  test('ends at logout, and when its user is switched off', async () => {
    const { token, refreshToken } = await someone('leaving')
    expect((await ask('POST', '/v1/auth/logout', { token })).status).toBe(204)
    expect((await ask('GET', '/v1/me', { token })).status).toBe(401)
    expect((await refresh(refreshToken)).status).toBe(401)
    const other = await someone('off')
    await db`update users set is_active = false where id = ${other.userId}`
    expect((await ask('GET', '/v1/me', { token: other.token })).status).toBe(401)
    expect((await refresh(other.refreshToken)).status).toBe(401)
  })
})

describe('an access token', () => {
  test('is refused with another algorithm, whatever signs it', async () => {
    const { token } = await someone('algorithm')
    expect((await ask('GET', '/v1/me', { token })).status).toBe(200)
    const header = decodeProtectedHeader(token)
    const [, payload = '', signature = ''] = token.split('.')
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const [key] = await db`select public_key from token_keys where kid = ${header.kid ?? ''}`
    const pem = await exportSPKI((await importJWK(key?.public_key, 'ES256')) as never)
    const begun = `${encode({ ...header, alg: 'HS256' })}.${payload}`
    const forged = [
      `${encode({ ...header, alg: 'none' })}.${payload}.`,
      `${encode({ ...header, alg: 'none' })}.${payload}.${signature}`,
      `${begun}.${createHmac('sha256', pem).update(begun).digest('base64url')}`,
      `${encode({ ...header, kid: 'other' })}.${payload}.${signature}`,
      `${encode({ ...header, typ: 'JWT' })}.${payload}.${signature}`,
      `${encode(header)}.${encode({ ...decodeJwt(token), sub: 'bootstrap' })}.${signature}`,
    ]
    for (const wrong of forged) expect((await ask('GET', '/v1/me', { token: wrong })).status).toBe(401)
  })

  test('is signed with a new key after a month; the old one verifies for a while, and is stored sealed', async () => {
    const claims = { userId: 'u', sessionId: 's' }
    const before = createAccessTokens(db, testSecrets)
    const { token } = await before.issue(claims)
    await db`update token_keys set created_at = now() - interval '31 days'`
    // Processes that find it old at the same time make one key.
    const others = Array.from({ length: 4 }, () => createAccessTokens(db, testSecrets))
    const issued = await Promise.all(others.map((other) => other.issue(claims)))
    const kids = new Set(issued.map((each) => decodeProtectedHeader(each.token).kid))
    expect(kids.size).toBe(1)
    expect(kids).not.toContain(decodeProtectedHeader(token).kid)
    expect(await before.verify(issued[0]?.token ?? '')).toEqual(claims)
    expect(await others[0]?.verify(token)).toEqual(claims)
    const keys = await db`select private_key from token_keys`
    expect(keys).toHaveLength(2)
    for (const { private_key } of keys) expect(private_key).toMatch(/^sealed:/)
  })
})

describe('an API key', () => {
  test('is shown once, does what its scopes say, and is rotated with an overlap', async () => {
    const { token } = await someone('keys')
    const body = { name: 'reader', scopes: ['events:read', 'triggers:read'] }
    const made = await ask('POST', '/v1/keys', { token, body })
    expect(made.status).toBe(201)
    const { key, id, prefix } = made.body
    expect(key.startsWith(prefix)).toBe(true)
    expect((await ask('GET', '/v1/triggers', { token: key })).status).toBe(200)
    const refused = await ask('POST', '/v1/triggers', { token: key, body: {} })
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([
      403,
      expect.stringContaining('scope="triggers:write"'),
    ])
    expect((await ask('GET', '/v1/keys', { token: key })).status).toBe(403)
    const shown = (await ask('GET', `/v1/keys/${id}`, { token })).body
    expect(shown.last_used_at).not.toBeNull()
    expect(JSON.stringify([shown, await db`select * from api_keys`])).not.toContain(key)

    const next = await ask('POST', `/v1/keys/${id}/rotate`, { token, body: { overlap: '1h' } })
    expect(next.body).toMatchObject({ name: 'reader', scopes: body.scopes })
    for (const each of [key, next.body.key]) {
      expect((await ask('GET', '/v1/triggers', { token: each })).status).toBe(200)
    }
    await db`update api_keys set expires_at = now() where id = ${id}`
    expect((await ask('GET', '/v1/triggers', { token: key })).status).toBe(401)
    expect((await ask('DELETE', `/v1/keys/${next.body.id}`, { token })).status).toBe(204)
    expect((await ask('GET', '/v1/triggers', { token: next.body.key })).status).toBe(401)
  })

  test('cannot have what its maker has not, nor the account', async () => {
    const { token } = await someone('modest')
    for (const scope of ['admin', 'account']) {
      const body = { name: 'k', scopes: [scope] }
      expect((await ask('POST', '/v1/keys', { token, body })).status).toBe(400)
    }
  })
})

describe('a wallet', () => {
  const account = privateKeyToAccount(generatePrivateKey())
  const prove = async (fields: object = {}, signer = account) => {
    const { nonce } = (await ask('POST', '/v1/auth/wallet/nonce')).body
    const message = createSiweMessage({
      address: account.address,
      chainId: 1,
      domain: 'tocsin.example',
      uri: origin,
      version: '1',
      nonce,
      ...fields,
    })
    return { message, signature: await signer.signMessage({ message }) }
  }
  const signIn = (body: object) => ask('POST', '/v1/auth/wallet/login', { body })

  test('signs in to one account, each nonce once', async () => {
    const proof = await prove()
    const first = await signIn(proof)
    expect(first.status).toBe(200)
    const again = await signIn(proof)
    expect([again.status, again.body.detail]).toEqual([401, expect.stringContaining('nonce')])
    expect((await signIn(await prove())).body.user_id).toBe(first.body.user_id)
    const token = first.body.access_token
    expect((await ask('GET', '/v1/me', { token })).body).toMatchObject({
      wallets: [account.address.toLowerCase()],
      has_password: false,
    })
    const path = `/v1/me/wallets/${account.address}`
    expect((await ask('DELETE', path, { token })).status).toBe(409)
  })

  test('is refused for another domain, after its time, with an old nonce, or with another key', async () => {
    const of = async (proof: object) => (await signIn(proof)).status
    expect(await of(await prove({ domain: 'evil.example' }))).toBe(400)
    expect(await of(await prove({ uri: 'https://evil.example/' }))).toBe(400)
    expect(await of(await prove({ expirationTime: new Date(Date.now() - 1000) }))).toBe(400)
    expect(await of(await prove({ notBefore: new Date(Date.now() + 60_000) }))).toBe(400)
    const late = await prove()
    await db`update sign_in_nonces set expires_at = now()`
    expect(await of(late)).toBe(401)
    const other = await prove({}, privateKeyToAccount(generatePrivateKey()))
    const refused = await signIn(other)
    expect([refused.status, refused.body.detail]).toEqual([401, expect.stringContaining('Smart wallets')])
    // A failed proof has used its nonce up as well.
    expect((await signIn(other)).body.detail).toContain('nonce')
  })

  test('is linked to one account only', async () => {
    const { token } = await someone('linker')
    const own = privateKeyToAccount(generatePrivateKey())
    const body = await prove({ address: own.address }, own)
    expect((await ask('POST', '/v1/me/wallets', { token, body })).status).toBe(201)
    const taken = await ask('POST', '/v1/me/wallets', { token, body: await prove() })
    expect(taken.status).toBe(409)
  })

  test('does not sign in where the installation does not know its own address', async () => {
    const unnamed = await make({ publicUrl: undefined })
    expect((await ask('POST', '/v1/auth/wallet/nonce', { of: unnamed })).status).toBe(409)
  })
})
