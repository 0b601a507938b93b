import type { DeliveryScope } from './delivery-scope.ts'
import { hiddenValue } from './header-values.ts'
import { renderHeaders, renderUrl } from './render-request.ts'
import { renderBody, renderText, renderValue } from './render-template.ts'
import { defaultMessage } from './telegram-message.ts'
import type { ActionDocument } from './trigger-document.ts'

export type RenderedAction =
  | {
      action_type: 'rest'
      request: { method: string; url: string; headers: Record<string, string>; body: string | null }
    }
  | { action_type: 'telegram'; message: { text: string; parse_mode: string } }
  | { action_type: 'mcp'; call: { tool_name: string; arguments: unknown } }

/**
 * What an action would send, by the production templates. Values of headers are secrets, and never shown.
 *
 * @throws PermanentError when a template cannot be rendered for this event.
 */
export function renderAction(action: ActionDocument, scope: DeliveryScope): RenderedAction {
  switch (action.action_type) {
    case 'rest': {
      const { method, headers, body_template } = action.config
      const rendered = renderHeaders(headers, scope)
      const contentType = rendered['content-type'] ?? 'application/json'
      const body = method === 'GET' ? null : renderBody(body_template, scope, { contentType })
      // Values are secrets, and may be in the request because they are not stored yet.
      const hidden = Object.fromEntries(Object.keys(rendered).map((name) => [name, hiddenValue]))
      return {
        action_type: action.action_type,
        request: {
          method,
          url: renderUrl(action.config, scope),
          headers: {
            ...hidden,
            ...(body === null ? {} : { 'content-type': contentType }),
            'webhook-id': scope.delivery.id,
          },
          body,
        },
      }
    }
    case 'telegram': {
      const { message_template: template, parse_mode } = action.config
      const escapes = { HTML: 'html', MarkdownV2: 'markdown_v2', plain: 'none' } as const
      const options = { escape: escapes[parse_mode], path: 'message_template' }
      const text =
        template === undefined ? defaultMessage(scope, parse_mode) : renderText(template, scope, options)
      return { action_type: action.action_type, message: { text, parse_mode } }
    }
    case 'mcp': {
      const { tool_name, arguments_template: template } = action.config
      const made =
        template === undefined ? JSON.parse(renderBody(undefined, scope)) : renderValue(template, scope)
      return { action_type: action.action_type, call: { tool_name, arguments: made as unknown } }
    }
  }
}
