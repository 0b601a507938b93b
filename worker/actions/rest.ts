import type { RestActionConfig } from '../../src/actions/rest.ts'
import { GoneError, PermanentError, RetryableError } from '../../src/errors.ts'
import { hiddenValue, openHeaders } from '../../src/header-values.ts'
import { renderHeaders, renderUrl } from '../../src/render-request.ts'
import { type DeliveryScope, renderBatch, renderBody } from '../../src/render-template.ts'
import { storableText } from '../../src/storable-text.ts'
import type { HttpResponse } from '../http.ts'
import type { ActionOutcome, ActionTools } from '../run-action.ts'

/** Statuses of a receiver that may do better later: 408 and 425 ask for it, 429 and 5xx say so. */
const passing = new Set([408, 425, 429])

/** Whose webhook it is, and where the claim says that it goes. */
export type RestSender = {
  user_id: string | null
  destination_id: number | null
  /** Of the secrets of the destination. Not there: they are read anew. */
  secrets_revision?: number | null
}

/** Deliveries that go in one request. */
export type RestBatch = { id: string; scopes: readonly DeliveryScope[] }

/**
 * Sends one webhook, signed as Standard Webhooks says. Any 2xx is success. 408, 425, 429 and 5xx may pass, so they are tried
 * again (after `Retry-After`, where given); 410 says that nobody wants to hear from us again; any other answer, redirects
 * included, will not get better by repeating it.
 *
 * @param batch what is sent instead of the scope alone; templates of headers and query see the scope all the same.
 */
export async function runRest(
  config: RestActionConfig,
  scope: DeliveryScope,
  { http, secrets, sign }: Pick<ActionTools, 'http' | 'secrets' | 'sign'>,
  signal: AbortSignal,
  sender: RestSender,
  batch?: RestBatch,
): Promise<ActionOutcome> {
  const { user_id: userId } = sender
  if (userId === null) throw new PermanentError('its trigger was deleted')
  const { url } = config
  const headers = renderHeaders(openHeaders(secrets, { userId, url }, config.headers ?? {}), scope)
  const sendsBody = config.method !== 'GET'
  const contentType = headers['content-type'] ?? 'application/json'
  const body = sendsBody ? makeBody(config, scope, contentType, batch) : ''
  const webhookId = batch?.id ?? scope.delivery.id
  const signature = await sign({
    userId,
    url,
    destinationId: sender.destination_id,
    secretsRevision: sender.secrets_revision ?? undefined,
    webhookId,
    body,
  })
  const response = await http.send(
    {
      method: config.method,
      url: renderUrl(config, scope),
      headers: {
        ...(sendsBody ? { 'content-type': contentType } : {}),
        'user-agent': 'Tocsin',
        ...headers,
        ...signature,
      },
      body: sendsBody ? body : undefined,
      timeoutMs: config.timeout_ms,
    },
    signal,
  )
  const kept = {
    status: response.status,
    body: hideValues(storableText(response.body), headers),
    body_truncated: response.bodyTruncated,
  }
  return { response: kept, error: errorOf(response) }
}

function makeBody(
  { body_template }: RestActionConfig,
  scope: DeliveryScope,
  contentType: string,
  batch: RestBatch | undefined,
): string {
  if (batch !== undefined) return renderBatch(batch.id, batch.scopes)
  // A template is about a match: what it says would be said once more of an event that is gone.
  const isMatch = scope.delivery.kind === 'match' || scope.delivery.kind === 'test'
  return renderBody(isMatch ? body_template : undefined, scope, { contentType })
}

function errorOf({ status, headers }: HttpResponse): PermanentError | RetryableError | undefined {
  if (status >= 200 && status < 300) return undefined
  const message = `the receiver answered with HTTP ${status}`
  if (status === 410) return new GoneError(message)
  if (!passing.has(status) && status < 500) return new PermanentError(message)
  const retryAfterMs = readRetryAfter(headers)
  return new RetryableError(message, retryAfterMs === undefined ? {} : { retryAfterMs })
}

/** Headers that are no secret, and whose values are common words of answers. */
const openHeaderNames = new Set(['content-type', 'accept', 'accept-language', 'user-agent'])

/** An answer is kept, and shown to whoever may read results: where it repeats the headers of the request, their values go. */
function hideValues(text: string, headers: Record<string, string>): string {
  const values = Object.entries(headers)
    .filter(([name]) => !openHeaderNames.has(name))
    // Of `Bearer …` also the token alone.
    .flatMap(([, value]) => [value, value.split(' ').at(-1) ?? ''])
    .filter((value) => value.length >= 8)
  return values.reduce((hidden, value) => hidden.replaceAll(value, hiddenValue), text)
}

/** Seconds, or an HTTP date, which the receiver's own clock is taken for. `undefined`: neither, or in the past. */
function readRetryAfter(headers: Record<string, string>): number | undefined {
  const text = headers['retry-after']?.trim() ?? ''
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) > 0 ? Number(text) * 1000 : undefined
  if (!/[a-z]/i.test(text)) return undefined
  const now = Date.parse(headers.date ?? '')
  const waitMs = Date.parse(text) - (Number.isNaN(now) ? Date.now() : now)
  return waitMs > 0 ? waitMs : undefined
}
