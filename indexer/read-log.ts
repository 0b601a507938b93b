import type { AbiEvent } from 'viem'
import { decodeLog, type LogPlace, type RegistryEventRow } from './decode.ts'
import { findRevision } from './revisions/find-revision.ts'

/**
 * The row of a log that Ponder has decoded.
 *
 * @returns `undefined` where the log is of no known revision, or is not what its revision declares. Such a log is kept raw
 *   (indexer/scan-unknown-logs.ts): guessing at it would be worse, and an error would stop Ponder for good.
 */
export function readLog(args: object, place: LogPlace): RegistryEventRow | undefined {
  const revision = findRevision(place)
  if (revision === undefined || !isSound(revision.item, place.log)) return undefined
  return decodeLog({ eventName: revision.item.name, args }, place)
}

/**
 * Whether a log holds all that its declaration says and no more, each value within its type. Ponder's decoder does not mind
 * topics too many, nor numbers and addresses that are larger than their type.
 */
export function isSound({ inputs }: AbiEvent, { topics, data }: LogPlace['log']): boolean {
  const indexed = inputs.filter((input) => input.indexed === true)
  const others = inputs.filter((input) => input.indexed !== true)
  const hashes = topics.slice(1).flatMap((topic) => (topic === null ? [] : [topic]))
  return (
    hashes.length === indexed.length &&
    indexed.every(({ type }, index) => fits(type, (hashes[index] ?? '').slice(2))) &&
    others.every(({ type }, index) => {
      const word = wordAt(data, index * 32)
      if (type !== 'string' && type !== 'bytes') return fits(type, word)
      const offset = Number(`0x${word}`)
      const length = Number(`0x${wordAt(data, offset)}`)
      // NaN where there was no whole word, which is not less than anything.
      return 2 + 2 * (offset + 32 + length) <= data.length
    })
  )
}

/** The 32 bytes at an offset into the data, without 0x; shorter where the data ends. */
function wordAt(data: string, offset: number): string {
  const word = data.slice(2 + offset * 2, 66 + offset * 2)
  return word.length === 64 ? word : ''
}

/** Whether a word holds a value of its type: a uint8, say, is 31 zeros and a byte. */
function fits(type: string, word: string): boolean {
  if (word.length !== 64) return false
  const [, unsigned, bits] = /^(u?)int(\d+)$/.exec(type === 'address' ? 'uint160' : type) ?? []
  if (bits === undefined) return true
  const padding = 64 - Number(bits) / 4
  const isNegative = unsigned === '' && /[89a-f]/i.test(word.charAt(padding))
  return word.slice(0, padding).toLowerCase() === (isNegative ? 'f' : '0').repeat(padding)
}
