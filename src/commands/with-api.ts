import { join } from 'node:path'
import { ApiError } from '../client/api-error.ts'
import { type ApiClient, createClient } from '../client/client.ts'
import { type Config, loadConfig } from '../config.ts'
import { describeError, UserError } from '../errors.ts'
import { readText } from '../kept-text.ts'

/** How often something is asked again that the API has no time for at the moment. */
const triesMax = 5
const waitMaxS = 30

export type ApiAccess = { baseUrl: string; token: string | undefined }

/**
 * Runs a command on the API at `api`, or at TOCSIN_API_URL, or on that of this installation.
 *
 * @param options.anonymous Without a credential: for who has none yet.
 * @throws UserError when it does not answer, or does not take the credential.
 */
export async function withApi(
  { api, anonymous = false }: { api?: string | undefined; anonymous?: boolean },
  run: (client: ApiClient, access: ApiAccess) => Promise<void>,
): Promise<void> {
  const config = loadConfig()
  const baseUrl = (api ?? config.api.url ?? ownUrl(config)).replace(/\/+$/, '')
  const token = anonymous ? undefined : await findToken(config, baseUrl)
  try {
    await run(createClient({ baseUrl, token, fetch: fetchPatiently }), { baseUrl, token })
  } catch (error) {
    if (error instanceof ApiError && error.status === 401 && !anonymous) {
      throw new UserError(
        `The API at ${baseUrl} does not take the credential: ${error.message} TOCSIN_API_TOKEN sets it.`,
      )
    }
    if (error instanceof TypeError && error.message === 'fetch failed') {
      throw new UserError(
        `The API at ${baseUrl} does not answer (${describeError(error.cause)}). Start it with "tocsin start" or "tocsin api", or say where it is with --api or TOCSIN_API_URL.`,
      )
    }
    if (!(error instanceof ApiError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  }
}

/** Whether an API was named, so that a command that can work on the database as well works on that. */
export function namesApi({ api }: { api?: string | undefined }): boolean {
  return (api ?? loadConfig().api.url) !== undefined
}

function ownUrl({ api }: Config): string {
  if (api.port === 0)
    throw new UserError(
      'TOCSIN_API_PORT is 0, which is any port: say where the API is with --api or TOCSIN_API_URL.',
    )
  const host = api.host === '0.0.0.0' ? '127.0.0.1' : api.host === '::' ? '[::1]' : api.host
  return `http://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${api.port}`
}

/** The token that an installation made for itself is for this machine only: it is sent nowhere else. */
async function findToken({ api, home }: Config, baseUrl: string): Promise<string> {
  if (api.token !== undefined) return api.token
  const { hostname } = new URL(baseUrl)
  const isHere =
    hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname) || hostname === api.host
  const kept = isHere ? (await readText(join(home, 'api-token')))?.trim() : undefined
  if (kept !== undefined && kept !== '') return kept
  throw new UserError(
    isHere
      ? `There is no credential for the API: ${join(home, 'api-token')} is made when it first starts. Or set TOCSIN_API_TOKEN, to an API key for instance.`
      : `Set TOCSIN_API_TOKEN to a credential for ${baseUrl}, such as an API key: the token of this installation is not sent to other machines.`,
  )
}

/** Comes again when the API says when. */
async function fetchPatiently(request: Request): Promise<Response> {
  for (let tries = 1; ; tries++) {
    const response = await fetch(request.clone())
    const waitS = Number(response.headers.get('retry-after') ?? Number.NaN)
    const isBusy = response.status === 429 || response.status === 503
    if (!isBusy || tries >= triesMax || !(waitS <= waitMaxS)) return response
    await response.body?.cancel()
    await new Promise((resolve) => setTimeout(resolve, waitS * 1000))
  }
}
