import { z } from 'zod'
import { UserError } from '../errors.ts'
import {
  type Change,
  cancelDelivery,
  deadStates,
  retryDeliveries,
  retryDelivery,
} from '../store/dead-letters.ts'
import { type DeliveryRow, listDeliveries, type ResultRow, readDelivery } from '../store/deliveries-read.ts'
import { formatTable } from './format-table.ts'
import { formatTime, print } from './print.ts'
import { withDatabase } from './with-database.ts'

type Options = { json?: boolean }
type Filter = { trigger?: string; destination?: string; since?: Date }

const pageMax = 500

/** `tocsin deliveries list`: the newest first, as many as `limit` says. */
export function listCommand(
  options: Options & Filter & { state?: DeliveryRow['state']; limit: number },
): Promise<void> {
  return withDatabase('deliveries', async (db) => {
    const filter = { ...filterOf(options), state: options.state }
    const rows: DeliveryRow[] = []
    let after: readonly string[] | undefined
    do {
      const limit = Math.min(options.limit - rows.length, pageMax)
      const page = await listDeliveries(db, filter, { after, limit })
      rows.push(...page.rows)
      after = page.next
    } while (after !== undefined && rows.length < options.limit)

    const table = formatTable(
      ['DELIVERY', 'STATE', 'ATTEMPTS', 'ENDED, OR DUE', 'DESTINATION', 'ERROR'],
      rows.map((row) => [
        row.id,
        row.state,
        String(row.attempts),
        whenOf(row),
        row.destination ?? '–',
        row.error_message ?? '',
      ]),
    )
    const more = after === undefined ? [] : [`There are more. Narrow the list, or show more with --limit.`]
    print(options, rows, rows.length === 0 ? ['No deliveries.'] : [...table, ...more])
  })
}

/** `tocsin deliveries show`: one delivery with every attempt at it. */
export function showCommand(id: string, options: Options): Promise<void> {
  return withDatabase('deliveries', async (db) => {
    const delivery = isId(id) ? await readDelivery(db, id) : undefined
    if (delivery === undefined) throw unknownDelivery(id)
    const { results, ...row } = delivery
    const facts = formatTable(
      ['delivery', row.id],
      [
        ['state', row.state],
        ['error', row.error_message ?? '–'],
        ['action', `${row.action_type} ${row.action_id ?? '(deleted)'} to ${row.destination ?? '–'}`],
        ['trigger', row.trigger_id ?? '(deleted)'],
        ['event', row.event_id],
        ['made', formatTime(row.created_at)],
        [row.finished_at === null ? 'due' : 'ended', whenOf(row)],
      ],
    )
    const attempts = formatTable(
      ['ATTEMPT', 'AT', 'TOOK', 'STATUS', 'HTTP', 'ERROR'],
      results.map((result) => [
        String(result.retry_count + 1),
        formatTime(result.executed_at),
        `${result.duration_ms} ms`,
        result.status,
        httpStatusOf(result),
        result.error_message ?? '',
      ]),
    )
    print(options, delivery, [...facts, '', ...(results.length === 0 ? ['No attempts yet.'] : attempts)])
  })
}

/** `tocsin deliveries retry`: one delivery by its id, or all of the dead-letter list that fit at least one filter. */
export function retryCommand(
  id: string | undefined,
  options: Options & Filter & { state?: (typeof deadStates)[number] },
): Promise<void> {
  const filter = { ...filterOf(options), state: options.state }
  const isNarrowed = Object.values(filter).some((value) => value !== undefined)
  if ((id !== undefined) === isNarrowed) {
    throw new UserError(
      'Name either one delivery by its id, or at least one of --since, --trigger, --destination and --state to retry all that fit.',
    )
  }
  return withDatabase('deliveries', async (db) => {
    if (id !== undefined) {
      const row = changedOf(id, isId(id) ? await retryDelivery(db, id) : undefined)
      print(options, row, [`Delivery ${id} is due now. It has a whole new schedule of attempts.`])
      return
    }
    const retried = await retryDeliveries(db, filter)
    print(options, { retried }, [
      retried === 0
        ? `Nothing to retry: no delivery that is ${deadStates.join(' or ')} fits.`
        : `${retried === 1 ? '1 delivery is' : `${retried} deliveries are`} due now.`,
    ])
  })
}

/** `tocsin deliveries cancel`. */
export function cancelCommand(id: string, options: Options): Promise<void> {
  return withDatabase('deliveries', async (db) => {
    const row = changedOf(id, isId(id) ? await cancelDelivery(db, id) : undefined)
    print(options, row, [`Delivery ${id} is cancelled.`])
  })
}

function filterOf({ trigger, destination, since }: Filter) {
  return { trigger_id: trigger, destination, since }
}

function isId(text: string): boolean {
  return z.guid().safeParse(text).success
}

function unknownDelivery(id: string): UserError {
  return new UserError(`There is no delivery with the id ${JSON.stringify(id)}.`)
}

function changedOf(id: string, change: Change | undefined): DeliveryRow {
  if (change === undefined) throw unknownDelivery(id)
  if ('refused' in change) throw new UserError(change.refused)
  return change.changed
}

function httpStatusOf({ response_data }: ResultRow): string {
  const { status } = (response_data ?? {}) as { status?: unknown }
  return typeof status === 'number' ? String(status) : '–'
}

/** When it ended, or will be due. */
function whenOf({ finished_at, due_at, waits_on, waits_for }: DeliveryRow): string {
  const time = finished_at ?? due_at
  if (time !== null) return formatTime(time)
  return `${waits_on === 'finalized' ? 'when final: ' : 'at '}block ${waits_for}`
}
