import { isDeepStrictEqual } from 'node:util'
import { hiddenValue } from '../header-values.ts'
import type { TriggerDocument } from '../trigger-document.ts'
import type { FileProblem, FileTrigger, Place } from './parse-trigger-file.ts'
import { readDocument } from './read-document.ts'

/** A trigger as the API shows it. */
export type StoredTrigger = { id: string; name: string; version: number }

export type Change =
  | { action: 'create'; name: string; place: Place; document: TriggerDocument }
  | {
      action: 'change'
      id: string
      name: string
      version: number
      place: Place
      before: TriggerDocument
      document: TriggerDocument
    }
  | { action: 'unchanged'; id: string; name: string; place: Place; unknownSecrets: number }
  | { action: 'delete'; id: string; name: string; version: number; before: TriggerDocument }

/** Keys of a stored trigger that are not of its document. */
const shownOnly = [
  ...['id', 'version', 'generation', 'is_stateful', 'paused_at', 'paused_reason', 'active_since'],
  ...['created_at', 'updated_at'],
]
const shownOnlyOfActions = ['id', 'destination_id', 'signing_secret']

/**
 * What has to be done so that the stored triggers are those of the files. A trigger of a file is the stored one with its id or, where
 * it gives none, with its name.
 *
 * @param options.prune Whether stored triggers that are in no file are to be deleted.
 * @param options.secrets Whether header values, which cannot be read back, are written even if nothing else changes.
 */
export function planChanges(
  wanted: readonly FileTrigger[],
  stored: readonly StoredTrigger[],
  options: { prune?: boolean | undefined; secrets?: boolean | undefined } = {},
): { changes: Change[]; problems: FileProblem[] } {
  const problems: FileProblem[] = []
  const taken = new Map<string, Place>()
  const changes = wanted.flatMap((trigger): Change[] => {
    const { document, place } = trigger
    const refuse = (path: string, message: string) => {
      problems.push({ ...place, path, message })
      return []
    }
    const found = find(trigger, stored)
    if (typeof found === 'string') return refuse(trigger.id === undefined ? 'name' : 'id', found)
    const key = found === undefined ? `name ${document.name}` : `id ${found.id}`
    const other = taken.get(key)
    if (other !== undefined) {
      const where = `${other.file}:${other.line}`
      return refuse('name', `this is the same trigger as the one in ${where}: a name stands for one trigger`)
    }
    taken.set(key, place)
    const { name } = document
    if (found === undefined) {
      const hidden = findHidden(document)
      return hidden === undefined
        ? [{ action: 'create', name, place, document }]
        : refuse(
            hidden,
            'the trigger is new, so there is no stored value that this could stand for: write it here',
          )
    }

    const { id, version } = found
    const before = toDocument(found)
    const { visible, unknownSecrets } = likeStored(document, before)
    const isSame = isDeepStrictEqual(before, visible) && !(options.secrets === true && unknownSecrets > 0)
    if (isSame) return [{ action: 'unchanged', id, name, place, unknownSecrets }]
    return [{ action: 'change', id, name, version, place, before, document }]
  })
  if (options.prune !== true) return { changes, problems }

  const deletions = stored
    .filter(({ id }) => !taken.has(`id ${id}`))
    .map((trigger): Change => {
      const { id, name, version } = trigger
      return { action: 'delete', id, name, version, before: toDocument(trigger) }
    })
  return { changes: [...changes, ...deletions], problems }
}

/** The document of a stored trigger, without what only the API says of it. */
export function toDocument(stored: StoredTrigger): TriggerDocument {
  const { actions, ...rest } = without(stored, shownOnly) as { actions: object[] }
  const document = { ...rest, actions: actions.map((action) => without(action, shownOnlyOfActions)) }
  const { chain_id } = stored as unknown as { chain_id: number }
  const parsed = readDocument(document, [{ id: chain_id }])
  // A newer version of the API may say more than this one knows: then nothing is compared, and nothing hidden.
  return 'ok' in parsed ? parsed.ok : (document as unknown as TriggerDocument)
}

function find(
  { id, document: { name } }: FileTrigger,
  stored: readonly StoredTrigger[],
): StoredTrigger | undefined | string {
  if (id !== undefined) {
    return (
      stored.find((trigger) => trigger.id === id) ??
      'you have no trigger with this id. Without an id the trigger is found by its name, or created'
    )
  }
  const named = stored.filter((trigger) => trigger.name === name)
  if (named.length <= 1) return named[0]
  const ids = named.map((trigger) => trigger.id).join(', ')
  return `${named.length} stored triggers have this name: say which one by its id (${ids})`
}

/** The document as it would read back, where that is known: header values are hidden, and ids of actions shown apart. */
export function likeStored(
  document: TriggerDocument,
  before: TriggerDocument,
): { visible: TriggerDocument; unknownSecrets: number } {
  let unknownSecrets = 0
  const actions = document.actions.map((action, position) => {
    const { id: _, ...shown } = action
    if (shown.action_type !== 'rest') return shown
    const stored = before.actions[position]
    const known = stored?.action_type === 'rest' ? stored.config.headers : {}
    const headers = Object.entries(shown.config.headers).map(([name, value]) => {
      if (value === hiddenValue || !Object.hasOwn(known, name)) return [name, value]
      unknownSecrets += 1
      return [name, hiddenValue]
    })
    return { ...shown, config: { ...shown.config, headers: Object.fromEntries(headers) } }
  })
  return { visible: { ...document, actions: actions as TriggerDocument['actions'] }, unknownSecrets }
}

/** The first header whose value is left to what is stored. */
function findHidden({ actions }: TriggerDocument): string | undefined {
  for (const [position, action] of actions.entries()) {
    if (action.action_type !== 'rest') continue
    const name = Object.keys(action.config.headers).find((key) => action.config.headers[key] === hiddenValue)
    if (name !== undefined) return `actions[${position}].config.headers.${name}`
  }
  return undefined
}

function without(object: object, keys: readonly string[]): object {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)))
}
