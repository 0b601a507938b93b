import { decodeEventLog, type Hex } from 'viem'
import { decodeLog, type LogPlace, type RegistryEventRow } from './decode.ts'
import { findRevision } from './revisions/find-revision.ts'
import type { Revision } from './revisions/revision.ts'

/**
 * The row of a raw log. We decode it ourselves, although Ponder has done so: Ponder does not mind text that ends early, nor
 * numbers that are larger than their type.
 *
 * @returns `undefined` where the log is of no known revision or its data is not what the revision declares. Such a log is
 *   kept raw (indexer/scan-unknown-logs.ts); guessing at it would be worse, and an error would stop Ponder for good.
 */
export function readLog(place: LogPlace): RegistryEventRow | undefined {
  const revision = findRevision(place)
  const args = revision && readArguments(revision, place.log)
  return revision && args && decodeLog({ eventName: revision.item.name, args }, place)
}

function readArguments({ item }: Revision, { topics, data }: LogPlace['log']): object | undefined {
  try {
    const { args } = decodeEventLog({
      abi: [item],
      topics: topics.filter((topic) => topic !== null) as [Hex, ...Hex[]],
      data: data as Hex,
      strict: true,
    })
    const values = args as unknown as Record<string, unknown>
    return item.inputs.every(({ type, name }) => fits(type, values[name ?? ''])) ? values : undefined
  } catch {
    return undefined
  }
}

/** Whether an integer is one of its type: a word of 32 bytes can hold more than a uint8. */
function fits(type: string, value: unknown): boolean {
  const [, unsigned, digits] = /^(u?)int(\d+)$/.exec(type) ?? []
  if (digits === undefined) return true
  if (typeof value === 'number' && !Number.isSafeInteger(value)) return false
  const number = BigInt(value as number | bigint)
  const bits = Number(digits)
  return number === (unsigned === 'u' ? BigInt.asUintN(bits, number) : BigInt.asIntN(bits, number))
}
