import { setImmediate as turn } from 'node:timers/promises'
import type { Queryable } from './db.ts'
import { buildDeliveryScope, type MatchKind } from './delivery-scope.ts'
import { PermanentError } from './errors.ts'
import type { RegistryEvent } from './event.ts'
import { type RenderedAction, renderAction } from './render-action.ts'
import { readWholeEvents } from './store/history.ts'
import type { ActionDocument } from './trigger-document.ts'

export type RenderedMatch = {
  /** What each action would send, or why it cannot; null: there was no room or time left for it. */
  actions: (RenderedAction | { action_type: ActionDocument['action_type']; error: string })[] | null
}

const chunk = 50
const bytesMax = 8 * 1024 * 1024
const timeMaxMs = 5_000
const nobody = '00000000-0000-0000-0000-000000000000'

/** Says of each match what the actions of its trigger would send, as far as that is not too much. */
export async function renderMatches<
  Match extends { kind: MatchKind; event_id: string; block_time: Date; evidence: unknown },
>(
  db: Queryable,
  trigger: { id?: string | undefined; name: string; version?: number | undefined; actions: ActionDocument[] },
  matches: readonly Match[],
  signal: AbortSignal,
): Promise<(Match & RenderedMatch)[]> {
  const rendered: (Match & RenderedMatch)[] = []
  let bytes = 0
  let spentMs = 0
  for (let from = 0; from < matches.length; from += chunk) {
    const part = matches.slice(from, from + chunk)
    const events = await readWholeEvents(
      db,
      part.map(({ event_id, block_time }) => ({ id: event_id, block_time })),
    )
    for (const match of part) {
      signal.throwIfAborted()
      const event = events.get(match.event_id)
      const isEnough = event === undefined || bytes > bytesMax || spentMs > timeMaxMs
      const began = performance.now()
      const actions = isEnough ? null : renderMatch(trigger, match, event)
      bytes += actions === null ? 0 : JSON.stringify(actions).length
      spentMs += performance.now() - began
      rendered.push({ ...match, actions })
      await turn()
    }
  }
  return rendered
}

function renderMatch(
  trigger: Parameters<typeof renderMatches>[1],
  { kind, evidence }: { kind: MatchKind; evidence: unknown },
  event: RegistryEvent,
): NonNullable<RenderedMatch['actions']> {
  const scope = buildDeliveryScope({
    event,
    trigger: { id: trigger.id ?? 'backtest', name: trigger.name, version: trigger.version ?? 1 },
    match_kind: kind,
    evidence,
    delivery: { id: nobody, attempt: 1, kind: 'match' },
  })
  return trigger.actions.map((action) => {
    try {
      return renderAction(action, scope)
    } catch (error) {
      if (!(error instanceof PermanentError)) throw error
      return { action_type: action.action_type, error: error.message }
    }
  })
}
