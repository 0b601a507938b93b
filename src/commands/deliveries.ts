import { UserError } from '../errors.ts'
import { type Change, deadStates } from '../store/dead-letters.ts'
import type { DeliveryRow, ResultRow } from '../store/deliveries-read.ts'
import { explainCommand } from './explain.ts'
import { formatTable } from './format-table.ts'
import { formatTime, print } from './print.ts'
import { withDeliveries } from './with-deliveries.ts'

type Options = { api?: string; json?: boolean }
type Filter = { trigger?: string; destination?: string; since?: Date }

/** `tocsin deliveries list`: the newest first, as many as `limit` says. */
export function listCommand(
  options: Options & Filter & { state?: DeliveryRow['state']; limit: number; quiet?: boolean },
): Promise<void> {
  return withDeliveries(options, async (source) => {
    const { rows, more } = await source.list({ ...filterOf(options), state: options.state }, options.limit)
    if (options.quiet) {
      for (const { id } of rows) process.stdout.write(`${id}\n`)
      return
    }
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
    const note = more ? [`There are more. Narrow the list, or show more with --limit.`] : []
    print(options, rows, rows.length === 0 ? ['No deliveries.'] : [...table, ...note])
  })
}

/** `tocsin deliveries show`: one delivery with every attempt at it. */
export function showCommand(id: string, options: Options): Promise<void> {
  return withDeliveries(options, async (source) => {
    const delivery = await source.read(id)
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

/** `tocsin deliveries explain`: why there is a delivery, by what its trigger decides about its event. */
export async function explainDeliveryCommand(id: string, options: Options): Promise<void> {
  let about: { triggerId: string; eventId: string } | undefined
  await withDeliveries(options, async (source) => {
    const delivery = await source.read(id)
    if (delivery === undefined) throw unknownDelivery(id)
    const { kind, trigger_id, event_id } = delivery
    if (trigger_id === null) throw new UserError('The trigger of this delivery was deleted.')
    if (kind === 'test' || kind === 'alert') {
      throw new UserError(
        kind === 'test'
          ? 'This delivery is a test: somebody asked for it, and no condition was.'
          : 'This delivery is an alert about another action of its trigger: it is not of an event.',
      )
    }
    about = { triggerId: trigger_id, eventId: event_id }
  })
  if (about !== undefined) await explainCommand(about.triggerId, about.eventId, options)
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
  return withDeliveries(options, async (source) => {
    if (id !== undefined) {
      const row = changedOf(id, await source.retry(id))
      print(options, row, [`Delivery ${id} is due now. It has a whole new schedule of attempts.`])
      return
    }
    const retried = await source.retryAll(filter)
    print(options, { retried }, [
      retried === 0
        ? `Nothing to retry: no delivery that is ${deadStates.join(' or ')} fits.`
        : `${retried === 1 ? '1 delivery is' : `${retried} deliveries are`} due now.`,
    ])
  })
}

/** `tocsin deliveries cancel`. */
export function cancelCommand(id: string, options: Options): Promise<void> {
  return withDeliveries(options, async (source) => {
    const row = changedOf(id, await source.cancel(id))
    print(options, row, [`Delivery ${id} is cancelled.`])
  })
}

function filterOf({ trigger, destination, since }: Filter) {
  return { trigger_id: trigger, destination, since }
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
