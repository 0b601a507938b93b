import { answerOf } from '../client/client.ts'
import { type AuditRow, listAudit } from '../store/audit.ts'
import { formatTable } from './format-table.ts'
import { formatTime, print } from './print.ts'
import { namesApi, withApi } from './with-api.ts'
import { withDatabase } from './with-database.ts'

type Options = {
  api?: string
  json?: boolean
  limit: number
  actor?: string
  action?: string
  target?: string
  since?: Date
}

const pageMax = 500

/** `tocsin audit`: what was changed, the newest first. On the host everything; of an API that is named what is of the caller. */
export function auditCommand(options: Options): Promise<void> {
  const { limit, actor, action, target: target_id, since: from } = options
  const filter = { actor, action, target_id, from }
  const show = ({ rows, more }: { rows: AuditRow[]; more: boolean }) => {
    const table = formatTable(
      ['WHEN', 'WHO', 'ACTION', 'TARGET', 'FROM', 'REASON'],
      rows.map((row) => [
        formatTime(new Date(row.at)),
        row.actor_name ?? row.actor_user_id ?? row.actor_kind,
        row.action,
        row.target_id ?? '',
        row.address ?? '',
        row.reason ?? '',
      ]),
    )
    const note = more ? ['There are more. Narrow the list, or show more with --limit.'] : []
    print(options, rows, rows.length === 0 ? ['Nothing was changed.'] : [...table, ...note])
  }
  if (!namesApi(options)) {
    return withDatabase('audit', async (db) => {
      show(
        await readAll<readonly string[]>(limit, (after, size) =>
          listAudit(db, {}, filter, { after, limit: size }),
        ),
      )
    })
  }
  return withApi(options, async (client) => {
    const asked = Object.entries({ actor, action, target_id, from: from?.toISOString() })
    const given = Object.fromEntries(asked.filter(([, value]) => value !== undefined))
    const readPage = async (after: string | undefined, size: number) => {
      const query = { ...given, limit: size, ...(after === undefined ? {} : { cursor: after }) }
      const page = await answerOf(client.GET('/v1/audit', { params: { query } }))
      // Its times are texts.
      return { rows: page.data as unknown as AuditRow[], next: page.next_cursor ?? undefined }
    }
    show(await readAll(limit, readPage))
  })
}

async function readAll<After>(
  limit: number,
  readPage: (
    after: After | undefined,
    size: number,
  ) => Promise<{ rows: AuditRow[]; next: After | undefined }>,
): Promise<{ rows: AuditRow[]; more: boolean }> {
  const rows: AuditRow[] = []
  let after: After | undefined
  do {
    const page = await readPage(after, Math.min(limit - rows.length, pageMax))
    rows.push(...page.rows)
    after = page.next
  } while (after !== undefined && rows.length < limit)
  return { rows, more: after !== undefined }
}
