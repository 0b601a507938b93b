import type { Problem } from '../conditions/check-conditions.ts'
import { hiddenValue, originOf } from '../header-values.ts'
import { isSealed } from '../secret-box.ts'
import type { ActionDocument } from '../trigger-document.ts'

export type StoredAction = Without<
  ActionDocument,
  'id' | 'priority' | 'alerts' | 'finality' | 'on_retraction'
> & { id: number }

/** An action with its place, and the row that it goes into; without an id it becomes a new one. */
export type PlacedAction = Without<ActionDocument, 'id'> & { id: number | undefined; position: number }

/** `Omit` of a union keeps only what its members share; this keeps the union. */
type Without<Union, Key extends PropertyKey> = Union extends unknown ? Omit<Union, Key> : never

/**
 * Finds the row for each action of a document, because deliveries refer to rows: the one whose id it gives, else the one that
 * is stored at the same position and has the same type. Hidden header values are filled in from that row, unless the action now
 * goes elsewhere: whoever may change a URL must not get to see a value that was stored for another one.
 *
 * @param seal encrypts the value of a header, for storage.
 */
export function placeActions(
  actions: readonly ActionDocument[],
  stored: readonly StoredAction[],
  seal: (header: { url: string; name: string }, value: string) => string,
): { placed: PlacedAction[]; problems: Problem[] } {
  const problems: Problem[] = []
  const refuse = (path: Problem['path'], message: string) => {
    problems.push({ path: ['actions', ...path], message })
  }
  const asked = new Set(actions.map(({ id }) => id))

  const placed = actions.map((action, position) => {
    const row = findRow(action, stored, position, asked)
    if (action.id !== undefined) {
      if (row === undefined) {
        refuse(
          [position, 'id'],
          `expected the id of an action of this trigger, or nothing for a new one; found ${action.id}`,
        )
      } else if (row.action_type !== action.action_type) {
        refuse(
          [position, 'action_type'],
          `action ${action.id} is ${row.action_type}: leave its id out to make a new one`,
        )
      } else if (actions.findIndex(({ id }) => id === action.id) !== position) {
        refuse([position, 'id'], `action ${action.id} is given twice`)
      }
    }
    const place = { ...action, id: row?.id, position }
    if (place.action_type !== 'rest') return place
    const { url } = place.config
    const before = row?.action_type === 'rest' ? row.config : undefined
    const headers = Object.entries(place.config.headers).map(([name, value]) => {
      const sealed = (plain: string) => [name, seal({ url, name }, plain)] as const
      if (value !== hiddenValue) return sealed(value)
      const known = Object.entries(before?.headers ?? {}).find(
        ([other]) => other.toLowerCase() === name.toLowerCase(),
      )
      const refuseHidden = (reason: string) => {
        refuse([position, 'config', 'headers', name], `${hiddenValue} keeps a stored value, ${reason}`)
        return [name, value] as const
      }
      if (before === undefined || known === undefined) {
        return refuseHidden('and there is none: expected the value')
      }
      if (originOf(before.url) !== originOf(url)) {
        return refuseHidden(
          `which was stored for ${originOf(before.url)} and is not sent to ${originOf(url)}: expected the value`,
        )
      }
      return isSealed(known[1]) ? ([name, known[1]] as const) : sealed(known[1])
    })
    return { ...place, config: { ...place.config, headers: Object.fromEntries(headers) } }
  })
  return { placed, problems }
}

/** An action as its owner may see it: without its secrets. */
export function hideSecrets<Action extends ActionDocument>(action: Action): Action {
  if (action.action_type !== 'rest') return action
  const names = Object.keys(action.config.headers)
  const headers = Object.fromEntries(names.map((name) => [name, hiddenValue]))
  return { ...action, config: { ...action.config, headers } }
}

function findRow(
  action: ActionDocument,
  stored: readonly StoredAction[],
  position: number,
  asked: ReadonlySet<number | undefined>,
): StoredAction | undefined {
  if (action.id !== undefined) return stored.find(({ id }) => id === action.id)
  const row = stored[position]
  return row !== undefined && row.action_type === action.action_type && !asked.has(row.id) ? row : undefined
}
