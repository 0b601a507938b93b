import type { RestActionConfig } from '../../src/actions/rest.ts'
import { PermanentError, RetryableError } from '../../src/errors.ts'
import { type DeliveryScope, renderBody } from '../../src/render-template.ts'
import { storableText } from '../../src/storable-text.ts'
import type { HttpResponse } from '../http.ts'
import type { ActionOutcome, ActionTools } from '../run-action.ts'

/** Statuses of a receiver that may do better later: 408 and 425 ask for it, 429 and 5xx say so. */
const passing = new Set([408, 425, 429])

/**
 * Sends one webhook. Any 2xx is success. 408, 425, 429 and 5xx may pass, so they are tried again (after `Retry-After`
 * seconds, where given); any other answer, redirects included, will not get better by repeating it.
 */
export async function runRest(
  config: RestActionConfig,
  scope: DeliveryScope,
  { http }: ActionTools,
  signal: AbortSignal,
): Promise<ActionOutcome> {
  const sendsBody = config.method !== 'GET'
  const response = await http.send(
    {
      method: config.method,
      url: config.url,
      headers: {
        ...(sendsBody ? { 'content-type': 'application/json' } : {}),
        'user-agent': 'Tocsin',
        ...lowerCaseNames(config.headers),
        // The same for every attempt, so that a receiver can drop a repeat.
        'webhook-id': scope.delivery.id,
      },
      body: sendsBody ? renderBody(config.body_template, scope) : undefined,
      timeoutMs: config.timeout_ms,
    },
    signal,
  )
  const kept = {
    status: response.status,
    body: storableText(response.body),
    body_truncated: response.bodyTruncated,
  }
  return { response: kept, error: errorOf(response) }
}

function errorOf({ status, headers }: HttpResponse): PermanentError | RetryableError | undefined {
  if (status >= 200 && status < 300) return undefined
  const message = `the receiver answered with HTTP ${status}`
  if (!passing.has(status) && status < 500) return new PermanentError(message)
  const seconds = Number(headers['retry-after'])
  return new RetryableError(message, seconds > 0 ? { retryAfterMs: seconds * 1000 } : {})
}

function lowerCaseNames(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}
