import { describe, expect, test } from 'vitest'
import { type ExpectedRow, judge, type StoredRow } from '../../../sim/judge.ts'

const clean = { lost: [], duplicated: [], falseRetractions: [], stale: [], wrong: [], outOfOrder: [] }

/** Three logs in two blocks of one chain, and one of another. */
const expected: ExpectedRow[] = [log(1, '0xa', 0), log(1, '0xa', 1), log(1, '0xb', 0), log(2, '0xc', 0)]

describe('the judge', () => {
  test('finds nothing where all is as the chains say, also among rows of branches that have lost', () => {
    const stored = [...rows(), { ...row(log(1, '0xdead', 0), 9), canonical: false }]
    expect(judge(expected, stored, stored)).toEqual(clean)
  })

  test('misses a log that has no row', () => {
    const stored = rows().slice(1)
    expect(judge(expected, stored, stored)).toEqual({ ...clean, lost: ['1 0xa 0'] })
  })

  test('notices a row that was shown to a reader and is gone', () => {
    const stored = rows()
    const seen = [...stored, { id: '1-gone', seq: 9 }]
    expect(judge(expected, stored, seen).lost).toEqual(['1-gone was shown to a reader, and is gone'])
  })

  test('counts a log with two rows once, also where only one of them is canonical', () => {
    const twin = { ...row(log(1, '0xa', 0), 9), id: 'twin', canonical: false }
    const stored = [...rows(), twin]
    expect(judge(expected, stored, stored).duplicated).toEqual(['1 0xa 0 has 2 rows'])
  })

  test('notices one occurrence in two canonical blocks', () => {
    const stored = rows().map((one) => ({ ...one, occurrence: one.chainId === 1 ? 'same' : 'other' }))
    expect(judge(expected, stored, stored).duplicated).toEqual([
      'same is canonical as 1-0xa-0 and 1-0xa-1 and 1-0xb-0',
    ])
  })

  test('notices a row that a reader by seq was shown twice, or never', () => {
    const stored = rows()
    const verdict = judge(expected, stored, [...stored.slice(1), ...stored.slice(2, 3)])
    expect(verdict.duplicated).toEqual(['1-0xb-0 was shown 2 times to a reader by seq'])
    expect(verdict.outOfOrder).toEqual(['1-0xa-0 was never shown to a reader by seq'])
  })

  test('tells a false retraction from a loss', () => {
    const stored = rows().map((one) => (one.id === '1-0xb-0' ? { ...one, canonical: false } : one))
    expect(judge(expected, stored, stored)).toEqual({ ...clean, falseRetractions: ['1-0xb-0'] })
  })

  test('notices a canonical row of a branch that has lost', () => {
    const stored = [...rows(), row(log(1, '0xdead', 0), 9)]
    expect(judge(expected, stored, stored)).toEqual({ ...clean, stale: ['1-0xdead-0'] })
  })

  test('names the columns that are not what the log says', () => {
    const stored = rows().map((one) =>
      one.id === '2-0xc-0' ? { ...one, content: { feedback_index: '"3"' } } : one,
    )
    expect(judge(expected, stored, stored)).toEqual({
      ...clean,
      wrong: ['2-0xc-0: feedback_index is "3" and not "1"'],
    })
  })

  test('notices a log that was written before an earlier one of its chain; chains are in no order', () => {
    const stored = rows([1, 3, 2, 0.5])
    expect(judge(expected, stored, stored)).toEqual({ ...clean, outOfOrder: ['1-0xb-0 has seq 2 after 3'] })
  })
})

function log(chainId: number, blockHash: string, logIndex: number): ExpectedRow {
  return { chainId, blockHash, logIndex, content: { feedback_index: '"1"' } }
}

function row(from: ExpectedRow, seq: number): StoredRow {
  const id = `${from.chainId}-${from.blockHash}-${from.logIndex}`
  return { ...from, id, seq, occurrence: `occurrence of ${id}`, canonical: true }
}

function rows(seqs = [1, 2, 3, 4]): StoredRow[] {
  return expected.map((one, index) => row(one, seqs[index] ?? 0))
}
