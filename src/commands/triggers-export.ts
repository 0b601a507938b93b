import { stringify } from 'yaml'
import { UserError } from '../errors.ts'
import { compactDocument } from '../trigger-files/compact-document.ts'
import { type StoredTrigger, toDocument } from '../trigger-files/plan-changes.ts'
import { listTriggers } from './list-triggers.ts'
import { withApi } from './with-api.ts'

/** `tocsin triggers export`: stored triggers as a file that `apply` takes and changes nothing for. */
export function exportCommand(
  ids: readonly string[],
  options: { format: 'yaml' | 'json'; api?: string },
): Promise<void> {
  return withApi(options, async (client) => {
    const stored = (await listTriggers(client)) as StoredTrigger[]
    const unknown = ids.filter((id) => !stored.some((trigger) => trigger.id === id))
    if (unknown.length > 0) throw new UserError(`You have no trigger with the id ${unknown.join(', ')}.`)
    const names = stored.map(({ name }) => name)
    const documents = stored
      .filter(({ id }) => ids.length === 0 || ids.includes(id))
      // The oldest first, so that new ones come at the end of the file.
      .reverse()
      .map((trigger) => {
        const isOneOfMany = names.indexOf(trigger.name) !== names.lastIndexOf(trigger.name)
        return { ...(isOneOfMany ? { id: trigger.id } : {}), ...compactDocument(toDocument(trigger)) }
      })
    process.stdout.write(
      options.format === 'json'
        ? `${JSON.stringify(documents, null, 2)}\n`
        : documents.map((document) => stringify(document, { lineWidth: 110 })).join('---\n'),
    )
  })
}
