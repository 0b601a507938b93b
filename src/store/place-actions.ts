import type { Problem } from '../conditions/check-conditions.ts'
import type { ActionDocument } from '../trigger-document.ts'

/** What stands for a header's value when a trigger is read back. Written again, it means: keep what is stored. */
export const hiddenValue = '***'

export type StoredAction = Required<Pick<ActionDocument, 'id' | 'action_type' | 'config'>> & { id: number }

/** An action with its place, and the row that it goes into; without an id it becomes a new one. */
export type PlacedAction = Omit<ActionDocument, 'id'> & { id: number | undefined; position: number }

/**
 * Finds the row for each action of a document, because deliveries refer to rows: the one whose id it gives, else the one that
 * is stored at the same position and has the same type. Hidden header values are filled in from that row.
 */
export function placeActions(
  actions: readonly ActionDocument[],
  stored: readonly StoredAction[],
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
    const headers = Object.fromEntries(
      Object.entries(action.config.headers).map(([name, value]) => {
        if (value !== hiddenValue) return [name, value]
        const known = Object.entries(row?.config.headers ?? {}).find(
          ([other]) => other.toLowerCase() === name.toLowerCase(),
        )
        if (known === undefined) {
          refuse(
            [position, 'config', 'headers', name],
            `${hiddenValue} keeps a stored value, and there is none: expected the value`,
          )
        }
        return [name, known?.[1] ?? value]
      }),
    )
    return { ...action, id: row?.id, position, config: { ...action.config, headers } }
  })
  return { placed, problems }
}

/** The configuration of an action as anybody may see it. */
export function hideSecrets(config: ActionDocument['config']): ActionDocument['config'] {
  const names = Object.keys(config.headers)
  return { ...config, headers: Object.fromEntries(names.map((name) => [name, hiddenValue])) }
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
