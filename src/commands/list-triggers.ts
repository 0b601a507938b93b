import { type ApiClient, answerOf } from '../client/client.ts'
import type { components } from '../client/schema.ts'

const pageSize = 500

/** All triggers of who asks, the newest first. */
export async function listTriggers(client: ApiClient): Promise<components['schemas']['Trigger'][]> {
  const triggers = []
  let cursor: string | null | undefined
  do {
    const query = { limit: pageSize, ...(cursor == null ? {} : { cursor }) }
    const page = await answerOf(client.GET('/v1/triggers', { params: { query } }))
    triggers.push(...page.data)
    cursor = page.next_cursor
  } while (cursor !== null)
  return triggers
}
