import { createHash } from 'node:crypto'
import type { Context } from 'hono'
import type { DestinationRow } from '../store/destinations.ts'
import type { TriggerState } from '../store/triggers.ts'
import { ProblemError } from './problem.ts'

/**
 * The tag of a trigger and of what lies below it. Every change by its owner counts the version up; being paused is the one change
 * that does not. Nothing is read or hashed for it.
 */
export function tagOfTrigger({ id, version, paused_at }: TriggerState): string {
  return `"${encodeURIComponent(id)}.${version}${paused_at === null ? '' : '.paused'}"`
}

/** The tag of a destination, which has no version: of everything about it but the time of its last change, which sending moves too. */
export function tagOfDestination({ updated_at: _, ...shown }: DestinationRow): string {
  return `"${createHash('sha256').update(JSON.stringify(shown)).digest('base64url').slice(0, 32)}"`
}

/**
 * What `If-Match` asks for, to be called where nobody else can change the resource any more. `undefined`: it asks for nothing.
 *
 * @param describe The state that was found, as a sentence.
 */
export function ifMatch<State>(
  c: Context,
  tagOf: (state: State) => string,
  describe: (state: State) => string,
): ((state: State) => void) | undefined {
  const header = c.req.header('if-match')
  if (header === undefined) return undefined
  // Ours hold no commas. A weak tag (W/"…") never matches: RFC 9110, 13.1.1.
  const wanted = header.split(',').map((tag) => tag.trim())
  return (state) => {
    const tag = tagOf(state)
    if (wanted.includes('*') || wanted.includes(tag)) return
    throw new ProblemError(412, describe(state), { type: 'version-mismatch', headers: { etag: tag } })
  }
}

/** What `If-Match` asks of a trigger. */
export function triggerGuard(c: Context): ((state: TriggerState) => void) | undefined {
  return ifMatch(c, tagOfTrigger, (state) => {
    const paused = state.paused_at === null ? '' : ', and is paused'
    return `The trigger was changed since you read it: it is at version ${state.version} now${paused}. Its tag is ${tagOfTrigger(state)}.`
  })
}

/** Whether who asks has what this is the tag of, by `If-None-Match`. Tags compare weakly there: RFC 9110, 13.1.2. */
export function isKnown(c: Context, tag: string): boolean {
  const known = c.req.header('if-none-match')
  if (known === undefined) return false
  return known.split(',').some((text) => ['*', tag].includes(text.trim().replace(/^W\//, '')))
}

/** For the description of a route that looks at `If-Match`. */
export const withIfMatch = {
  parameters: [
    {
      name: 'If-Match',
      in: 'header' as const,
      description: 'The `ETag` of what was read: 412 if it was changed since. Without it the change is made',
      schema: { type: 'string' as const },
    },
  ],
}

/** For the description of a route that looks at `If-None-Match`. */
export const withIfNoneMatch = {
  parameters: [
    {
      name: 'If-None-Match',
      in: 'header' as const,
      description: 'The `ETag` of what is known: 304 if it is still so',
      schema: { type: 'string' as const },
    },
  ],
}

export const notModified = { 304: { description: 'It is as `If-None-Match` says' } }
