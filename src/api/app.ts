import { OpenAPIHono } from '@hono/zod-openapi'
import { bodyLimit } from 'hono/body-limit'
import { type AccessTokens, createAccessTokens } from '../accounts/access-tokens.ts'
import type { RpcUrls } from '../accounts/wallets.ts'
import { knownChains } from '../chains.ts'
import type { Database } from '../db.ts'
import type { Log } from '../log.ts'
import type { SecretBox } from '../secret-box.ts'
import type { UserConnections } from '../store/user-connections.ts'
import { act } from './act.ts'
import { addAdmin } from './admin.ts'
import { addAgents } from './agents.ts'
import { addAlerts } from './alerts.ts'
import { letOrigins, protect } from './answer-headers.ts'
import { addAudit } from './audit.ts'
import { addAuth } from './auth.ts'
import { createAuthenticator } from './authenticate.ts'
import { authorize } from './authorize.ts'
import { addBacktest } from './backtest.ts'
import type { ApiEnv } from './caller.ts'
import { addChains } from './chains.ts'
import { addDecisions } from './decisions.ts'
import { addDeliveries } from './deliveries.ts'
import { addDestinations } from './destinations.ts'
import { addDocs } from './docs.ts'
import { addDocument } from './document.ts'
import { addEvents } from './events.ts'
import { addHealth } from './health.ts'
import { idempotency } from './idempotency.ts'
import { addKeys } from './keys.ts'
import { forgetChangedKeys, type KnownKeys } from './known-keys.ts'
import { addMatches } from './matches.ts'
import { addMcp } from './mcp.ts'
import { addMcpTokens } from './mcp-tokens.ts'
import { addMe } from './me.ts'
import { addMetrics } from './metrics.ts'
import { addPreview } from './preview.ts'
import { invalid, ProblemError, toProblems, toResponse } from './problem.ts'
import { addProblems } from './problems.ts'
import { createRateLimiter, type RateLimits } from './rate-limit.ts'
import { addResults } from './results.ts'
import { createRouter } from './router.ts'
import { addStats } from './stats.ts'
import { addStream, type StreamLimits } from './stream.ts'
import { addTelegram } from './telegram.ts'
import { addTestFire } from './test-fire.ts'
import { addTriggerParts } from './trigger-parts.ts'
import { addTriggerState } from './trigger-state.ts'
import { addTriggerSwitches } from './trigger-switches.ts'
import { addTriggers } from './triggers.ts'
import { addWallets } from './wallets.ts'
import { nameRequest, watchRequests } from './watch-requests.ts'

const bodyBytesMax = 256 * 1024

export type ApiApp = OpenAPIHono<ApiEnv>

/** What the resources work with. */
export type ApiContext = {
  db: Database
  /** Where queries of users that only read run; without them, in transactions. */
  reads?: UserConnections | undefined
  /** API keys that were looked up just now; without them, each request looks. */
  knownKeys?: KnownKeys | undefined
  log: Log
  /** Encrypts what is stored and must not be read in the database. */
  secrets: SecretBox
  /** Who holds it may do everything. */
  token: string
  /** What GET /metrics asks for; without it, nothing. */
  metricsToken?: string | undefined
  /** The user that new triggers belong to. */
  userId: string
  /** Signs people's sessions. */
  accessTokens: AccessTokens
  /** Whether anybody can make an account. */
  registration: 'open' | 'closed'
  /** Where people reach the API: what wallets sign for. Without it they cannot sign in. */
  publicUrl?: string | undefined
  /** The origins whose pages may ask. */
  corsOrigins?: readonly string[] | undefined
  /** Where smart wallets are asked whether a signature is theirs. */
  rpcUrls: RpcUrls
  /** The chains that triggers can be for. */
  chains: readonly { id: number }[]
  /** Without them, nobody is limited. */
  rateLimits?: RateLimits | undefined
  /** How many triggers a user may have; 0: any number. */
  triggersMax: number
  /** Bounds of GET /v1/stream, where they differ from the usual ones. */
  stream?: Partial<StreamLimits> | undefined
  /** Aborts when the process is to stop: what would go on by itself ends then. */
  signal?: AbortSignal | undefined
}

