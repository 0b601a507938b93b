import type { Tool } from '@modelcontextprotocol/sdk/types.js'
import type { ToolEntry } from './tools.ts'

type Schema = Record<string, unknown>

/** As much of the API's own description as tools need. */
export type ApiDescription = {
  paths?: Record<string, Record<string, unknown>>
  components?: { schemas?: Record<string, unknown> }
}

type Operation = {
  summary?: string
  description?: string
  security?: { bearer?: string[] }[]
  parameters?: { name: string; in: string; required?: boolean; schema?: Schema; description?: string }[]
  requestBody?: { required?: boolean; content?: Record<string, { schema?: Schema }> }
}

/** Where an argument goes in the request. `whole`: it is the body. */
export type Place = { in: 'path' | 'query' | 'header' | 'body' | 'whole'; name: string }

export type DescribedTool = {
  entry: ToolEntry
  /** As tools/list shows it. */
  tool: Tool
  /** What a credential has to have for it. */
  scopes: readonly string[]
  places: ReadonlyMap<string, Place>
}

/** More would not fit into what a model reads at once. */
const pageMax = 100

/**
 * Makes tools of routes: arguments are the route's own parameters and the fields of its body.
 *
 * @throws Error when the description has no such route.
 */
export function describeTools(entries: readonly ToolEntry[], description: ApiDescription): DescribedTool[] {
  return entries.map((entry) => describeTool(entry, description))
}

function describeTool(entry: ToolEntry, description: ApiDescription): DescribedTool {
  const operation = description.paths?.[entry.path]?.[entry.method] as Operation | undefined
  if (operation === undefined) throw new Error(`There is no route ${entry.method} ${entry.path}`)
  const properties: Record<string, Schema> = {}
  const required: string[] = []
  const places = new Map<string, Place>()
  const add = (argument: string, place: Place, schema: Schema, isRequired: boolean) => {
    if (entry.omit?.includes(argument)) return
    if (places.has(argument)) throw new Error(`${entry.name} would have two arguments ${argument}`)
    places.set(argument, place)
    properties[argument] = adapt(argument, schema, entry)
    if (isRequired) required.push(argument)
  }

  for (const parameter of operation.parameters ?? []) {
    // Who calls a tool wants to see what is there, also if it is as before.
    if (parameter.name === 'If-None-Match') continue
    if (parameter.in !== 'path' && parameter.in !== 'query' && parameter.in !== 'header') continue
    const argument = parameter.in === 'header' ? toArgument(parameter.name) : parameter.name
    const schema = { ...resolve(parameter.schema ?? {}, description) }
    if (parameter.description !== undefined) schema.description = parameter.description
    add(argument, { in: parameter.in, name: parameter.name }, schema, parameter.required === true)
  }

  const body = operation.requestBody?.content?.['application/json']?.schema
  if (body !== undefined) {
    const schema = resolve(body, description)
    const isRequired = operation.requestBody?.required === true
    if (entry.bodyAs !== undefined) {
      add(entry.bodyAs, { in: 'whole', name: entry.bodyAs }, schema, isRequired)
    } else {
      const needed = Array.isArray(schema.required) ? schema.required : []
      for (const [name, property] of Object.entries((schema.properties ?? {}) as Record<string, Schema>)) {
        add(name, { in: 'body', name }, property, needed.includes(name))
      }
    }
  }

  return {
    entry,
    places,
    scopes: operation.security?.[0]?.bearer ?? [],
    tool: {
      name: entry.name,
      description: [operation.summary, entry.hint].filter((text) => text !== undefined).join('. '),
      inputSchema: { type: 'object', properties, required, additionalProperties: false },
      annotations: entry.annotations,
    },
  }
}

/** `If-Match` is asked for as `if_match`. */
function toArgument(header: string): string {
  return header.toLowerCase().replaceAll('-', '_')
}

/** With the tool's own default, and with pages that are small enough. */
function adapt(argument: string, schema: Schema, { defaults, method }: ToolEntry): Schema {
  const own = defaults?.[argument]
  if (own === undefined) return schema
  const isPage = method === 'get' && argument === 'limit'
  return { ...schema, ...(isPage ? { maximum: pageMax } : {}), default: own }
}

/** With what it refers to in its place: not every client follows references. */
function resolve(schema: Schema, description: ApiDescription, within: readonly string[] = []): Schema {
  return replace(schema) as Schema

  function replace(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(replace)
    if (typeof value !== 'object' || value === null) return value
    const { $ref: reference, ...rest } = value as Schema
    const entries = Object.entries(rest).map(([key, part]) => [key, replace(part)] as const)
    const own = Object.fromEntries(entries)
    if (typeof reference !== 'string') return own
    const name = reference.replace('#/components/schemas/', '')
    const target = description.components?.schemas?.[name]
    // One that holds itself is anything, at that depth.
    if (target === undefined || within.includes(name)) return own
    return { ...resolve(target as Schema, description, [...within, name]), ...own }
  }
}
