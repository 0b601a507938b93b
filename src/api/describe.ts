import type { RouteConfig } from '@hono/zod-openapi'
import type { Scope } from '../scopes.ts'

type ResponseConfig = RouteConfig['responses'][string]

/** An answer with one resource, for the API description. */
export function resourceResponse(name: string, description: string): ResponseConfig {
  return {
    description,
    content: { 'application/json': { schema: { $ref: `#/components/schemas/${name}` } } },
  }
}

/** What any route may answer instead of success, for the API description. */
export const problemResponses: { default: ResponseConfig } = {
  default: {
    description: 'Any other problem',
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  },
}

/** The answers other than success, by status. */
export const problemKinds = {
  400: ['BadRequest', 'Something in the request is wrong; `errors` lists each value that is'],
  401: ['Unauthorized', 'No credential, or one that is not right, or not any more'],
  403: ['Forbidden', 'The credential may not do this; the answer names the scope that is missing'],
  404: ['NotFound', 'There is nothing with this id, or it is not yours'],
  409: ['Conflict', 'Not in the state in which this is possible'],
  412: ['PreconditionFailed', 'It was changed meanwhile: `If-Match` does not fit'],
  413: ['TooLarge', 'The body is too large'],
  415: ['UnsupportedMediaType', 'The body is not application/json'],
  422: ['Unprocessable', 'Well-formed, and does not fit what is stored'],
  428: ['PreconditionRequired', '`If-Match` is needed'],
  429: ['TooManyRequests', 'Too much at once: `Retry-After` says when to come again'],
  503: ['Unavailable', 'The database, or what else is needed, does not answer at the moment'],
} as const satisfies Record<number, readonly [name: string, description: string]>

/**
 * Which of them a route gives besides those that follow from what it declares: 400 with a query or a body, 401 and 403 with
 * `needs`, 404 with an id, 413 unless it is a GET, 415 with a body, 429 and 503 always.
 */
export function problems(...statuses: (keyof typeof problemKinds)[]): Record<string, ResponseConfig> {
  const entries = statuses.map((status) => {
    const [name] = problemKinds[status]
    return [String(status), { $ref: `#/components/responses/${name}` }]
  })
  return Object.fromEntries(entries)
}

/** What a list answers with, for the API description. */
export function pageResponse(name: string, description: string): ResponseConfig {
  const schema = {
    type: 'object' as const,
    required: ['data', 'next_cursor'],
    properties: {
      data: { type: 'array' as const, items: { $ref: `#/components/schemas/${name}` } },
      next_cursor: {
        type: ['string', 'null'] as ('string' | 'null')[],
        description: 'The cursor of the next page; null: this is the last',
      },
    },
  }
  return { description, content: { 'application/json': { schema } } }
}

/** What a credential has to have for a route: enforced by `authorize`, and shown in the API description. */
export function needs(...scopes: Scope[]): { bearer: string[] }[] {
  return [{ bearer: scopes }]
}

/** Anybody may ask. */
export const anybody: never[] = []
