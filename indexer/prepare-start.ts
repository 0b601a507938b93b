import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../src/db.ts'
import { UserError } from '../src/errors.ts'
import type { Log } from '../src/log.ts'
import { preparePonderStart } from '../src/store/ingest.ts'

/** A killed Ponder's sessions are gone in moments, an orphaned one ends in seconds, and the server notices a lost machine late. */
const patienceMs = 30_000

/**
 * Brings what the last Ponder left in its schema into a state in which the next one loses nothing. Before every start.
 *
 * @throws UserError when another indexer works in the schema and does not stop.
 */
export async function prepareStart(options: {
  db: Database
  schema: string
  log: Log
  signal: AbortSignal
}): Promise<void> {
  const { db, schema, log, signal } = options
  const deadline = Date.now() + patienceMs
  for (;;) {
    const [row] = await db.begin((tx) => preparePonderStart(tx, [schema]))
    if (row?.found === 'rebuilt') {
      log.warn({ schema }, "Ponder's tables were without our triggers; they are made again from its cache")
    }
    if (row?.found !== 'in use') return
    if (Date.now() > deadline) {
      throw new UserError(
        `Another indexer with the same chains works on this database (schema ${schema}). Stop it, or let this one have a database of its own.`,
      )
    }
    await delay(250, undefined, { signal })
  }
}
