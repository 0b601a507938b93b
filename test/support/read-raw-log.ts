import { decodeEventLog, type Hex } from 'viem'
import type { LogPlace, RegistryEventRow } from '../../indexer/decode.ts'
import { isSound, readLog } from '../../indexer/read-log.ts'
import { findRevision } from '../../indexer/revisions/find-revision.ts'

/** What must become of a log: `readLog` with the arguments as viem decodes them, which stands in for Ponder's decoder. */
export function readRawLog(place: LogPlace): RegistryEventRow | undefined {
  const { topics, data } = place.log
  const item = findRevision(place)?.item
  if (item === undefined || !isSound(item, place.log)) return readLog({}, place)
  const { args } = decodeEventLog({
    abi: [item],
    topics: topics as [Hex, ...Hex[]],
    data: data as Hex,
    strict: true,
  })
  return readLog(args as unknown as object, place)
}
