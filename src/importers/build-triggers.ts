import { type Chain, registryAt } from '../chains.ts'
import { registryOf } from '../event.ts'
import { formatPath } from '../trigger-document.ts'
import { compactDocument } from '../trigger-files/compact-document.ts'
import { readDocument } from '../trigger-files/read-document.ts'
import { registrySignatures } from './registry-signatures.ts'
import { translateExpression } from './translate-expression.ts'

/** What has no meaning here, where it stands, and why. */
export type Skipped = { path: string; reason: string }
export type Imported = { triggers: object[]; skipped: Skipped[] }

/** What a configuration of another program watches, in its words. */
export type Watch = {
  path: string
  name: string
  enabled: boolean
  chains: readonly Chain[]
  addresses: readonly { path: string; address: string }[]
  events: readonly { path: string; signature: string; expression: string | undefined }[]
  /** Actions as a trigger document has them. */
  actions: readonly object[]
  /** Conditions after all others. */
  conditions: readonly object[]
  options: object
}

/** Makes trigger documents of a watch: one for each chain, registry and event that it is about. */
export function buildTriggers(watch: Watch): Imported {
  const { path, name, enabled, chains, addresses, events, actions, options } = watch
  const skipped: Skipped[] = []
  const skip = (at: string, reason: string) => {
    skipped.push({ path: at, reason })
  }
  if (events.length === 0) skip(path, 'it watches no event, and triggers are about events')
  if (actions.length === 0)
    skip(path, 'none of its notifications has a meaning here, and a trigger needs an action')
  if (skipped.length > 0) return { triggers: [], skipped }

  const places = chains.flatMap((chain) =>
    addresses.flatMap(({ path: at, address }) => {
      const registry = registryAt(chain.id, address)
      if (registry === undefined) skip(at, `${address} is no ERC-8004 registry on ${chain.name}`)
      return registry === undefined ? [] : [{ chain, registry }]
    }),
  )
  const triggers: { name: string; document: object }[] = []
  for (const { path: at, signature, expression } of events) {
    const found = registrySignatures[signature.replaceAll(/\s+/g, '')]
    if (found === undefined) {
      skip(at, `${signature} is no event of the ERC-8004 registries`)
      continue
    }
    const fitting = places.filter(({ registry }) => registry === registryOf(found.type))
    if (fitting.length === 0 && places.length > 0) {
      skip(
        at,
        `${found.type} comes of the ${registryOf(found.type)} registry, which is not among the addresses`,
      )
    }
    const translated =
      expression === undefined || expression.trim() === ''
        ? { conditions: [] }
        : translateExpression(expression, found)
    if ('reason' in translated) {
      skip(at, `${translated.reason}. Without it the trigger would fire for more`)
      continue
    }
    for (const { chain, registry } of fitting) {
      const document = {
        name: [
          name,
          ...(events.length > 1 ? [found.type] : []),
          ...(chains.length > 1 ? [chain.name] : []),
        ].join(' · '),
        chain_id: chain.id,
        registry,
        enabled,
        ...options,
        conditions: [
          { condition_type: 'event_type_equals', value: found.type },
          ...translated.conditions,
          ...watch.conditions,
        ],
        actions,
      }
      const parsed = readDocument(document, [chain])
      if ('ok' in parsed) triggers.push({ name: document.name, document: compactDocument(parsed.ok) })
      else {
        const problems = parsed.problems.map((problem) => `${formatPath(problem.path)}: ${problem.message}`)
        skip(at, `what it comes to is no valid trigger: ${problems.join('; ')}`)
      }
    }
  }
  return { triggers: triggers.map(({ document }) => document), skipped }
}

/** An object of a file from elsewhere. */
export type Json = Record<string, unknown>

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : value === undefined || value === null ? [] : [value]
}

/** A text that is there. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value : undefined
}