type Optional = 'chains' | 'registration' | 'rpcUrls' | 'accessTokens' | 'triggersMax'

/**
 * The REST API. Opens no port: ask it with `app.request()`, or serve it.
 *
 * @param options.chains every chain with known registries, unless given.
 */
export function createApp(options: Omit<ApiContext, Optional> & Partial<Pick<ApiContext, Optional>>): ApiApp {
  const context: ApiContext = {
    chains: knownChains,
    registration: 'open',
    rpcUrls: new Map(),
    triggersMax: 1000,
    accessTokens: createAccessTokens(options.db, options.secrets),
    ...options,
  }
  const app = new OpenAPIHono<ApiEnv>({
    router: createRouter(),
    defaultHook: (result) => {
      if (!result.success)
        throw invalid(result.target === 'query' ? 'query' : 'request', toProblems(result.error))
    },
  })

  app.onError((error, c) => toResponse(error, c.get('requestId')))
  app.notFound((c) => {
    const allowed = methodsOf(app, c.req.path)
    const problem =
      allowed.length === 0
        ? new ProblemError(404, 'There is nothing at this address. /openapi.json lists what there is.')
        : new ProblemError(405, `Here one can ${allowed.join(', ')}.`, {
            headers: { allow: allowed.join(', ') },
          })
    return toResponse(problem, c.get('requestId'))
  })
  const requests = watchRequests(context.log)
  app.use(nameRequest(), requests.watch, protect(context))
  if (context.corsOrigins?.length) app.use(letOrigins(context.corsOrigins))
  const authenticate = createAuthenticator(context)
  const limiter = context.rateLimits && createRateLimiter(context.db, context.log, context.rateLimits)
  const authorization = authorize(app, context, authenticate)
  app.use(limiter === undefined ? authorization : limiter.limit(authorization))
  const limitBody = bodyLimit({
    maxSize: bodyBytesMax,
    onError: () => {
      throw new ProblemError(413, `The body is larger than ${bodyBytesMax} bytes.`)
    },
  })
  // To look whether there is a body makes a whole request of its own, a quarter of the processor time of a read.
  app.use((c, next) => (c.req.method === 'GET' ? next() : limitBody(c, next)))
  app.use(act(context))
  if (context.knownKeys !== undefined) app.use(forgetChangedKeys(context.knownKeys))
  app.use(idempotency(app, context))

  addProblems(app)
  addHealth(app, context)
  addMetrics(app, context, [requests.metrics, ...(limiter === undefined ? [] : [limiter.metrics])])
  addTriggers(app, context)
  addTriggerParts(app, context)
  addTriggerSwitches(app, context)
  addBacktest(app, context)
  addDecisions(app, context)
  addTriggerState(app)
  addEvents(app, context)
  addAgents(app, context)
  addStats(app, context)
  addChains(app, context)
  addMatches(app)
  addDeliveries(app)
  addResults(app)
  addDestinations(app, context)
  addAlerts(app)
  addMcpTokens(app, context)
  addPreview(app, context)
  addTestFire(app)
  addTelegram(app)
  addAuth(app, context)
  addWallets(app, context)
  addMe(app, context)
  addKeys(app)
  addAdmin(app, context)
  addAudit(app, context)
  addMcp(app, context)
  addStream(app, context, authenticate)

  addDocument(app)
  addDocs(app)
  return app
}

/** The methods that some route has for the path. */
function methodsOf(app: ApiApp, path: string): string[] {
  const methods = app.routes
    .filter(({ method }) => method !== 'ALL')
    .filter((route) => new RegExp(`^${route.path.replaceAll(/:[^/]+/g, '[^/]+')}$`).test(path))
    .map(({ method }) => method)
  return [...new Set(methods)]
}
