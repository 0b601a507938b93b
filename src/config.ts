import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import { type Chain, knownChains } from './chains.ts'
import { UserError } from './errors.ts'
import { parseCidrs } from './outbound/cidr.ts'
import { parseRate } from './parse-rate.ts'
import { parseSecretKeys } from './secret-keys.ts'

/** A chain that is switched on: its endpoints are given and its start block is known. */
export type ConfiguredChain = Chain & { startBlock: number; rpcUrl: string; wsUrl: string | undefined }

export type Config = ReturnType<typeof loadConfig>

const url = (protocols: string[]) =>
  z
    .string()
    .refine((value) => protocols.some((protocol) => value.toLowerCase().startsWith(`${protocol}//`)), {
      error: `expected a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
      abort: true,
    })
    .refine((value) => URL.canParse(value), {
      error:
        'cannot be read as a URL. In a user name or password, write # / ? @ : % as %23 %2F %3F %40 %3A %25',
    })

const integer = (min: number, max: number) =>
  z
    .string()
    .refine((value) => /^\d{1,15}$/.test(value) && Number(value) >= min && Number(value) <= max, {
      error: `expected a whole number from ${min} to ${max}`,
    })
    .transform(Number)

/** A text that `parse` makes something of; its UserError says what is wrong. */
const parsedBy = <Value>(parse: (text: string) => Value) =>
  z.string().transform((value, context) => {
    try {
      return parse(value)
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      context.addIssue({ code: 'custom', message: error.message })
      return z.NEVER
    }
  })

/** Ranges of addresses. A whole list, so that a bad entry is named. */
const cidrs = parsedBy(parseCidrs)

/** Base URLs, separated by commas; without the slash at their end. */
const gateways = z.string().transform((value, context) => {
  const urls = value
    .split(',')
    .map((part) => part.trim().replace(/\/+$/, ''))
    .filter((part) => part !== '')
  for (const [index, part] of urls.entries()) {
    const parsed = /^https?:\/\//i.test(part) && URL.canParse(part) ? new URL(part) : undefined
    if (parsed === undefined || parsed.username + parsed.password + parsed.search + parsed.hash !== '') {
      // Not the entry itself: it may hold a password.
      const which = urls.length === 1 ? 'this' : `number ${index + 1}`
      context.addIssue(
        `expected URLs such as https://ipfs.io, separated by commas, without user name or query; ${which} is not one`,
      )
    }
  }
  if (urls.length > 10) context.addIssue('expected at most 10 gateways')
  return [...new Set(urls)]
})

/** Exact origins, separated by commas, as browsers send them. */
const origins = z.string().transform((value, context) => {
  const given = value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
  for (const origin of given) {
    if (/^https?:/.test(origin) && URL.canParse(origin) && new URL(origin).origin === origin) continue
    context.addIssue(
      `expected origins such as https://app.example or http://localhost:3000, separated by commas; ${JSON.stringify(origin.slice(0, 100))} is not one`,
    )
  }
  return [...new Set(given)]
})

