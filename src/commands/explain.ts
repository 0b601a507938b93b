import { answerOf } from '../client/client.ts'
import { UserError } from '../errors.ts'
import { type ExplainedDecision, explainDecision } from '../explain-decision.ts'
import { formatEvidence } from './format-evidence.ts'
import { formatTime, print } from './print.ts'
import { namesApi, withApi } from './with-api.ts'
import { withDatabase } from './with-database.ts'

/** `tocsin triggers explain`: what a trigger decides about an event, and why. */
export function explainCommand(
  triggerId: string,
  eventId: string,
  options: { api?: string; json?: boolean },
): Promise<void> {
  if (namesApi(options)) {
    return withApi(options, async (client) => {
      const params = { path: { id: triggerId }, query: { event: eventId } }
      const decision = await answerOf(client.GET('/v1/triggers/{id}/decisions', { params }))
      // With an event it is never a page. Its times are texts.
      const explained = decision as unknown as ExplainedDecision
      const { event } = explained
      event.block_time = new Date(event.block_time)
      print(options, explained, formatDecision(explained))
    })
  }
  return withDatabase('explain', async (db) => {
    const explained = await explainDecision(
      { db, own: db },
      { triggerId, eventId },
      new AbortController().signal,
    )
    if ('missing' in explained) {
      const id = explained.missing === 'trigger' ? triggerId : eventId
      throw new UserError(`There is no ${explained.missing} with the id ${JSON.stringify(id)}.`)
    }
    print(options, explained, formatDecision(explained))
  })
}

/** An explanation for people. */
export function formatDecision(explained: ExplainedDecision): string[] {
  const { trigger, event, outcome, reason, evidence, limits, matches } = explained
  return [
    `"${trigger.name}" (version ${trigger.version}) about ${event.event_type} of agent ${event.agent_id ?? '-'} in block ${event.block_number}, ${formatTime(event.block_time)}`,
    `${outcome}: ${reason}`,
    ...formatEvidence(evidence).map((line) => `  ${line}`),
    ...limits.map(
      ({ kind, scope, state_before, state }) =>
        `  ${kind}${scope === '' ? '' : ` for ${scope}`}: ${JSON.stringify(state_before)} → ${JSON.stringify(state)}`,
    ),
    ...matches.flatMap((match) => [
      `stored: match ${match.id} (${match.kind}), ${match.status}, decided by version ${match.trigger_version}`,
      ...(match.history as { event_id: string; at: string }[]).map(
        ({ event_id, at }) => `  before, until ${at}: by event ${event_id}`,
      ),
    ]),
    ...(explained.unknown_files > 0
      ? [
          `${explained.unknown_files} earlier events were passed over, because their file is not known any more`,
        ]
      : []),
  ]
}
