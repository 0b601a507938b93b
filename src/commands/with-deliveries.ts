import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { ApiError } from '../client/api-error.ts'
import { type ApiClient, answerOf } from '../client/client.ts'
import type { components } from '../client/schema.ts'
import type { Database } from '../db.ts'
import {
  type Change,
  cancelDelivery,
  type DeadLetterFilter,
  retryDeliveries,
  retryDelivery,
} from '../store/dead-letters.ts'
import {
  type DeliveryFilter,
  type DeliveryRow,
  listDeliveries,
  type ResultRow,
  readDelivery,
} from '../store/deliveries-read.ts'
import { namesApi, withApi } from './with-api.ts'
import { withDatabase } from './with-database.ts'

/** Deliveries: all of an installation, by its database, or those of one user, by the API. */
export type DeliverySource = {
  /** The newest first, as many as there are up to `limit`. */
  list(filter: DeliveryFilter, limit: number): Promise<{ rows: DeliveryRow[]; more: boolean }>
  read(id: string): Promise<(DeliveryRow & { results: ResultRow[] }) | undefined>
  retry(id: string): Promise<Change | undefined>
  cancel(id: string): Promise<Change | undefined>
  retryAll(filter: DeadLetterFilter): Promise<number>
}

const pageMax = 500

/** Runs a command on the deliveries of the API that was named, or else on those of this installation. */
export function withDeliveries(
  options: { api?: string | undefined },
  run: (source: DeliverySource) => Promise<void>,
): Promise<void> {
  return namesApi(options)
    ? withApi(options, (client) => run(deliveriesOfApi(client)))
    : withDatabase('deliveries', (db) => run(deliveriesOfDatabase(db)))
}

function deliveriesOfDatabase(db: Database): DeliverySource {
  const ifId = <Value>(id: string, ask: () => Promise<Value>) =>
    z.guid().safeParse(id).success ? ask() : Promise.resolve(undefined)
  return {
    list: async (filter, limit) => {
      const rows: DeliveryRow[] = []
      let after: readonly string[] | undefined
      do {
        const page = await listDeliveries(db, filter, {
          after,
          limit: Math.min(limit - rows.length, pageMax),
        })
        rows.push(...page.rows)
        after = page.next
      } while (after !== undefined && rows.length < limit)
      return { rows, more: after !== undefined }
    },
    read: (id) => ifId(id, () => readDelivery(db, id)),
    retry: (id) => ifId(id, () => retryDelivery(db, id)),
    cancel: (id) => ifId(id, () => cancelDelivery(db, id)),
    retryAll: (filter) => retryDeliveries(db, filter),
  }
}

function deliveriesOfApi(client: ApiClient): DeliverySource {
  const at = (id: string) => ({ params: { path: { id } } })
  return {
    list: async ({ since, trigger_id, state, destination }, limit) => {
      const rows: DeliveryRow[] = []
      let cursor: string | null | undefined
      do {
        const query = {
          ...given({ trigger_id, state, destination, since: since?.toISOString() }),
          ...(cursor == null ? {} : { cursor }),
          limit: Math.min(limit - rows.length, pageMax),
        }
        const page = await answerOf(client.GET('/v1/deliveries', { params: { query } }))
        rows.push(...page.data.map(toRow))
        cursor = page.next_cursor
      } while (cursor !== null && rows.length < limit)
      return { rows, more: cursor !== null }
    },
    read: (id) =>
      unlessRefused(async () => {
        const { results, ...row } = await answerOf(client.GET('/v1/deliveries/{id}', at(id)))
        return { ...toRow(row), results: results.map(toResult) }
      }),
    retry: (id) => change(client.POST('/v1/deliveries/{id}/retry', at(id))),
    cancel: (id) => change(client.POST('/v1/deliveries/{id}/cancel', at(id))),
    retryAll: async ({ since, trigger_id, state, destination }) => {
      const body = given({ trigger_id, state, destination, since: since?.toISOString() })
      const headers = { 'idempotency-key': randomUUID() }
      return (await answerOf(client.POST('/v1/deliveries/retry', { body, headers }))).retried
    },
  }
}

type Shown = components['schemas']['Delivery']

function toRow(row: Shown): DeliveryRow {
  const time = (text: string | null) => (text === null ? null : new Date(text))
  return {
    ...row,
    block_time: new Date(row.block_time),
    due_at: time(row.due_at),
    enqueued_at: time(row.enqueued_at),
    started_at: time(row.started_at),
    finished_at: time(row.finished_at),
    created_at: new Date(row.created_at),
    updated_at: new Date(row.updated_at),
  }
}

function toResult(result: components['schemas']['Result']): ResultRow {
  return { ...result, response_data: result.response_data, executed_at: new Date(result.executed_at) }
}

async function change(call: Parameters<typeof answerOf<Shown>>[0]): Promise<Change | undefined> {
  try {
    return await unlessRefused(async () => ({ changed: toRow(await answerOf(call)) }))
  } catch (error) {
    if (error instanceof ApiError && error.status === 409) return { refused: error.problem.detail }
    throw error
  }
}

async function unlessRefused<Value>(ask: () => Promise<Value>): Promise<Value | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined
    throw error
  }
}

function given<Values extends object>(values: Values) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [Key in keyof Values]?: Exclude<Values[Key], undefined>
  }
}