/** Every variable with a fixed name. Each default says why it is what it is. */
const settings = z.object({
  /** Without it, a Postgres of our own starts in TOCSIN_HOME. */
  DATABASE_URL: url(['postgres:', 'postgresql:']).optional(),
  /** Without it, the queue lives in the same Postgres: one thing less to run, good for some 300 deliveries a second. */
  REDIS_URL: url(['redis:', 'rediss:']).optional(),
  /** Where what belongs to this installation is kept: the embedded Postgres, the generated API token. */
  TOCSIN_HOME: z.string().min(1).default('.tocsin'),
  TOCSIN_LOG_LEVEL: z.enum(['silent', 'error', 'warn', 'info', 'debug', 'trace']).default('info'),
  /** Lines for people where a person looks, JSON where a machine does. `auto` asks whether stdout is a terminal. */
  TOCSIN_LOG_FORMAT: z.enum(['auto', 'json', 'pretty']).default('auto'),
  /** Loopback: an API that others can reach is a decision, not a default. */
  TOCSIN_API_HOST: z.string().min(1).default('127.0.0.1'),
  /** 8004, as in ERC-8004. 0 takes any free port. */
  TOCSIN_API_PORT: integer(0, 65_535).default(8004),
  /** The installation's own credential: whoever holds it may do everything. Without it, one is made once and kept in TOCSIN_HOME/api-token. */
  TOCSIN_API_TOKEN: z.string().min(16, 'expected at least 16 characters').optional(),
  /** Where commands find the API, if it is not the one of this installation. */
  TOCSIN_API_URL: url(['https:', 'http:']).optional(),
  /** Open, since the API is on loopback: who opens it to others decides about that as well. */
  TOCSIN_REGISTRATION: z.enum(['open', 'closed'], { error: 'expected open or closed' }).default('open'),
  /** Each is looked at for every event of its chain, and held in memory: what a person can oversee is far below. 0: any number. */
  TOCSIN_TRIGGERS_MAX: integer(0, 1_000_000).default(1000),
  /** Ten a second is more than a person's dashboards ask for. 0: no limit. */
  TOCSIN_RATE_LIMIT: parsedBy(parseRate).prefault('600/1m'),
  /** Of one address without a good credential: enough to sign in, too few to guess. */
  TOCSIN_RATE_LIMIT_ANONYMOUS: parsedBy(parseRate).prefault('60/1m'),
  /** Backtests, exports and sign-ins take a processor for a while each. */
  TOCSIN_RATE_LIMIT_COSTLY: parsedBy(parseRate).prefault('30/1m'),
  /** None: anybody can write X-Forwarded-For. */
  TOCSIN_TRUSTED_PROXIES: cidrs.default([]),
  /** Messages that wallets sign name the place that they are for. It cannot be taken from a request: a thief would name his own. */
  TOCSIN_PUBLIC_URL: url(['https:', 'http:']).optional(),
  /** None: pages of other origins have no business here until somebody says which do. */
  TOCSIN_CORS_ORIGINS: origins.default([]),
  /** Who scrapes metrics is no user, and the API is on loopback: without it, whoever reaches the API may read them. */
  TOCSIN_METRICS_TOKEN: z.string().min(16, 'expected at least 16 characters').optional(),
  /** Secrets are stored encrypted with the first of them. Without it, one is made once and kept in TOCSIN_HOME/secret-keys. */
  TOCSIN_SECRET_KEYS: parsedBy(parseSecretKeys).optional(),
  /** Calls in flight in one worker. Enough for ten destinations that hang, of 20 calls each; a call holds a little memory and a socket. */
  TOCSIN_WORKER_CONCURRENCY: integer(1, 1000).default(200),
  /** Without it events are kept for ever: they are what the chain said, and small. A week is what a backlog of matching may need. */
  TOCSIN_EVENT_RETENTION_DAYS: integer(7, 36_500).optional(),
  /** A quarter: long enough to look into any complaint. Hourly metrics stay. */
  TOCSIN_RESULT_RETENTION_DAYS: integer(1, 36_500).default(90),
  /** Three days: a client that was away over a weekend finds what it missed. Longer costs room: some 200 bytes for each delivery that ends. */
  TOCSIN_STREAM_RETENTION_DAYS: integer(1, 365).default(3),
  /** 0, for ever: it is there to be asked long after, and small. Who must not keep what names people for longer says for how long. */
  TOCSIN_AUDIT_RETENTION_DAYS: integer(0, 36_500).default(0),
  /** Open streams of one process: each holds a socket and at most 4 MB. */
  TOCSIN_STREAMS_MAX: integer(0, 100_000).default(1000),
  /** Enough for a person with some dashboards; a program needs one. */
  TOCSIN_STREAMS_MAX_PER_USER: integer(1, 10_000).default(10),
  /** Without it there is no bot, and Telegram actions wait. */
  TELEGRAM_BOT_TOKEN: z
    .string()
    .regex(/^\d{1,19}:[\w-]{20,}$/, 'expected the token that @BotFather gave, such as 123456789:AAE…')
    .optional(),
  /** Telegram's own servers, unless a Bot API server of one's own is nearer. */
  TELEGRAM_API_ROOT: url(['http:', 'https:']).default('https://api.telegram.org'),
  /** Without it the bot asks for updates (long polling), which works everywhere. */
  TELEGRAM_WEBHOOK_URL: url(['https:', 'http:']).optional(),
  /** Where the bot listens for what comes to TELEGRAM_WEBHOOK_URL: as `host:port`, behind a proxy with TLS. */
  TELEGRAM_WEBHOOK_LISTEN: z
    .string()
    .regex(/^.+:\d{1,5}$/, 'expected host:port, such as 127.0.0.1:8005')
    .default('127.0.0.1:8005'),
  /** None: what users name is called on the public internet only, never in the operator's own network. */
  OUTBOUND_ALLOW: cidrs.default([]),
  /** None: the whole public internet may be called. */
  OUTBOUND_DENY: cidrs.default([]),
  /** Public ones of different operators that serve what can be checked (blocks and CARs). They need not be trusted, only up. */
  IPFS_GATEWAYS: gateways.prefault('https://trustless-gateway.link,https://ipfs.io,https://4everland.io'),
})

