import type { Database } from '../db.ts'
import { describeError } from '../errors.ts'
import { headerContext } from '../header-values.ts'
import { isSealed, keyIdOf, type SecretBox } from '../secret-box.ts'
import { idempotencyContext } from './idempotency-keys.ts'
import { mcpTokenContext } from './mcp-tokens.ts'
import { query } from './query.ts'
import { signingSecretContext } from './signing-secrets.ts'
import { tokenKeyContext } from './token-keys.ts'

type SealedRow = { key: string[]; texts: Record<string, string> }

type SealedPlace = {
  name: string
  table: string
  read: ReturnType<typeof query<SealedRow>>
  write: ReturnType<typeof query<{ key: string[] }>>
  /** What the text of this name in the row is sealed for. */
  contextOf(row: SealedRow, name: string): string
}

/** Every place that holds sealed texts. Whoever stores secrets somewhere else adds it here. */
const sealedPlaces: readonly SealedPlace[] = [
  place<{ user_id: string; url: string }>({
    name: 'headers',
    table: 'trigger_actions',
    contextOf: ({ user_id: userId, url }, name) => headerContext({ userId, url, name }),
  }),
  place<{ user_id: string; destination_id: number }>({
    name: 'signing-secrets',
    table: 'destination_secrets',
    contextOf: ({ user_id: userId, destination_id: destinationId }) =>
      signingSecretContext({ userId, destinationId }),
  }),
  place<{ user_id: string; chain_id: number; agent_id: string }>({
    name: 'mcp-tokens',
    table: 'agent_mcp_tokens',
    contextOf: ({ user_id, chain_id: chainId, agent_id: agentId }) =>
      mcpTokenContext(user_id, { chainId, agentId }),
  }),
  place<{ kid: string }>({
    name: 'token-keys',
    table: 'token_keys',
    contextOf: ({ kid }) => tokenKeyContext(kid),
  }),
  place<{ user_id: string; name: string }>({
    name: 'idempotency-keys',
    table: 'idempotency_keys',
    contextOf: ({ user_id: userId, name }) => idempotencyContext({ userId, key: name }),
  }),
]

/** What was found in one place. */
export type SecretReport = {
  place: string
  /** Encrypted with the newest key. */
  current: number
  /** Encrypted with another key. */
  older: number
  /** Not encrypted: stored before there was encryption, or by SQL. */
  plain: number
  /** How many of the older and plain ones are now encrypted with the newest key. */
  rewritten: number
  /** How many somebody else changed just then: the next rotation finds what is left. */
  missed: number
  /** Those that cannot be opened, by the reason. */
  failed: { reason: string; count: number }[]
}

/** Short transactions, and little memory. */
const batchMax = 500

const tableExists = query<{ is_there: boolean }>('manage/table-exists')

/** Opens every stored secret, to see whether that can be done. */
export function checkSecrets(db: Database, secrets: SecretBox, newestKeyId: string): Promise<SecretReport[]> {
  return goThrough(db, secrets, newestKeyId, { rewrites: false })
}

/** Encrypts every stored secret with the newest key, in batches. It can be ended at any time, and repeated. */
export function rotateSecrets(
  db: Database,
  secrets: SecretBox,
  newestKeyId: string,
  { batch = batchMax }: { batch?: number } = {},
): Promise<SecretReport[]> {
  return goThrough(db, secrets, newestKeyId, { rewrites: true, batch })
}

async function goThrough(
  db: Database,
  secrets: SecretBox,
  newestKeyId: string,
  { rewrites, batch = batchMax }: { rewrites: boolean; batch?: number },
): Promise<SecretReport[]> {
  const reports: SecretReport[] = []
  for (const place of sealedPlaces) {
    const [table] = await tableExists(db, [place.table])
    if (table?.is_there !== true) continue
    const report = { place: place.name, current: 0, older: 0, plain: 0, rewritten: 0, missed: 0 }
    const failed = new Map<string, number>()
    let after: readonly string[] | undefined
    do {
      const rows = await place.read(db, [after, batch])
      const changes = rows.map((row) => {
        const opened = Object.entries(row.texts).map(([name, text]) => {
          const kind = !isSealed(text) ? 'plain' : keyIdOf(text) === newestKeyId ? 'current' : 'older'
          report[kind] += 1
          try {
            const context = place.contextOf(row, name)
            const plain = kind === 'plain' ? text : secrets.open(text, context)
            return [name, kind === 'current' ? text : secrets.seal(plain, context)] as const
          } catch (error) {
            const reason = error instanceof Error ? error.message : describeError(error)
            failed.set(reason, (failed.get(reason) ?? 0) + 1)
            return [name, text] as const
          }
        })
        const count = opened.filter(([name, text]) => text !== row.texts[name]).length
        return { key: row.key, before: row.texts, after: Object.fromEntries(opened), count }
      })
      const changed = changes.filter(({ count }) => count > 0)
      if (rewrites && changed.length > 0) {
        const written = new Set((await place.write(db, [changed])).map(({ key }) => JSON.stringify(key)))
        for (const { key, count } of changed) {
          report[written.has(JSON.stringify(key)) ? 'rewritten' : 'missed'] += count
        }
      }
      after = rows.length < batch ? undefined : rows.at(-1)?.key
    } while (after !== undefined)
    reports.push({ ...report, failed: [...failed].map(([reason, count]) => ({ reason, count })) })
  }
  return reports
}

function place<Columns extends object>({
  name,
  table,
  contextOf,
}: {
  name: string
  table: string
  contextOf(row: SealedRow & Columns, name: string): string
}): SealedPlace {
  return {
    name,
    table,
    read: query<SealedRow>(`manage/read-sealed-${name}`),
    write: query<{ key: string[] }>(`manage/write-sealed-${name}`),
    // The query of this name has these columns.
    contextOf: (row, text) => contextOf(row as SealedRow & Columns, text),
  }
}
