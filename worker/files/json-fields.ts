import { z } from 'zod'
import { PermanentError } from '../../src/errors.ts'
import { parseJsonFile } from './parse-json-file.ts'

/** The JSON object that a file holds. @throws PermanentError: `the <kind> is not JSON (it looks like HTML)`. */
export function parseJsonObject(bytes: Uint8Array, kind: string): Record<string, unknown> {
  const file = parseJsonFile(bytes)
  if ('problem' in file) throw new PermanentError(`the ${kind} ${file.problem}`)
  if (typeof file.value !== 'object' || file.value === null || Array.isArray(file.value)) {
    throw new PermanentError(`the ${kind} is JSON, but not an object`)
  }
  return file.value as Record<string, unknown>
}

/** A token id or another whole number, in JSON as a number or as text; inside as text, since it may have 78 digits. */
export const wholeNumber = numberLike(/^\d{1,78}$/)

/** As {@link wholeNumber}, also negative. */
export const signedNumber = numberLike(/^-?\d{1,78}$/)

export const textField = z.string({ error: 'expected a text' })

export const textList = z.array(textField, { error: 'expected a list of texts' })

/**
 * Reads an optional field: what does not fit its schema counts as missing and is told in `problems`, so that one slip far from
 * what matters does not make a whole file useless. `null` is how some writers say that there is nothing.
 */
export function optionalField<Output>(
  file: Record<string, unknown>,
  names: readonly string[],
  schema: z.ZodType<Output>,
  problems: string[],
): Output | undefined {
  // Own names only: a file has no field "constructor" that it does not have.
  const name = names.find(
    (candidate) =>
      Object.hasOwn(file, candidate) && file[candidate] !== null && file[candidate] !== undefined,
  )
  if (name === undefined) return undefined
  const parsed = schema.safeParse(file[name])
  if (parsed.success) return parsed.data
  problems.push(...describeIssues(name, parsed.error))
  return undefined
}

/** As {@link optionalField} for a list: entries that do not fit are left out, each with its problem. */
export function entriesOf<Output>(
  file: Record<string, unknown>,
  names: readonly string[],
  schema: z.ZodType<Output>,
  problems: string[],
): Output[] {
  const name = names.find((candidate) => Object.hasOwn(file, candidate) && file[candidate] !== null)
  const list = name === undefined ? [] : file[name]
  if (!Array.isArray(list)) {
    problems.push(`${name}: expected a list`)
    return []
  }
  return list.slice(0, entriesMax).flatMap((entry, index) => {
    const parsed = schema.safeParse(entry)
    if (parsed.success) return [parsed.data]
    problems.push(...describeIssues(`${name}[${index}]`, parsed.error))
    return []
  })
}

/** A number of JSON that is larger than a double keeps has lost digits by now: it must be text. */
function numberLike(pattern: RegExp) {
  return z
    .unknown()
    .refine(
      (value) => (typeof value === 'string' || Number.isSafeInteger(value)) && pattern.test(`${value}`),
      {
        error: 'expected a whole number',
      },
    )
    .transform((value) => BigInt(value as string | number).toString())
}

/** Far more services than any agent has, and chains than there are; what is kept of a file stays small. */
const entriesMax = 200

/** `services[2].endpoint: expected a text`, for the first few. */
function describeIssues(start: string, error: z.ZodError): string[] {
  return error.issues.slice(0, 3).map(({ path, message }) => {
    const steps = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('')
    return `${start}${steps}: ${message}`
  })
}
