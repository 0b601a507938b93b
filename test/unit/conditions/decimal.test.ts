import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareDecimals, normalizeDecimal } from '../../../src/conditions/decimal.ts'

/** A decimal as digits and a scale, and the same number written with zeros that mean nothing. */
const decimal = fc
  .record({
    units: fc.bigInt({ min: -(10n ** 78n), max: 10n ** 78n }),
    scale: fc.integer({ min: 0, max: 30 }),
    zerosBefore: fc.integer({ min: 0, max: 3 }),
    zerosAfter: fc.integer({ min: 0, max: 3 }),
  })
  .map(({ units, scale, zerosBefore, zerosAfter }) => {
    const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0')
    const whole = '0'.repeat(zerosBefore) + digits.slice(0, digits.length - scale)
    const fraction = digits.slice(digits.length - scale) + '0'.repeat(scale > 0 ? zerosAfter : 0)
    return { units, scale, text: `${units < 0n ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}` }
  })

const sign = (value: bigint | number) => (value < 0 ? -1 : value > 0 ? 1 : 0)
const normal = (text: string) => normalizeDecimal(text) ?? expect.fail(`${text} is no decimal`)

test('decimals compare as exact numbers, however many digits they have', () => {
  fc.assert(
    fc.property(decimal, decimal, (a, b) => {
      const exact = a.units * 10n ** BigInt(b.scale) - b.units * 10n ** BigInt(a.scale)
      expect(sign(compareDecimals(normal(a.text), normal(b.text)))).toBe(sign(exact))
    }),
  )
})

test('neighbours in a small range compare exactly, where almost every pair shares digits', () => {
  const small = fc.record({
    units: fc.integer({ min: -200, max: 200 }),
    scale: fc.integer({ min: 0, max: 2 }),
  })
  const text = ({ units, scale }: { units: number; scale: number }) => (units / 10 ** scale).toFixed(scale)
  fc.assert(
    fc.property(small, small, (a, b) => {
      const exact = a.units * 10 ** b.scale - b.units * 10 ** a.scale
      expect(sign(compareDecimals(normal(text(a)), normal(text(b))))).toBe(sign(exact))
    }),
    { numRuns: 2000 },
  )
})

test.each([
  ['0', '0'],
  ['-0', '0'],
  ['-0.00', '0'],
  ['000', '0'],
  ['0070.500', '70.5'],
  ['-007', '-7'],
  ['100', '100'],
  ['0.10', '0.1'],
  ['10.', '10'],
])('%s is written %s', (given, expected) => expect(normalizeDecimal(given)).toBe(expected))

test.each(['', '.', '.5', '-', '+1', '1e3', '0x10', '1,5', ' 1', '1\n', 'NaN', '--1', '1.2.3'])(
  '%j is no decimal',
  (given) => expect(normalizeDecimal(given)).toBeUndefined(),
)
