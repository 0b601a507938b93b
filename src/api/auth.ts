import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { hashToken } from '../accounts/opaque-token.ts'
import { BusyError, describePasswordProblem, hashPassword, verifyPassword } from '../accounts/passwords.ts'
import { describeUsernameProblem } from '../accounts/usernames.ts'
import { strict, text } from '../document-schema.ts'
import {
  createUser,
  forgetLoginFailures,
  noteLogin,
  readAccount,
  readLogin,
  takeLoginAttempt,
  writePassword,
} from '../store/accounts.ts'
import { noteWrongPassword } from '../store/audit.ts'
import { continueSession, endSessions, type GivenToken, startSession } from '../store/sessions.ts'
import type { ApiApp, ApiContext } from './app.ts'
import type { ApiEnv, Caller } from './caller.ts'
import { anybody, needs, problemResponses, problems, resourceResponse } from './describe.ts'
import { readJsonBody } from './json-body.ts'
import { invalid, ProblemError, toProblems } from './problem.ts'
import { logOf } from './watch-requests.ts'

const username = z.string({ error: 'expected a name' }).superRefine((value, context) => {
  const problem = describeUsernameProblem(value)
  if (problem !== undefined) context.addIssue(problem)
})
const anyText = text(1, 1024)
const newPassword = z.string({ error: 'expected a password' }).superRefine((value, context) => {
  const problem = describePasswordProblem(value)
  if (problem !== undefined) context.addIssue(problem)
})

const registrationSchema = strict({ username, password: newPassword })
const loginSchema = strict({ username: anyText, password: anyText })
const refreshSchema = strict({ refresh_token: anyText })
const passwordSchema = strict({
  current_password: anyText.optional().openapi({ description: 'Needed where there is one' }),
  new_password: newPassword,
})

export const tokensSchema = z.object({
  token_type: z.literal('Bearer'),
  access_token: z.string(),
  expires_in: z.int().openapi({ description: 'Seconds for which the access token is good' }),
  refresh_token: z.string().openapi({ description: 'Good once, for 30 days. The answer holds the next one' }),
  user_id: z.string(),
})

const common = { tags: ['accounts'] }

export function addAuth(app: ApiApp, context: ApiContext): void {
  const { db, registration } = context
  app.openAPIRegistry.register('Registration', registrationSchema)
  app.openAPIRegistry.register('Login', loginSchema)
  app.openAPIRegistry.register('RefreshRequest', refreshSchema)
  app.openAPIRegistry.register('PasswordChange', passwordSchema)
  app.openAPIRegistry.register('Tokens', tokensSchema)

  app.openapi(
    createRoute({
      ...common,
      security: anybody,
      method: 'post',
      path: '/v1/auth/register',
      operationId: 'register',
      summary: 'Make an account, and sign in',
      request: { body: jsonBody('Registration') },
      responses: { 201: resourceResponse('Tokens', 'Signed in'), ...problems(403, 409), ...problemResponses },
    }),
    async (c) => {
      if (registration === 'closed') throw closed()
      const { username: name, password } = await parse(c, registrationSchema)
      // The name before the password: what is taken needs no hash.
      if ((await readLogin(db, name)) !== undefined) throw taken()
      const userId = await createUser(c.get('owner'), {
        username: name,
        passwordHash: await unlessBusy(hashPassword(password)),
      })
      if (userId === undefined) throw taken()
      return sendTokens(c, context, await startSession(db, userId), 201)
    },
  )

  app.openapi(
    createRoute({
      ...common,
      security: anybody,
      method: 'post',
      path: '/v1/auth/login',
      operationId: 'login',
      summary: 'Sign in with a password',
      request: { body: jsonBody('Login') },
      responses: { 200: resourceResponse('Tokens', 'Signed in'), ...problems(401), ...problemResponses },
    }),
    async (c) => {
      const given = await parse(c, loginSchema)
      const name = given.username.toLowerCase()
      const login = await checkPassword(c, context, name, given.password, async () => {
        const found = name.includes('\0') ? undefined : await readLogin(db, name)
        return found?.is_active === true ? found : undefined
      })
      if (login === undefined) throw new ProblemError(401, 'The name or the password is not right.')
      await noteLogin(c.get('owner'), [login.id])
      return sendTokens(c, context, await startSession(db, login.id), 200)
    },
  )

  app.openapi(
    createRoute({
      ...common,
      security: anybody,
      method: 'post',
      path: '/v1/auth/refresh',
      operationId: 'refresh',
      summary: 'Exchange a refresh token for the next one, and a new access token',
      request: { body: jsonBody('RefreshRequest') },
      responses: {
        200: resourceResponse('Tokens', 'Still signed in'),
        ...problems(401),
        ...problemResponses,
      },
    }),
    async (c) => {
      const { refresh_token: token } = await parse(c, refreshSchema)
      const next = await continueSession(c.get('owner'), token)
      if (next === 'reused') {
        logOf(c, context.log).warn({}, 'a refresh token was used again: its session is ended')
        throw new ProblemError(
          401,
          'This refresh token was used before. Its session is ended, since somebody else may have it: sign in again.',
        )
      }
      if (next === undefined)
        throw new ProblemError(401, 'The refresh token is not good any more: sign in again.')
      return sendTokens(c, context, next, 200)
    },
  )

  app.openapi(
    createRoute({
      ...common,
      security: needs('account'),
      method: 'post',
      path: '/v1/auth/logout',
      operationId: 'logout',
      summary: 'End the session of this access token',
      responses: { 204: { description: 'It is ended' }, ...problems(409), ...problemResponses },
    }),
    async (c) => {
      const { userId, sessionId } = sessionOf(c.get('caller'))
      await endSessions(c.get('owner'), userId, { only: sessionId })
      return c.body(null, 204)
    },
  )

  app.openapi(
    createRoute({
      ...common,
      security: needs('account'),
      method: 'post',
      path: '/v1/auth/change-password',
      operationId: 'changePassword',
      summary: 'Change the password, and end all other sessions',
      request: { body: jsonBody('PasswordChange') },
      responses: { 204: { description: 'It is changed' }, ...problems(409), ...problemResponses },
    }),
    async (c) => {
      const { userId, sessionId } = sessionOf(c.get('caller'))
      const given = await parse(c, passwordSchema)
      await confirm(c, context, userId, given.current_password, 'current_password')
      await writePassword(c.get('owner'), userId, await unlessBusy(hashPassword(given.new_password)))
      await endSessions(c.get('owner'), userId, { except: sessionId })
      return c.body(null, 204)
    },
  )
}

