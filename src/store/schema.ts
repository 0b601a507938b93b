import { query } from './query.ts'

/** One object of the schema: its kind, its name, and its definition as SQL. */
export type SchemaObject = {
  kind: 'function' | 'index' | 'table' | 'trigger' | 'view'
  name: string
  definition: string
}

/** Every object of the current schema that the migrations made, in a fixed order. */
export const describeSchema = query<SchemaObject>('manage/describe-schema')
