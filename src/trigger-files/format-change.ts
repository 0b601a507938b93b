import { structuredPatch } from 'diff'
import { stringify } from 'yaml'
import { hiddenValue } from '../header-values.ts'
import type { TriggerDocument } from '../trigger-document.ts'
import { compactDocument } from './compact-document.ts'
import type { Change } from './plan-changes.ts'

export type Paint = (color: 'green' | 'red' | 'yellow' | 'gray', text: string) => string

/** A change for people: what is done, and for one of a trigger the lines of its document that differ. */
export function formatChange(change: Change, paint: Paint): string[] {
  const name = JSON.stringify(change.name)
  switch (change.action) {
    case 'create':
      return [paint('green', `+ create ${name} (${change.place.file}:${change.place.line})`)]
    case 'delete':
      return [paint('red', `- delete ${name} (${change.id})`)]
    case 'unchanged':
      return [paint('gray', `= unchanged ${name} (${change.id})`)]
    case 'change':
      return [
        paint('yellow', `~ change ${name} (${change.id})`),
        ...diffDocuments(change).map((line) => `  ${colour(line, paint)}`),
      ]
  }
}

/** The lines that differ, each with `-` or `+`, and two lines around them. Header values are not shown. */
export function diffDocuments({
  before,
  document,
}: {
  before: TriggerDocument
  document: TriggerDocument
}): string[] {
  const [from, to] = [hideValues(before, 'stored'), hideValues(document, 'new')].map((shown) =>
    stringify(compactDocument(shown), { lineWidth: 0 }),
  )
  const { hunks } = structuredPatch('', '', from ?? '', to ?? '', undefined, undefined, { context: 2 })
  return hunks.flatMap(({ lines }, index) => (index === 0 ? lines : ['  …', ...lines]))
}

/** Values that are stored cannot be read, and those of a file are no business of whoever reads the diff. */
function hideValues(document: TriggerDocument, whose: 'stored' | 'new'): TriggerDocument {
  const actions = document.actions.map((action) => {
    if (action.action_type !== 'rest') return action
    const headers = Object.entries(action.config.headers).map(([name, value]) => [
      name,
      whose === 'stored' || value === hiddenValue ? hiddenValue : `${hiddenValue} (of the file)`,
    ])
    return { ...action, config: { ...action.config, headers: Object.fromEntries(headers) } }
  })
  return { ...document, actions: actions as TriggerDocument['actions'] }
}

function colour(line: string, paint: Paint): string {
  if (line.startsWith('+')) return paint('green', line)
  if (line.startsWith('-')) return paint('red', line)
  return paint('gray', line)
}
