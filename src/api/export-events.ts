import type { Queryable } from '../db.ts'
import { describeError } from '../errors.ts'
import type { Log } from '../log.ts'
import { type EventFilter, type ListedEvent, readEvents } from '../store/events.ts'
import { csvLine } from './csv-line.ts'

/** Rows that are in memory at a time, of each export. */
const batch = 1000

/**
 * All events that the filter lets through, as the pages would show them, while they are read: the next batch is asked for when the
 * client has taken the one before. Between batches nothing is open in the database, so that a slow client costs nothing there, and
 * one that goes away is not read for any more.
 *
 * The first batch is read before this returns: what fails by then can still be answered with a problem. What fails later breaks
 * the transfer off, so that nobody takes a part for the whole.
 */
export async function exportEvents(
  db: Queryable,
  filter: EventFilter,
  options: {
    after: readonly string[] | undefined
    format: 'csv' | 'ndjson'
    columns: readonly string[]
    log: Log
  },
): Promise<ReadableStream<Uint8Array>> {
  const { after, format, columns, log } = options
  const encoder = new TextEncoder()
  const toLine =
    format === 'csv'
      ? (event: ListedEvent) => csvLine(columns.map((column) => (event as Record<string, unknown>)[column]))
      : (event: ListedEvent) => `${JSON.stringify(event)}\n`
  const batches = readEvents(db, filter, { after, limit: batch })

  let read: IteratorResult<ListedEvent[], void> | undefined = await batches.next()
  let head = format === 'csv' ? csvLine(columns) : ''
  return new ReadableStream(
    {
      pull: async (controller) => {
        try {
          const step = read ?? (await batches.next())
          read = undefined
          if (step.done === true) return controller.close()
          controller.enqueue(encoder.encode(head + step.value.map(toLine).join('')))
          head = ''
        } catch (error) {
          log.error({ error: describeError(error) }, 'an export was broken off')
          controller.error(error)
        }
      },
      cancel: async () => {
        await batches.return()
      },
    },
    // Nothing ahead of the client.
    { highWaterMark: 0 },
  )
}
