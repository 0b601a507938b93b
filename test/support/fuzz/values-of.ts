import fc from 'fast-check'

export type Schema = {
  $ref?: string
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  oneOf?: Schema[]
  anyOf?: Schema[]
  allOf?: Schema[]
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: boolean | Schema
  items?: Schema
  minItems?: number
  maxItems?: number
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  pattern?: string
  format?: string
}

/** What a schema cannot say: values that mean something, by the name of the schema (`#Login`) or of the property. */
export type Hints = Record<string, fc.Arbitrary<unknown>>

/** JSON that fits a schema of the description: the part of JSON Schema that ours uses. */
export function valuesOf(
  schema: Schema,
  { schemas, hints }: { schemas: Record<string, Schema>; hints: Hints },
  depth = 0,
): fc.Arbitrary<unknown> {
  const of = (inner: Schema) => valuesOf(inner, { schemas, hints }, depth + 1)
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split('/').at(-1) ?? ''
    const target = schemas[name]
    if (target === undefined) throw new Error(`${schema.$ref} leads nowhere`)
    return hints[`#${name}`] ?? of(target)
  }
  if ('const' in schema) return fc.constant(schema.const)
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  const choice = schema.oneOf ?? schema.anyOf
  if (choice !== undefined) return fc.oneof(...choice.map(of))
  if (schema.allOf !== undefined) {
    return fc.tuple(...schema.allOf.map(of)).map((parts) => Object.assign({}, ...(parts as object[])))
  }
  const types = [schema.type ?? []].flat()
  if (types.length === 0) return anyJson
  return fc.oneof(...types.map((type) => ofType(type, schema, of, hints, depth)))
}

const anyJson = fc.jsonValue({ maxDepth: 2 })

/** Half an object's optional properties would nearly always include one that does not go with another. */
const absent = 0.7

function ofType(
  type: string,
  schema: Schema,
  of: (inner: Schema) => fc.Arbitrary<unknown>,
  hints: Hints,
  depth: number,
): fc.Arbitrary<unknown> {
  if (type === 'null') return fc.constant(null)
  if (type === 'boolean') return fc.boolean()
  if (type === 'integer') {
    const min = schema.minimum ?? 0
    return integers(min, schema.maximum ?? Number.MAX_SAFE_INTEGER)
  }
  if (type === 'number') {
    return fc.double({ min: schema.minimum ?? 0, max: schema.maximum ?? 1e6, noNaN: true })
  }
  if (type === 'string') return strings(schema)
  if (type === 'array') {
    const { items = {}, minItems = 0, maxItems = 5 } = schema
    return fc.array(of(items), { minLength: minItems, maxLength: Math.max(minItems, Math.min(maxItems, 3)) })
  }
  if (type !== 'object') throw new Error(`The type ${type} is not known`)
  const { properties = {}, required = [], additionalProperties } = schema
  const named = Object.entries(properties).map(([name, inner]) => {
    const value = hints[name] ?? of(inner)
    const isNeeded = required.includes(name)
    return fc
      .tuple(isNeeded ? fc.constant(1) : fc.double({ min: 0, max: 1, noNaN: true }), value)
      .map(([weight, given]) => (weight > absent ? [[name, given] as const] : []))
  })
  const isOpen = typeof additionalProperties === 'object' && depth < 6
  const more = isOpen
    ? fc.array(fc.tuple(fc.string({ maxLength: 10 }), of(additionalProperties)), { maxLength: 2 })
    : fc.constant([])
  return fc
    .tuple(fc.tuple(...named), more)
    .map(([own, rest]) => Object.fromEntries([...rest, ...own.flat()] as [string, unknown][]))
}

/** The ends are where mistakes are. */
function integers(min: number, max: number): fc.Arbitrary<number> {
  return fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min, max: Math.min(max, min + 100) }) },
    { weight: 1, arbitrary: fc.constantFrom(min, max) },
  )
}

function strings({ pattern, format, minLength = 0, maxLength = 100 }: Schema): fc.Arbitrary<string> {
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern), { size: '-1' })
  if (format === 'uuid') return fc.uuid()
  if (format === 'date-time') {
    const date = { min: new Date('2025-01-01'), max: new Date('2027-01-01'), noInvalidDate: true }
    return fc.date(date).map((time) => time.toISOString())
  }
  const length = { minLength, maxLength: Math.max(minLength, Math.min(maxLength, 40)) }
  return fc.oneof(fc.string(length), fc.string({ ...length, unit: 'grapheme' }).filter(isWithin(length)))
}

function isWithin({ minLength, maxLength }: { minLength: number; maxLength: number }) {
  return (text: string) => text.length >= minLength && text.length <= maxLength
}
