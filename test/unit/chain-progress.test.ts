import { describe, expect, test } from 'vitest'
import { nextLine } from '../../indexer/report-progress.ts'
import { describeDuration, describeProgress } from '../../src/chain-progress.ts'
import type { ChainProgressRow } from '../../src/store/chains.ts'

const now = new Date('2026-01-01T00:00:00Z')
const row = (fields: Partial<ChainProgressRow>): ChainProgressRow => ({
  ...{
    chain_id: 8453,
    start_block: 100,
    head_block: 1099,
    head_time: now,
    answered_at: now,
    looked_at: now,
    now,
  },
  ...{ read_block: null, blocks_per_second: null, waiting_since: null, alerts: [], matched_block: null },
  ...{ last_block: null, last_block_time: null, finalized_block: null, ...fields },
})
const reading = { last_block: 599, finalized_block: 599, read_block: 599, blocks_per_second: 2 }
const live = { last_block: 1099, finalized_block: 1050, read_block: 1099 }

describe('progress', () => {
  test('is 100 % only when no block is left, and 0 before the first', () => {
    const percent = (fields: Partial<ChainProgressRow>) => describeProgress(row(fields)).percent
    expect(percent({ ...live, head_block: 10_000_000, last_block: 9_999_999 })).toBe(99.99)
    expect(percent(live)).toBe(100)
    expect(percent({ ...live, last_block: 1200 })).toBe(100)
    expect(percent({ last_block: 0, finalized_block: 0 })).toBe(0)
    expect(percent({ head_block: null })).toBeNull()
  })

  test('has no time left while nothing moves', () => {
    expect(describeProgress(row(reading)).seconds_left).toBe(250)
    expect(describeProgress(row({ ...reading, blocks_per_second: 0 })).seconds_left).toBeNull()
  })
})

test('the terminal gets one line for all chains that are being read, one when a chain is live, and then none', () => {
  const memory = new Set<number>()
  const lineOf = (...rows: ChainProgressRow[]) => nextLine(rows.map(describeProgress), memory).line
  const other = row({ ...reading, chain_id: 137, blocks_per_second: 1234 })
  expect(lineOf(row(live))).toBeUndefined()
  expect(lineOf(row(reading), other)).toBe(
    'base 50.0 %, 2 blocks/s, 4 min left · polygon 50.0 %, 1,234 blocks/s, 1 s left',
  )
  expect(lineOf(row({ ...reading, answered_at: null }))).toBe('base silent at block 599, 500 blocks behind')
  expect(lineOf(row(live))).toBe('base live at block 1099')
  expect(lineOf(row(live))).toBeUndefined()
})

test('durations are told in units that people speak of', () => {
  expect([5, 89, 90, 3600, 7200, 200_000].map(describeDuration)).toEqual([
    '5 s',
    '89 s',
    '2 min',
    '60 min',
    '2 h 0 min',
    '2 d 7 h',
  ])
})
