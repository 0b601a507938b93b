import { OpenAPIHono, z } from '@hono/zod-openapi'
import { bodyLimit } from 'hono/body-limit'
import { knownChains } from '../chains.ts'
import type { Database } from '../db.ts'
import type { Log } from '../log.ts'
import type { SecretBox } from '../secret-box.ts'
import { addAgents } from './agents.ts'
import { addAlerts } from './alerts.ts'
import { authorize } from './authorize.ts'
import { addChains } from './chains.ts'
import { addDeliveries } from './deliveries.ts'
import { addDestinations } from './destinations.ts'
import { addEvents } from './events.ts'
import { addHealth } from './health.ts'
import { addMatches } from './matches.ts'
import { addMcpTokens } from './mcp-tokens.ts'
import { addMetrics } from './metrics.ts'
import { addPreview } from './preview.ts'
import { invalid, ProblemError, toProblems, toResponse } from './problem.ts'
import { addResults } from './results.ts'
import { addStats } from './stats.ts'
import { addTelegram } from './telegram.ts'
import { addTestFire } from './test-fire.ts'
import { addTriggers } from './triggers.ts'

const bodyBytesMax = 256 * 1024

/** What the resources work with. */
export type ApiContext = {
  db: Database
  log: Log
  /** Encrypts what is stored and must not be read in the database. */
  secrets: SecretBox
  /** Who holds it may do everything. */
  token: string
  /** What GET /metrics asks for; without it, nothing. */
  metricsToken?: string | undefined
  /** The user that new triggers belong to. */
  userId: string
  /** The chains that triggers can be for. */
  chains: readonly { id: number }[]
}

/**
 * The REST API. Opens no port: ask it with `app.request()`, or serve it.
 *
 * @param options.chains every chain with known registries, unless given.
 */
export function createApp(
  options: Omit<ApiContext, 'chains'> & Partial<Pick<ApiContext, 'chains'>>,
): OpenAPIHono {
  const context: ApiContext = { chains: knownChains, ...options }
  const app = new OpenAPIHono({
    defaultHook: (result) => {
      if (!result.success)
        throw invalid(result.target === 'query' ? 'query' : 'request', toProblems(result.error))
    },
  })

  app.onError((error) => toResponse(error, context.log))
  app.notFound((c) => {
    const allowed = methodsOf(app, c.req.path)
    const problem =
      allowed.length === 0
        ? new ProblemError(404, 'There is nothing at this address. /openapi.json lists what there is.')
        : new ProblemError(405, `Here one can ${allowed.join(', ')}.`, {
            headers: { allow: allowed.join(', ') },
          })
    return toResponse(problem, context.log)
  })
  app.use(authorize(context.token))
  app.use(
    bodyLimit({
      maxSize: bodyBytesMax,
      onError: () => {
        throw new ProblemError(413, `The body is larger than ${bodyBytesMax} bytes.`)
      },
    }),
  )

  addHealth(app, context)
  addMetrics(app, context)
  addTriggers(app, context)
  addEvents(app, context)
  addAgents(app, context)
  addStats(app, context)
  addChains(app, context)
  addMatches(app, context)
  addDeliveries(app, context)
  addResults(app, context)
  addDestinations(app, context)
  addAlerts(app, context)
  addMcpTokens(app, context)
  addPreview(app, context)
  addTestFire(app, context)
  addTelegram(app, context)

  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' })
  app.openAPIRegistry.register(
    'Problem',
    z.object({
      type: z.string(),
      title: z.string(),
      status: z.int(),
      detail: z.string(),
      errors: z.array(z.object({ path: z.string(), message: z.string() })),
    }),
  )
  app.doc31('/openapi.json', {
    openapi: '3.1.0',
    info: {
      title: 'Tocsin',
      version: '1',
      description: 'Triggers on the events of ERC-8004 registries, and what they did.',
    },
  })
  return app
}

/** The methods that some route has for the path. */
function methodsOf(app: OpenAPIHono, path: string): string[] {
  const methods = app.routes
    .filter(({ method }) => method !== 'ALL')
    .filter((route) => new RegExp(`^${route.path.replaceAll(/:[^/]+/g, '[^/]+')}$`).test(path))
    .map(({ method }) => method)
  return [...new Set(methods)]
}
