import type { Condition, Problem } from '../check-conditions.ts'
import type { Setting } from './definition.ts'
import { integerSetting } from './settings.ts'

const alphaSetting: Setting = (given) => {
  if (given === undefined || given === null) return { ok: undefined }
  if (typeof given === 'number' && given > 0 && given <= 1) return { ok: given }
  return { expected: 'expected a number above 0 and at most 1' }
}

/** How quickly an average follows its values. */
export const averageSettings = { window_size: integerSetting(1, 1_000_000, undefined), alpha: alphaSetting }

/** The weight of a new value: `alpha`, or 2 / (window_size + 1). `undefined`: no average is asked for. */
export function alphaOf({ config }: Condition): number | undefined {
  if (typeof config.alpha === 'number') return config.alpha
  return typeof config.window_size === 'number' ? 2 / (config.window_size + 1) : undefined
}

export function needsAverage(condition: Condition): Problem[] {
  if (alphaOf(condition) !== undefined) return []
  return [{ path: ['config', 'window_size'], message: 'expected window_size or alpha; found neither' }]
}

/**
 * An exponential moving average, seeded with its first value. Written so that the average of equal values is that value, to the last
 * bit: `alpha * value + (1 - alpha) * average` is not always.
 */
export function nextAverage(average: number | undefined, value: number, alpha: number): number {
  return average === undefined ? value : average + alpha * (value - average)
}

/** How two doubles compare. */
export function compareNumbers(operator: string, a: number, b: number): boolean {
  switch (operator) {
    case '<':
      return a < b
    case '<=':
      return a <= b
    case '>':
      return a > b
    case '>=':
      return a >= b
    case '=':
      return a === b
    case '!=':
      return a !== b
    default:
      throw new Error(`The operator ${operator} compares no numbers`)
  }
}