/** Names with a chain id at their end, and what their values must be. */
const perChain = {
  RPC_URL_: url(['http:', 'https:']),
  WS_URL_: url(['ws:', 'wss:']),
  START_BLOCK_: integer(0, Number.MAX_SAFE_INTEGER),
}

/** Names that are ours by their prefix: one that we do not know is a spelling mistake, not somebody else's variable. */
const ownPrefixes = ['TOCSIN_', 'OUTBOUND_', ...Object.keys(perChain)]

/** Every variable that the configuration knows, chain variables by their prefix. For documents and their tests. */
export const knownVariables = { fixed: Object.keys(settings.shape), perChain: Object.keys(perChain) }

/**
 * Reads the whole configuration from environment variables.
 *
 * @throws UserError that lists every problem, one a line, each with the variable's name and what was expected.
 */
export function loadConfig(env: Record<string, string | undefined> = process.env) {
  // An empty variable (`REDIS_URL=` in an .env file) means "not set".
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  )
  const problems: string[] = []

  const parsed = settings.safeParse(given)
  for (const issue of parsed.error?.issues ?? []) {
    problems.push(`${issue.path.join('.')}: ${issue.message}`)
  }

  const chainSettings = new Map<number, Partial<Record<keyof typeof perChain, string | number>>>()
  for (const [name, value] of Object.entries(given)) {
    const prefix = ownPrefixes.find((candidate) => name.startsWith(candidate))
    if (prefix === undefined || name in settings.shape) continue
    if (!(prefix in perChain)) {
      problems.push(`${name}: unknown variable. Known are ${knownVariables.fixed.join(', ')}`)
      continue
    }
    const chainId = Number(name.slice(prefix.length))
    // Only as it is usually written: 0x1 and 01 are the same number, and would set one chain twice.
    if (!knownChains.some((chain) => chain.id === chainId && name === `${prefix}${chainId}`)) {
      problems.push(`${name}: no registries are known on that chain. Known chain ids: ${knownChainIds()}`)
      continue
    }
    const key = prefix as keyof typeof perChain
    const result = perChain[key].safeParse(value)
    if (result.success) chainSettings.set(chainId, { ...chainSettings.get(chainId), [key]: result.data })
    else problems.push(`${name}: ${result.error.issues[0]?.message}`)
  }

  const chains: ConfiguredChain[] = []
  for (const chain of knownChains) {
    const own = chainSettings.get(chain.id)
    if (own === undefined) continue
    const startBlock = (own.START_BLOCK_ as number | undefined) ?? chain.startBlock
    if (own.RPC_URL_ === undefined) {
      problems.push(`RPC_URL_${chain.id}: missing, though other variables of chain ${chain.id} are set`)
    } else if (startBlock === undefined) {
      problems.push(
        `START_BLOCK_${chain.id}: missing. The block in which the registries were deployed on ${chain.name} is not built in; set it, or 0 to read the whole chain`,
      )
    } else {
      chains.push({
        ...chain,
        startBlock,
        rpcUrl: String(own.RPC_URL_),
        wsUrl: own.WS_URL_ as string | undefined,
      })
    }
  }

  if (problems.length > 0 || !parsed.success) {
    throw new UserError(
      `The configuration has ${problems.length === 1 ? 'a problem' : 'problems'}:\n  ${problems.join('\n  ')}`,
    )
  }
  const value = parsed.data
  return {
    databaseUrl: value.DATABASE_URL,
    redisUrl: value.REDIS_URL,
    home: resolve(value.TOCSIN_HOME),
    log: { level: value.TOCSIN_LOG_LEVEL, format: value.TOCSIN_LOG_FORMAT },
    api: {
      host: value.TOCSIN_API_HOST,
      port: value.TOCSIN_API_PORT,
      token: value.TOCSIN_API_TOKEN,
      url: value.TOCSIN_API_URL,
      registration: value.TOCSIN_REGISTRATION,
      triggersMax: value.TOCSIN_TRIGGERS_MAX,
      rateLimits: {
        credential: value.TOCSIN_RATE_LIMIT,
        anonymous: value.TOCSIN_RATE_LIMIT_ANONYMOUS,
        costly: value.TOCSIN_RATE_LIMIT_COSTLY,
        trustedProxies: value.TOCSIN_TRUSTED_PROXIES,
      },
      publicUrl: value.TOCSIN_PUBLIC_URL,
      corsOrigins: value.TOCSIN_CORS_ORIGINS,
      stream: { inTotal: value.TOCSIN_STREAMS_MAX, perUser: value.TOCSIN_STREAMS_MAX_PER_USER },
    },
    metricsToken: value.TOCSIN_METRICS_TOKEN,
    secretKeys: value.TOCSIN_SECRET_KEYS,
    worker: { concurrency: value.TOCSIN_WORKER_CONCURRENCY },
    retention: {
      eventDays: value.TOCSIN_EVENT_RETENTION_DAYS,
      resultDays: value.TOCSIN_RESULT_RETENTION_DAYS,
      streamDays: value.TOCSIN_STREAM_RETENTION_DAYS,
      auditDays: value.TOCSIN_AUDIT_RETENTION_DAYS,
    },
    telegram: telegramOf(value),
    outbound: { allow: value.OUTBOUND_ALLOW, deny: value.OUTBOUND_DENY },
    ipfsGateways: value.IPFS_GATEWAYS,
    chains,
  }
}

