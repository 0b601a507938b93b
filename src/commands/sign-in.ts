import { hostname } from 'node:os'
import { answerOf, createClient } from '../client/client.ts'
import { readPassword } from './read-password.ts'
import { withApi } from './with-api.ts'

/** All that a key can do, but for administrators: what the commands need. */
const scopes = [
  'triggers:read',
  'triggers:write',
  'events:read',
  'deliveries:read',
  'deliveries:write',
] as const

/** A quarter: a key that was forgotten somewhere ends by itself. */
const lifeDays = 90

/**
 * `tocsin register` and `tocsin login`: an account, or one that is there, and a key of it for the commands. Only the key goes to stdout:
 * `export TOCSIN_API_TOKEN=$(tocsin login ann)`.
 */
export async function signInCommand(
  how: 'register' | 'login',
  username: string,
  options: { api?: string; json?: boolean },
): Promise<void> {
  const password = await readPassword()
  await withApi({ ...options, anonymous: true }, async (client, { baseUrl }) => {
    const body = { username, password }
    const { access_token } = await answerOf(
      how === 'register'
        ? client.POST('/v1/auth/register', { body })
        : client.POST('/v1/auth/login', { body }),
    )
    const signedIn = createClient({ baseUrl, token: access_token })
    const expires_at = new Date(Date.now() + lifeDays * 86_400_000).toISOString()
    const name = `tocsin ${how} on ${hostname()}`.slice(0, 100)
    const key = await answerOf(signedIn.POST('/v1/keys', { body: { name, scopes: [...scopes], expires_at } }))
    // Nothing holds the session any more.
    await answerOf(signedIn.POST('/v1/auth/logout'))
    process.stderr.write(
      `${username} is ${how === 'register' ? 'registered' : 'signed in'} at ${baseUrl}. The key is good until ${expires_at.slice(0, 10)}.\n`,
    )
    process.stdout.write(options.json ? `${JSON.stringify(key)}\n` : `${key.key}\n`)
  })
}
