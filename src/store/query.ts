import { readFileSync } from 'node:fs'
import type { ParameterOrJSON } from 'postgres'
import type { Queryable } from '../db.ts'

export type Parameter = ParameterOrJSON<never> | readonly unknown[] | object | undefined

/**
 * The query in `sql/<name>.sql`, as a function of its parameters ($1, $2, ...). The file is read once, at the first call.
 * Arrays go to array types and objects to `jsonb`, by the type that Postgres gives the parameter; big integers go as strings.
 *
 * @param options.prepare `false`: planned anew for the values of each call, for queries whose best plan depends on them.
 */
export function query<Row>(
  name: string,
  { prepare = true }: { prepare?: boolean } = {},
): (db: Queryable, parameters?: readonly Parameter[]) => Promise<Row[]> {
  let text: string | undefined
  return async (db, parameters = []) => {
    text ??= readFileSync(new URL(`../../sql/${name}.sql`, import.meta.url), 'utf8')
    const values = parameters.map((value) => (value === undefined ? null : value)) as ParameterOrJSON<never>[]
    return (await db.unsafe(text, values, { prepare })) as unknown as Row[]
  }
}
