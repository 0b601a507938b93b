import { createRoute, z } from '@hono/zod-openapi'
import type { ApiApp } from './app.ts'
import { anybody, problemResponses, resourceResponse } from './describe.ts'
import { notFound } from './problem.ts'
import { problemTypes } from './problem-types.ts'

const typeSchema = z.object({ type: z.string(), title: z.string(), status: z.int(), text: z.string() })

/** What the `type` of a problem leads to. */
export function addProblems(app: ApiApp): void {
  app.openAPIRegistry.register('ProblemType', typeSchema)
  app.openapi(
    createRoute({
      tags: ['problems'],
      security: anybody,
      method: 'get',
      path: '/problems/{name}',
      summary: 'What a type of problem means, and what one does about it',
      request: { params: z.object({ name: z.string() }) },
      responses: { 200: resourceResponse('ProblemType', 'The type'), ...problemResponses },
    }),
    (c) => {
      const { name } = c.req.valid('param')
      const found = Object.entries(problemTypes).find(([known]) => known === name)
      if (found === undefined) throw notFound('type of problem', name)
      const { title, status, text } = found[1]
      return c.json({ type: `/problems/${name}`, title, status, text }, 200)
    },
  )
}
