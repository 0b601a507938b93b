import createFetchClient, { type Client } from 'openapi-fetch'
import { ApiError, type Problem } from './api-error.ts'
import type { paths } from './schema.ts'

/** Every route of the API by method and path, with the types of its description. */
export type ApiClient = Client<paths>

/**
 * A client of the REST API.
 *
 * @param options.baseUrl Where the API is, such as `http://127.0.0.1:8004`.
 * @param options.token An access token, an API key, or the token of the installation; without one, only what is open to anybody.
 * @param options.fetch Instead of the global one, such as `app.request` of an API in the same process.
 * @example
 * const client = createClient({ baseUrl: 'http://127.0.0.1:8004', token })
 * const page = await answerOf(client.GET('/v1/triggers', { params: { query: { limit: 10 } } }))
 */
export function createClient(options: {
  baseUrl: string
  token?: string | undefined
  fetch?: (request: Request) => Promise<Response>
}): ApiClient {
  const { baseUrl, token, fetch } = options
  return createFetchClient<paths>({
    baseUrl,
    ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
    ...(fetch === undefined ? {} : { fetch }),
  })
}

/**
 * What a call answered.
 *
 * @throws ApiError with the problem, for every answer other than success.
 */
export async function answerOf<Data>(
  call: Promise<{ data?: Data; error?: unknown; response: Response }>,
): Promise<Exclude<Data, undefined>> {
  const { data, error, response } = await call
  if (response.ok) return data as Exclude<Data, undefined>
  throw new ApiError(response.status, toProblem(error, response))
}

/** Whatever stands between us and the API may answer as well, and not with a problem. */
function toProblem(error: unknown, { status, statusText }: Response): Problem {
  if (typeof error === 'object' && error !== null && 'detail' in error) return error as Problem
  const detail = typeof error === 'string' && error !== '' ? error.slice(0, 500) : 'It gave no reason.'
  return { type: 'about:blank', title: statusText, status, detail, errors: [] }
}
