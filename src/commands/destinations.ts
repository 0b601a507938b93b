import { UserError } from '../errors.ts'
import {
  type DestinationFilter,
  type DestinationRow,
  listDestinations,
  readDestination,
  resetDestination,
} from '../store/destinations.ts'
import { formatTable } from './format-table.ts'
import { formatTime, print } from './print.ts'
import { withDatabase } from './with-database.ts'

type Options = { json?: boolean }

const pageMax = 500

/** `tocsin destinations list`: the newest first, as many as `limit` says. */
export function listCommand(
  options: Options & { type?: DestinationRow['action_type']; breaker?: DestinationRow['breaker'] } & {
    disabled?: boolean
    limit: number
  },
): Promise<void> {
  return withDatabase('destinations', async (db) => {
    const { type: action_type, breaker, disabled } = options
    const filter: DestinationFilter = { action_type, breaker, disabled }
    const rows: DestinationRow[] = []
    let after: readonly string[] | undefined
    do {
      const limit = Math.min(options.limit - rows.length, pageMax)
      const page = await listDestinations(db, undefined, filter, { after, limit })
      rows.push(...page.rows)
      after = page.next
    } while (after !== undefined && rows.length < options.limit)

    const table = formatTable(
      ['DESTINATION', 'TYPE', 'STATE', 'ADDRESS', 'LAST ERROR'],
      rows.map((row) => [String(row.id), row.action_type, stateOf(row), row.address, row.last_error ?? '']),
    )
    const more = after === undefined ? [] : ['There are more. Narrow the list, or show more with --limit.']
    print(options, rows, rows.length === 0 ? ['No destinations.'] : [...table, ...more])
  })
}

/** `tocsin destinations show`. */
export function showCommand(id: number, options: Options): Promise<void> {
  return withDatabase('destinations', async (db) => {
    const row = await readDestination(db, undefined, id)
    if (row === undefined) throw unknownDestination(id)
    print(options, row, describe(row))
  })
}

/** `tocsin destinations reset`: its breaker closes, what was disabled is used again. */
export function resetCommand(id: number, options: Options): Promise<void> {
  return withDatabase('destinations', async (db) => {
    const row = await resetDestination(db, undefined, id)
    if (row === undefined) throw unknownDestination(id)
    print(options, row, [
      `Destination ${id} is used again. What waits for it is sent now; what has failed can be retried: tocsin deliveries retry`,
    ])
  })
}

function describe(row: DestinationRow): string[] {
  const [newest, ...older] = row.signing_secrets
  return formatTable(
    ['destination', String(row.id)],
    [
      ['address', row.address],
      ['type', row.action_type],
      ['state', stateOf(row)],
      ['failures in a row', String(row.failures)],
      ['last error', row.last_error ?? '–'],
      ...(row.probe_at === null ? [] : [['next try', formatTime(row.probe_at)]]),
      ...(row.disabled_reason === null ? [] : [['disabled because', row.disabled_reason]]),
      ['in flight at most', String(row.in_flight_max)],
      ['a second at most', row.per_second_max === null ? 'any number' : String(row.per_second_max)],
      ...(newest === undefined ? [] : [['signing secret made', formatTime(new Date(newest.created_at))]]),
      ...older.map(({ expires_at: end }) => [
        'older secret ends',
        end === null ? '–' : formatTime(new Date(end)),
      ]),
      ['made', formatTime(row.created_at)],
    ],
  )
}

function stateOf({ disabled_at, breaker }: DestinationRow): string {
  return disabled_at === null ? breaker : 'disabled'
}

function unknownDestination(id: number): UserError {
  return new UserError(`There is no destination with the id ${id}.`)
}
