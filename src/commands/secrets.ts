import { createSecretBox } from '../secret-box.ts'
import { loadSecretKeys } from '../secret-keys.ts'
import { rotateSecrets } from '../store/sealed-places.ts'
import { formatTable } from './format-table.ts'
import { print } from './print.ts'
import { withDatabase } from './with-database.ts'

/** `tocsin secrets rotate`: encrypts all that is stored with the newest key. Exit code 1 when something could not be opened. */
export function rotateCommand(options: { json?: boolean }): Promise<void> {
  return withDatabase('secrets', async (db, config) => {
    const keys = await loadSecretKeys(config)
    const [{ id }] = keys
    const reports = await rotateSecrets(db, createSecretBox(keys), id)
    const table = formatTable(
      ['SECRETS', 'STORED', 'ENCRYPTED ANEW', 'FAILED'],
      reports.map((report) => [
        report.place,
        String(report.current + report.older + report.plain),
        String(report.rewritten),
        String(sum(report.failed.map(({ count }) => count))),
      ]),
    )
    const left = sum(reports.map(({ missed }) => missed))
    const failures = reports.flatMap(({ place, failed }) =>
      failed.map(({ reason, count }) => `${place}: ${count} could not be opened. ${reason}.`),
    )
    const end =
      left > 0
        ? `${left} were changed meanwhile: run it again.`
        : failures.length > 0
          ? ''
          : `Everything is encrypted with the key ${id}. Once every role has been started with it, older keys can go.`
    const lines = [...table, ...failures, ...(end === '' ? [] : [end])]
    print(
      options,
      { key_id: id, rewritten: sum(reports.map(({ rewritten }) => rewritten)), places: reports },
      lines,
    )
    if (left > 0 || failures.length > 0) process.exitCode = 1
  })
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