/** `undefined`: there is no bot. */
function telegramOf(value: z.output<typeof settings>) {
  if (value.TELEGRAM_BOT_TOKEN === undefined) return undefined
  const listen = value.TELEGRAM_WEBHOOK_LISTEN
  const colon = listen.lastIndexOf(':')
  return {
    token: value.TELEGRAM_BOT_TOKEN,
    apiRoot: value.TELEGRAM_API_ROOT.replace(/\/+$/, ''),
    webhook:
      value.TELEGRAM_WEBHOOK_URL === undefined
        ? undefined
        : {
            url: value.TELEGRAM_WEBHOOK_URL,
            host: listen.slice(0, colon).replace(/^\[(.*)\]$/, '$1'),
            port: Number(listen.slice(colon + 1)),
          },
  }
}

/** Takes variables from `.env` in the current folder, where there is one. What is set already stays. */
export function loadEnvironmentFile(): void {
  if (existsSync('.env')) process.loadEnvFile('.env')
}

/** Our environment for a child process, with some variables set and others (`undefined`) taken out. */
export function childEnvironment(
  changes: Record<string, string | undefined>,
): Record<string, string | undefined> {
  return { ...process.env, ...changes }
}

function knownChainIds(): string {
  return knownChains.map((chain) => chain.id).join(', ')
}
