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
    description: 'What is wrong, with each value that is wrong',
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  },
}

/** What a list answers with, for the API description. */
export function pageResponse(name: string, description: string): ResponseConfig {
  const schema = {
    type: 'object' as const,
    required: ['data', 'next_cursor'],
    properties: {
      data: { type: 'array' as const, items: { $ref: `#/components/schemas/${name}` } },
      next_cursor: { type: ['string', 'null'] as ('string' | 'null')[] },
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
