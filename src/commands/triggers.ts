import { loadConfig } from '../config.ts'
import { openDatabase } from '../db.ts'
import { UserError } from '../errors.ts'
import type { EventType } from '../event.ts'
import { fireTest } from '../fire-test.ts'
import { openInstallation } from '../installation.ts'
import { describeMissingMigrations } from '../migrate.ts'
import { formatTable } from './format-table.ts'
import { runUntilStopped } from './run-until-stopped.ts'

/** `tocsin triggers test`: runs the actions of a trigger, and shows how the first attempt at each went. */
export function testCommand(
  id: string,
  options: { event?: string; type?: EventType; action?: number[]; wait: number; json?: boolean },
): Promise<void> {
  return runUntilStopped(async (shutdown) => {
    const tell = (line: string) => process.stderr.write(`${line}\n`)
    const { databaseUrl } = await openInstallation(loadConfig(), shutdown, tell)
    const db = openDatabase(databaseUrl, { name: 'triggers', connectionsMax: 2 })
    shutdown.add(() => db.end())
    const missing = await describeMissingMigrations(db)
    if (missing !== undefined) throw new UserError(missing)

    const fired = await fireTest(db, id, {
      eventId: options.event,
      eventType: options.type,
      actionIds: options.action,
      waitMs: options.wait * 1000,
      signal: shutdown.signal,
    })
    if (fired === undefined) throw new UserError(`There is no trigger with the id ${JSON.stringify(id)}.`)
    if ('misfit' in fired) {
      const [key] = fired.misfit.path
      throw new UserError(`The test does not fit the trigger: ${key}: ${fired.misfit.message}.`)
    }
    const table = formatTable(
      ['DELIVERY', 'ACTION', 'STATE', 'ERROR'],
      fired.deliveries.map((row) => [
        row.id,
        `${row.action_type} ${row.action_id ?? ''}`,
        row.state,
        row.error_message ?? '',
      ]),
    )
    const late = fired.tried ? [] : ['Not every action was tried yet. Is the worker running?']
    process.stdout.write(
      options.json ? `${JSON.stringify(fired.deliveries)}\n` : `${[...table, ...late].join('\n')}\n`,
    )
    const failed = fired.deliveries.some(({ results }) => results.some(({ status }) => status !== 'success'))
    if (failed || !fired.tried) process.exitCode = 1
  })
}
