import { isDeepStrictEqual } from 'node:util'
import type { TriggerDocument } from '../trigger-document.ts'
import { readDocument } from './read-document.ts'

type Json = Record<string, unknown>

/**
 * A document without what would be filled in anyway, as a person would have written it. Two documents that mean the same give the
 * same one.
 */
export function compactDocument(document: TriggerDocument): Json {
  const chains = [{ id: document.chain_id }]
  const meaning = (candidate: unknown) => {
    const parsed = readDocument(candidate, chains)
    return 'ok' in parsed ? parsed.ok : undefined
  }
  const whole = JSON.parse(JSON.stringify(document)) as Json
  const wanted = meaning(whole)
  if (wanted === undefined) return whole

  /** Takes away each key that makes no difference. */
  const thin = (object: Json) => {
    for (const key of Object.keys(object)) {
      const value = object[key]
      delete object[key]
      if (!isDeepStrictEqual(meaning(whole), wanted)) object[key] = value
    }
    return object
  }
  const { name, description, chain_id, registry, conditions, actions, ...options } = whole
  for (const condition of conditions as { config?: Json }[]) {
    if (condition.config !== undefined) thin(condition.config)
    thin(condition)
  }
  for (const limit of [options.cooldown, options.max_fires]) if (isObject(limit)) thin(limit)
  for (const action of actions as { config: Json }[]) {
    thin(action.config)
    thin(action)
  }
  for (const key of Object.keys(options)) {
    const value = whole[key]
    delete whole[key]
    if (!isDeepStrictEqual(meaning(whole), wanted)) whole[key] = value
  }
  return {
    name,
    ...(description === undefined ? {} : { description }),
    chain_id,
    registry,
    ...Object.fromEntries(Object.keys(options).flatMap((key) => (key in whole ? [[key, whole[key]]] : []))),
    conditions: conditions as Json[],
    actions: actions as Json[],
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null
}
