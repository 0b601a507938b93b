import { expect, test } from 'vitest'
import { parseDestination, parseTime } from '../../src/delivery-filter.ts'

test.each([
  ['2026-11-20', '2026-11-20T00:00:00.000Z'],
  ['2026-11-20T08:30:00Z', '2026-11-20T08:30:00.000Z'],
  ['2026-11-20T08:30:00.123+02:00', '2026-11-20T06:30:00.123Z'],
])('%s is a time', (text, time) => expect(parseTime(text)?.toISOString()).toBe(time))

test.each([
  '',
  'yesterday',
  '2026',
  '2026-02-30',
  '20.11.2026',
  '0000-01-01',
  '2026-11-20 08:30',
  '2026-11-20T08:30:00',
  '1',
])('%j is no time that everybody would read alike', (text) => expect(parseTime(text)).toBeUndefined())

test.each([
  ['example.com', 'example.com'],
  ['Example.COM:8443', 'example.com:8443'],
  ['[::1]:8004', '[::1]:8004'],
])('%s is a destination', (text, host) => expect(parseDestination(text)).toBe(host))

test.each(['', 'https://example.com', 'example.com/hook', 'me@example.com', 'a b', 'a\0', 'x'.repeat(301)])(
  '%j is no destination',
  (text) => expect(parseDestination(text)).toBeUndefined(),
)
