import { expect, test } from 'vitest'
import { formatTable } from '../../src/commands/format-table.ts'

test('columns are as wide as they have to be, without spaces at the end of a line', () => {
  expect(
    formatTable(
      ['ID', 'STATE', 'ERROR'],
      [
        ['1', 'failed', 'no answer'],
        ['1000', 'ok', ''],
      ],
    ),
  ).toEqual(['ID    STATE   ERROR', '1     failed  no answer', '1000  ok'])
})

test('what others wrote cannot move the cursor or break a line', () => {
  expect(formatTable(['ERROR'], [['a\u001b[2Jb\r\nc\u009b']])).toEqual(['ERROR', 'a [2Jb c'])
})
