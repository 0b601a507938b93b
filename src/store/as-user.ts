import type { Database, Transaction } from '../db.ts'
import { query } from './query.ts'
import type { UserConnections } from './user-connections.ts'

const setUser = query<never>('manage/set-user')

/**
 * The database as one user may see it: every query, and every transaction that is begun, runs as the role `tocsin_api`, to which
 * Postgres shows what is of this user (or of everybody) and nothing else. It can do two things, `unsafe` and `begin`, which is
 * all that the store needs.
 *
 * @param reads where single queries that only read run: in a transaction, if there are none.
 */
export function asUser(db: Database, userId: string, reads?: UserConnections): Database {
  const begin = (...given: unknown[]): Promise<unknown> => {
    const work = given.at(-1) as (transaction: Transaction) => Promise<unknown>
    const options = given.length > 1 ? String(given[0]) : ''
    return db.begin(options, async (transaction) => {
      // Not waited for: what follows goes right behind it on the same connection, and fails if it has failed.
      const set = setUser(transaction, [userId]).then(
        () => undefined,
        (error: unknown) => ({ error }),
      )
      try {
        const result = await work(transaction)
        return await set.then((failed) => (failed === undefined ? result : Promise.reject(failed.error)))
      } catch (error) {
        // The first error says why.
        const failed = await set
        throw failed === undefined ? error : failed.error
      }
    })
  }
  const inTransaction = (...parameters: Parameters<Transaction['unsafe']>) =>
    begin((transaction: Transaction) => transaction.unsafe(...parameters))
  const unsafe = async (...parameters: Parameters<Transaction['unsafe']>) => {
    if (reads === undefined || !onlyReads(parameters[0])) return inTransaction(...parameters)
    try {
      return await reads.read(userId, ...parameters)
    } catch (error) {
      // A function that it calls writes: read_only_sql_transaction.
      if ((error as { code?: string } | undefined)?.code !== '25006') throw error
      verdicts.set(parameters[0], false)
      return inTransaction(...parameters)
    }
  }
  return { begin, unsafe } as unknown as Database
}

/** By text: there are as many as there are queries in the program. */
const verdicts = new Map<string, boolean>()

/** A guess; where it is wrong, Postgres refuses. */
function onlyReads(text: string): boolean {
  let verdict = verdicts.get(text)
  if (verdict === undefined) {
    const bare = text.replaceAll(/--.*$/gm, '')
    const writes = /\b(insert|update|delete|merge|set_config|pg_advisory\w*|nextval|for\s+(key\s+)?share)\b/i
    verdict = /^\s*(select|with)\b/i.test(bare) && !writes.test(bare)
    verdicts.set(text, verdict)
  }
  return verdict
}
