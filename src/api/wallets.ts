import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import {
  isSignedBy,
  makeNonce,
  nonceLifeMs,
  readSignInMessage,
  type WalletProof,
} from '../accounts/wallets.ts'
import { strict, text } from '../document-schema.ts'
import { describeError } from '../errors.ts'
import {
  addNonce,
  consumeNonce,
  createUser,
  linkWallet,
  noteLogin,
  readWalletOwner,
  unlinkWallet,
} from '../store/accounts.ts'
import { startSession } from '../store/sessions.ts'
import type { ApiApp, ApiContext } from './app.ts'
import { closed, jsonBody, parse, sendTokens, sessionOf } from './auth.ts'
import type { ApiEnv } from './caller.ts'
import { anybody, needs, problemResponses, problems, resourceResponse } from './describe.ts'
import { invalid, notFound, ProblemError } from './problem.ts'
import { logOf } from './watch-requests.ts'

const proofSchema = strict({
  message: text(1, 4096).openapi({
    description: 'As EIP-4361 has it, for the domain and with the nonce given',
  }),
  signature: z
    .string({ error: 'expected a signature' })
    .regex(/^0x([\da-fA-F]{2}){64,8192}$/, { error: 'expected 0x and the hex digits of a signature' }),
})
const nonceSchema = z.object({
  nonce: z.string(),
  expires_at: z.iso.datetime(),
  domain: z.string().openapi({ description: 'What the message has to be for' }),
  uri: z.string(),
})
const walletSchema = z.object({ address: z.string() })
const common = { tags: ['accounts'] }

/** Sign-in with a wallet (EIP-4361). */
export function addWallets(app: ApiApp, context: ApiContext): void {
  const { db, registration } = context
  app.openAPIRegistry.register('WalletProof', proofSchema)
  app.openAPIRegistry.register('WalletNonce', nonceSchema)
  app.openAPIRegistry.register('Wallet', walletSchema)

  app.openapi(
    createRoute({
      ...common,
      security: anybody,
      method: 'post',
      path: '/v1/auth/wallet/nonce',
      operationId: 'createWalletNonce',
      summary: 'Ask for a nonce for a message that a wallet signs. It is good once, for ten minutes',
      responses: {
        201: resourceResponse('WalletNonce', 'What the message needs'),
        ...problems(409),
        ...problemResponses,
      },
    }),
    async (c) => {
      const origin = originOf(context)
      const nonce = makeNonce()
      const expires_at = await addNonce(db, nonce, nonceLifeMs)
      const answer = {
        nonce,
        expires_at: expires_at.toISOString(),
        domain: new URL(origin).host,
        uri: origin,
      }
      return c.json(answer, 201, { 'cache-control': 'no-store' })
    },
  )

  app.openapi(
    createRoute({
      ...common,
      security: anybody,
      method: 'post',
      path: '/v1/auth/wallet/login',
      operationId: 'loginWithWallet',
      summary: 'Sign in with a wallet. The first time this makes an account',
      request: { body: jsonBody('WalletProof') },
      responses: {
        200: resourceResponse('Tokens', 'Signed in'),
        ...problems(401, 403, 409),
        ...problemResponses,
      },
    }),
    async (c) => {
      const address = await checkProof(c, context, await parse(c, proofSchema))
      const owner = await readWalletOwner(db, address)
      if (owner?.is_active === false) throw refused('the account of this wallet is switched off')
      let userId = owner?.user_id
      if (userId === undefined) {
        if (registration === 'closed') throw closed()
        const made = (await c.get('owner').begin(async (transaction) => {
          const id = await createUser(transaction, { username: address, passwordHash: null })
          return id && linkWallet(transaction, address, id)
        })) as string | undefined
        // Somebody signs in with the same wallet at the same time, and was first.
        userId = made ?? (await readWalletOwner(db, address))?.user_id
        if (userId === undefined)
          throw new ProblemError(409, 'There is an account with the name of this wallet.')
      }
      await noteLogin(c.get('owner'), [userId])
      return sendTokens(c, context, await startSession(db, userId), 200)
    },
  )

  app.openapi(
    createRoute({
      ...common,
      security: needs('account'),
      method: 'post',
      path: '/v1/me/wallets',
      operationId: 'linkWallet',
      summary: 'Link a wallet to your account, to sign in with it',
      request: { body: jsonBody('WalletProof') },
      responses: {
        201: resourceResponse('Wallet', 'It is linked'),
        ...problems(401, 409),
        ...problemResponses,
      },
    }),
    async (c) => {
      const { userId } = sessionOf(c.get('caller'))
      const address = await checkProof(c, context, await parse(c, proofSchema))
      if ((await linkWallet(c.get('owner'), address, userId)) !== userId) {
        throw new ProblemError(409, 'The wallet is linked to another account.')
      }
      return c.json({ address }, 201)
    },
  )

  app.openapi(
    createRoute({
      ...common,
      security: needs('account'),
      method: 'delete',
      path: '/v1/me/wallets/{address}',
      operationId: 'unlinkWallet',
      summary: 'Unlink a wallet, unless it is the only way to sign in',
      request: { params: z.object({ address: z.string() }) },
      responses: { 204: { description: 'It is not linked any more' }, ...problems(409), ...problemResponses },
    }),
    async (c) => {
      const { userId } = sessionOf(c.get('caller'))
      const { address } = c.req.valid('param')
      const wanted = address.toLowerCase()
      const isTheirs =
        /^0x[\da-f]{40}$/.test(wanted) && (await readWalletOwner(db, wanted))?.user_id === userId
      if (!isTheirs) throw notFound('wallet', address)
      if (!(await unlinkWallet(c.get('owner'), userId, wanted))) {
        throw new ProblemError(
          409,
          'This wallet is the only way to sign in: set a password or link another first.',
        )
      }
      return c.body(null, 204)
    },
  )
}

/** The address, in lower case, of the wallet that signed the message. The nonce is used up whatever becomes of it. */
async function checkProof(c: Context<ApiEnv>, context: ApiContext, proof: WalletProof): Promise<string> {
  const read = readSignInMessage(proof.message, { origin: originOf(context) })
  if ('problem' in read) throw invalid('body', [{ path: ['message'], message: read.problem }])
  if (!(await consumeNonce(context.db, read.nonce))) {
    throw refused('the nonce is not known, was used, or is too old: ask for a new one')
  }
  const signed = await isSignedBy(proof, read, context.rpcUrls).catch((error) => {
    logOf(c, context.log).warn(
      { error: describeError(error) },
      'a wallet could not be asked for its signature',
    )
    throw new ProblemError(
      503,
      `The endpoint of chain ${read.chainId} did not answer, which a smart wallet needs.`,
    )
  })
  if (signed === 'no endpoint') {
    throw refused(
      `the signature is not of a key of this address. Smart wallets (ERC-1271) can sign in where an endpoint of their chain is set here, and there is none of chain ${read.chainId}`,
    )
  }
  if (!signed) throw refused('the signature is not of this wallet')
  return read.address.toLowerCase()
}

function originOf({ publicUrl }: ApiContext): string {
  if (publicUrl !== undefined) return new URL(publicUrl).origin
  throw new ProblemError(
    409,
    'Wallets cannot sign in here: whoever runs this installation has to set TOCSIN_PUBLIC_URL, which their messages are for.',
  )
}

function refused(reason: string): ProblemError {
  return new ProblemError(401, `The wallet is not signed in: ${reason}.`)
}
