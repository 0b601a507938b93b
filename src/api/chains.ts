import { createRoute, z } from '@hono/zod-openapi'
import { chainStates, describeProgress } from '../chain-progress.ts'
import { readChainProgress } from '../store/chains.ts'
import type { ApiApp, ApiContext } from './app.ts'
import { needs, problemResponses, resourceResponse } from './describe.ts'

const number = z.number().nullable()
const chainsSchema = z.object({
  data: z.array(
    z.object({
      chain_id: z.int(),
      name: z.string(),
      state: z.enum(chainStates).openapi({
        description:
          'backfilling: history is read. live: new blocks are followed. stuck: blocks come and are not indexed. silent: no word of the chain for 30 seconds',
      }),
      start_block: number,
      head_block: number.openapi({ description: 'The newest block by its endpoint' }),
      head_time: z.iso.datetime().nullable(),
      last_block: number.openapi({ description: 'Up to here everything is in events' }),
      finalized_block: number,
      matched_block: number.openapi({ description: 'How far triggers have been asked' }),
      percent: number,
      blocks_per_second: number.openapi({ description: 'Over the last minute' }),
      seconds_left: number.openapi({ description: 'While it is backfilling, at that speed' }),
      lag_blocks: number,
      lag_seconds: number.openapi({ description: 'By the times of the blocks' }),
      alerts: z.array(z.string()).openapi({ description: 'The kinds of its open alerts' }),
    }),
  ),
})

export function addChains(app: ApiApp, { db }: ApiContext): void {
  app.openAPIRegistry.register('Chains', chainsSchema)
  app.openapi(
    createRoute({
      tags: ['chains'],
      security: needs('events:read'),
      method: 'get',
      path: '/v1/chains',
      summary: 'Show how far each chain has been indexed',
      responses: { 200: resourceResponse('Chains', 'All chains, by their ids'), ...problemResponses },
    }),
    async (c) => c.json({ data: (await readChainProgress(db)).map(describeProgress) }, 200),
  )
}
