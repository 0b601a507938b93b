import type { BacktestMatch, BacktestResult } from '../backtest.ts'
import type { RenderedMatch } from '../render-matches.ts'
import { formatEvidence } from './format-evidence.ts'
import { formatTable } from './format-table.ts'
import { formatTime } from './print.ts'

/** The widest bar of the histogram, in characters. */
const barMax = 40
const bucketsMax = 60
const topMax = 5

/** A backtest for people: the sums, days or hours with bars, whom it was about, and the first matches with their evidence. */
export function formatBacktest(result: BacktestResult): string[] {
  const { trigger, matches, held_back, undecided, unknown_files, histogram, top_agents } = result
  const from =
    result.range.from === null ? `block ${result.range.from_block ?? 0}` : formatTime(result.range.from)
  const to = result.range.to === null ? `block ${result.range.to_block}` : formatTime(result.range.to)
  const held = held_back.cooldown + held_back.max_fires
  const lines = [
    `"${trigger.name}" from ${from} to ${to}`,
    `${count(matches.total, 'match', 'matches')} of ${count(result.events, 'event', 'events')} in ${(result.duration_ms / 1000).toFixed(1)} s`,
    ...(matches.absence > 0 ? [`${matches.absence} for the want of an event`] : []),
    ...(matches.digest > 0 ? [count(matches.digest, 'digest', 'digests')] : []),
    ...(held > 0
      ? [`${held} held back (cooldown ${held_back.cooldown}, max_fires ${held_back.max_fires})`]
      : []),
    ...(undecided.total > 0
      ? [
          `${undecided.total} could not be decided:`,
          ...undecided.first.map(({ event_id, reason }) => `  ${event_id}: ${reason}`),
        ]
      : []),
    ...(unknown_files > 0 ? [`${unknown_files} passed over, because their file was never fetched`] : []),
  ]
  if (matches.total === 0) return lines
  return [
    ...lines,
    '',
    ...formatHistogram(histogram),
    ...(top_agents.length > 0
      ? [
          '',
          ...formatTable(
            ['AGENT', 'MATCHES'],
            top_agents.slice(0, topMax).map(({ agent_id, matches }) => [agent_id, String(matches)]),
          ),
        ]
      : []),
    ...result.first.flatMap((match) => ['', ...formatMatch(match)]),
    ...(result.first.length < matches.total ? ['', `${matches.total - result.first.length} more`] : []),
  ]
}

function formatHistogram({ unit, buckets }: BacktestResult['histogram']): string[] {
  const most = Math.max(...buckets.map(({ matches }) => matches))
  const shown = buckets.slice(-bucketsMax)
  const earlier = buckets.slice(0, -bucketsMax).reduce((sum, { matches }) => sum + matches, 0)
  const table = formatTable(
    [unit.toUpperCase(), 'MATCHES', ''],
    shown.map(({ at, matches }) => [
      unit === 'day' ? at.slice(0, 10) : `${at.slice(0, 13).replace('T', ' ')}h`,
      String(matches),
      '█'.repeat(Math.max(1, Math.round((barMax * matches) / most))),
    ]),
  )
  return earlier === 0 ? table : [...table, `${earlier} before`]
}

function formatMatch(match: BacktestMatch): string[] {
  const kind = match.kind === 'event' ? '' : ` (${match.kind})`
  return [
    `${formatTime(match.block_time)}  ${match.event_id}${kind}`,
    ...formatEvidence(match.evidence).map((line) => `  ${line}`),
    ...(match.actions ?? []).flatMap((action) =>
      formatAction(action)
        .split('\n')
        .map((line, index) => (index === 0 ? `  → ${line}` : `    ${line}`)),
    ),
  ]
}

function formatAction(action: NonNullable<RenderedMatch['actions']>[number]): string {
  if ('error' in action) return `${action.action_type}: ${action.error}`
  switch (action.action_type) {
    case 'rest':
      return `${action.request.method} ${action.request.url} ${action.request.body ?? ''}`.trimEnd()
    case 'telegram':
      return action.message.text
    case 'mcp':
      return `${action.call.tool_name} ${JSON.stringify(action.call.arguments)}`
  }
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`
}
