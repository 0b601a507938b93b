import type { McpActionConfig } from '../src/actions/mcp.ts'
import type { RestActionConfig } from '../src/actions/rest.ts'
import type { TelegramActionConfig } from '../src/actions/telegram.ts'
import type { DeliveryScope } from '../src/render-template.ts'
import type { SecretBox } from '../src/secret-box.ts'
import type { ClaimedDelivery } from '../src/store/delivering.ts'
import { type McpTools, runMcp } from './actions/mcp.ts'
import { type RestBatch, runRest } from './actions/rest.ts'
import { runTelegram } from './actions/telegram.ts'
import type { HttpClient } from './http.ts'
import type { Telegram } from './telegram/telegram.ts'
import type { WebhookSigner } from './webhook-signer.ts'

/** What actions work with. */
export type ActionTools = {
  http: HttpClient
  /** Opens what is stored encrypted. */
  secrets: SecretBox
  /** No webhook goes unsigned. */
  sign: WebhookSigner
  /** Not there: no bot is configured. */
  telegram?: Telegram | undefined
  /** Not there: this worker calls no MCP servers. */
  mcp?: McpTools | undefined
}

/** How an attempt ended. No error: it succeeded. `response` is what is kept of the answer. */
export type ActionOutcome = {
  response: Record<string, unknown>
  error: Error | undefined
}

/**
 * Runs the action of a delivery once.
 *
 * @param batch all that go in the same call, where the action sends several at once.
 * @throws PermanentError or RetryableError when there is no answer to keep; anything else is a fault of ours.
 */
export function runAction(
  delivery: ClaimedDelivery,
  scope: DeliveryScope,
  tools: ActionTools,
  signal: AbortSignal,
  batch?: RestBatch,
): Promise<ActionOutcome> {
  switch (delivery.action_type) {
    case 'rest':
      // Checked when the trigger was written.
      return runRest(delivery.config as RestActionConfig, scope, tools, signal, delivery, batch)
    case 'telegram':
      return runTelegram(delivery.config as TelegramActionConfig, scope, tools, signal)
    case 'mcp':
      return runMcp(delivery.config as McpActionConfig, scope, tools, signal)
  }
}