/**
 * Makes sure that who changes an account knows its password, where it has one.
 *
 * @throws ProblemError 403, or 429 after too many wrong ones.
 */
export async function confirm(
  c: Context<ApiEnv>,
  context: ApiContext,
  userId: string,
  password: string | undefined,
  field: string,
): Promise<void> {
  const account = await readAccount(context.db, userId)
  if (account === undefined || account.password_hash === null) return
  if (password === undefined) {
    throw invalid('body', [{ path: [field], message: 'expected the password that the account has now' }])
  }
  const { id, password_hash } = account
  const right = await checkPassword(c, context, account.username, password, async () => ({
    id,
    password_hash,
  }))
  if (right === undefined) throw new ProblemError(403, 'The password is not right.')
}

/** Compares a password, slowly for everybody; after some failures under a name it does not even look for a while. */
async function checkPassword<Login extends { id: string; password_hash: string | null }>(
  c: Context<ApiEnv>,
  { db }: ApiContext,
  name: string,
  password: string,
  find: () => Promise<Login | undefined>,
): Promise<Login | undefined> {
  const nameHash = hashToken(name)
  const waitS = await takeLoginAttempt(db, nameHash)
  if (waitS !== undefined) {
    throw new ProblemError(429, `Too many wrong passwords: try again in ${waitS} seconds.`, {
      headers: { 'retry-after': String(waitS) },
    })
  }
  const login = await find()
  const right = await unlessBusy(verifyPassword(password, login?.password_hash))
  if (!right) {
    await noteWrongPassword(c.get('owner'), login?.id)
    return undefined
  }
  await forgetLoginFailures(db, nameHash)
  return login
}

/** Answers with what a sign-in gives. */
export async function sendTokens<Status extends 200 | 201>(
  c: Context<ApiEnv>,
  { accessTokens }: ApiContext,
  { userId, sessionId, refreshToken }: GivenToken,
  status: Status,
) {
  const { token, expiresInS } = await accessTokens.issue({ userId, sessionId })
  const tokens = {
    token_type: 'Bearer' as const,
    access_token: token,
    expires_in: expiresInS,
    refresh_token: refreshToken,
    user_id: userId,
  }
  return c.json(tokens, status, { 'cache-control': 'no-store' })
}

/** The session of who signed in. @throws ProblemError for the installation's own token, which has no session to end. */
export function sessionOf(caller: Caller): { userId: string; sessionId: string } {
  const { userId, sessionId } = caller
  if (sessionId !== undefined) return { userId, sessionId }
  throw new ProblemError(409, "This is for accounts of people: the installation's own token has none.")
}

export async function parse<Schema extends z.ZodType>(c: Context, schema: Schema): Promise<z.output<Schema>> {
  const parsed = schema.safeParse(await readJsonBody(c))
  if (!parsed.success) throw invalid('body', toProblems(parsed.error))
  return parsed.data
}

export function jsonBody(schema: string) {
  return {
    required: true,
    content: { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } },
  }
}

export function closed(): ProblemError {
  return new ProblemError(403, 'Registration is switched off here. Ask whoever runs this installation.')
}

function taken(): ProblemError {
  return new ProblemError(409, 'The name is taken.')
}

function unlessBusy<Result>(work: Promise<Result>): Promise<Result> {
  return work.catch((error) => {
    if (!(error instanceof BusyError)) throw error
    throw new ProblemError(503, error.message, { headers: { 'retry-after': '5' } })
  })
}
