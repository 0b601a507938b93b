import fc from 'fast-check'
import { hostileValues } from './hostile.ts'

/** A change of one place of a JSON value: place `at` of all places, counted round and round. */
export type Mutation = { at: number; how: (typeof ways)[number]; value: unknown }

const ways = [
  'replace',
  'remove',
  'extra',
  'null',
  'empty',
  'wrap',
  'twice',
  'negate',
  'grow',
  'rename',
] as const

/** Values that are right somewhere, and mostly not here: wrong types, ids of something else, ids of somebody else. */
const near = fc.constantFrom<unknown>(
  ...[
    '',
    'a',
    0,
    1,
    -1,
    1.5,
    true,
    null,
    [],
    {},
    '1',
    'true',
    'latest',
    '1h',
    '2026-11-20',
    '31337',
    8453,
    31337,
  ],
  ...[
    '@kept',
    '@trigger',
    '@action',
    '@delivery',
    '@destination',
    '@key',
    '@event',
    '@bobs-trigger',
    '@bobs-delivery',
  ],
  ...[
    '@bobs-action',
    '@bobs-destination',
    '@bobs-key',
    '@bob',
    '@match',
    'https://x.example/',
    `0x${'AB'.repeat(20)}`,
  ],
)

export const nearMutations = fc.array(mutation(near), { minLength: 1, maxLength: 2 })
export const hostileMutations = fc.array(mutation(hostileValues), { minLength: 1, maxLength: 3 })

function mutation(value: fc.Arbitrary<unknown>): fc.Arbitrary<Mutation> {
  return fc.record({ at: fc.nat(1000), how: fc.constantFrom(...ways, 'replace', 'replace'), value })
}

/** The value with the changes; it is not touched itself. */
export function mutate(value: unknown, mutations: readonly Mutation[]): unknown {
  return mutations.reduce<unknown>((given, { at, how, value: other }) => {
    const root: Record<string, unknown> = { it: structuredClone(given) }
    const places: [parent: Record<string, unknown>, key: string][] = []
    collect(root, places)
    const [parent, key] = places[at % places.length] ?? [root, 'it']
    change(parent, key, how, other)
    return root.it
  }, value)
}

function collect(parent: Record<string, unknown>, places: [Record<string, unknown>, string][]): void {
  for (const [key, value] of Object.entries(parent)) {
    places.push([parent, key])
    if (typeof value === 'object' && value !== null) collect(value as Record<string, unknown>, places)
  }
}

function change(parent: Record<string, unknown>, key: string, how: Mutation['how'], other: unknown): void {
  const value = parent[key]
  if (how === 'remove' && Array.isArray(parent)) parent.splice(Number(key), 1)
  else if (how === 'remove' || (how === 'rename' && !Array.isArray(parent))) delete parent[key]
  else parent[key] = changed(value, how, other)
  if (how === 'rename' && !Array.isArray(parent)) parent[`${key}_`] = value
}

function changed(value: unknown, how: Mutation['how'], other: unknown): unknown {
  const isList = Array.isArray(value)
  switch (how) {
    case 'extra':
      if (isList) return [...value, other]
      return typeof value === 'object' ? { ...value, extra: other } : other
    case 'null':
      return null
    case 'empty':
      return isList ? [] : typeof value === 'object' ? {} : typeof value === 'number' ? 0 : ''
    case 'wrap':
      return [value]
    case 'twice':
      if (typeof value === 'string') return `${value}${value}`
      return isList ? [...value, ...value] : [value, value]
    case 'negate':
      return typeof value === 'number'
        ? -value
        : typeof value === 'boolean'
          ? !value
          : `-${JSON.stringify(value)}`
    case 'grow':
      if (typeof value === 'number') return value * 1e9 + 1
      return isList ? Array.from({ length: 60 }, () => value[0] ?? null) : 'x'.repeat(20_000)
    default:
      return other
  }
}
