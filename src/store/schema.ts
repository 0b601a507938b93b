import { query } from './query.ts'

/** One object of the schema: its kind, its name, and its definition as SQL. */
export type SchemaObject = {
  kind: 'function' | 'index' | 'table' | 'trigger' | 'view'
  name: string
  definition: string
}

/** Every object of the current schema that the migrations made, in a fixed order. */
export const describeSchema = query<SchemaObject>('manage/describe-schema')

/** How `events` is kept; no row before the first migration. */
export const readStorage = query<{ storage: 'hypertable' | 'partitions' }>('manage/read-storage')

export const readServer = query<{ version: string; timescaledb_available: boolean }>('manage/read-server')
