import { describe, expect, test } from 'vitest'
import type { BacktestResult } from '../../src/backtest.ts'
import { formatDecision } from '../../src/commands/explain.ts'
import { formatBacktest } from '../../src/commands/format-backtest.ts'
import { parseBound } from '../../src/parse-bound.ts'

const evidence = [
  {
    position: 0,
    condition_type: 'ema_threshold' as const,
    field: 'score' as const,
    operator: '<' as const,
    value: '50',
    config: {},
    seen: 45,
    holds: true,
    scope: '7',
    state_before: { ema: 80, count: 1 },
    state: { ema: 45, count: 2 },
  },
]
const time = new Date('2026-02-01T00:00:02Z')

const result: BacktestResult = {
  trigger: { id: null, name: 'Low', version: null },
  range: { from_block: null, to_block: 9, from: new Date('2026-02-01T00:00:00Z'), to: null },
  events: 12,
  candidates: 12,
  duration_ms: 1234,
  matches: { total: 3, event: 3, absence: 0, digest: 0 },
  held_back: { cooldown: 2, max_fires: 0 },
  undecided: { total: 0, first: [] },
  unknown_files: 0,
  histogram: {
    unit: 'day',
    buckets: [
      { at: '2026-02-01T00:00:00.000Z', matches: 2 },
      { at: '2026-02-02T00:00:00.000Z', matches: 1 },
    ],
  },
  top_agents: [{ agent_id: '7', matches: 3 }],
  top_scopes: [],
  first: [
    {
      kind: 'event',
      occurrence: 'o2',
      event_id: 'e2',
      block_number: 2,
      block_time: time,
      evidence,
      actions: [{ action_type: 'telegram', message: { text: 'one\ntwo', parse_mode: 'plain' } }],
    },
  ],
}

describe('formatBacktest', () => {
  test('says how often, when, for whom and why, and what would be sent', () => {
    expect(formatBacktest(result)).toEqual([
      '"Low" from 2026-02-01T00:00:00Z to block 9',
      '3 matches of 12 events in 1.2 s',
      '2 held back (cooldown 2, max_fires 0)',
      '',
      'DAY         MATCHES',
      `2026-02-01  2        ${'█'.repeat(40)}`,
      `2026-02-02  1        ${'█'.repeat(20)}`,
      '',
      'AGENT  MATCHES',
      '7      3',
      '',
      '2026-02-01T00:00:02Z  e2',
      '  ✓ ema_threshold score < 50 for 7: saw 45 (state {"ema":80,"count":1} → {"ema":45,"count":2})',
      '  → one',
      '    two',
      '',
      '2 more',
    ])
  })

  test('shows no table where nothing would have fired', () => {
    const none = { ...result, matches: { total: 0, event: 0, absence: 0, digest: 0 }, first: [] }
    expect(formatBacktest({ ...none, unknown_files: 4 })).toEqual([
      '"Low" from 2026-02-01T00:00:00Z to block 9',
      '0 matches of 12 events in 1.2 s',
      '2 held back (cooldown 2, max_fires 0)',
      '4 passed over, because their file was never fetched',
    ])
  })
})

test('formatDecision says what each condition said, what was not asked, and what is stored', () => {
  const lines = formatDecision({
    trigger: { id: 't', name: 'Low', version: 2, generation: 1, enabled: true },
    event: {
      id: 'e2',
      block_number: 2,
      log_index: 0,
      block_time: time,
      event_type: 'NewFeedback',
      agent_id: '7',
    },
    outcome: 'not fired',
    reason: 'a condition on the event does not hold',
    held_back_by: null,
    evidence: evidence.map(({ scope: _, state: __, state_before: ___, ...entry }) => ({
      ...entry,
      seen: null,
      holds: null,
    })),
    limits: [{ kind: 'cooldown', scope: '7', state_before: null, state: { held: 1 } }],
    matches: [],
    replayed_events: 0,
    unknown_files: 0,
  })
  expect(lines).toEqual([
    '"Low" (version 2) about NewFeedback of agent 7 in block 2, 2026-02-01T00:00:02Z',
    'not fired: a condition on the event does not hold',
    '  · ema_threshold score < 50: not asked',
    '  cooldown for 7: null → {"held":1}',
  ])
})

test('a range begins and ends with a block or a time', () => {
  expect(parseBound('123')).toEqual({ block: 123 })
  expect(parseBound('2026-02-01')).toEqual({ time: new Date('2026-02-01T00:00:00Z') })
  expect(parseBound('soon')).toBeUndefined()
})
