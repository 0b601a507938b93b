import type { FileVerdict } from '../src/conditions/compiled-trigger.ts'
import { type FileNeed, fileNeedOf, noFile } from '../src/conditions/file-need.ts'
import type { Transaction } from '../src/db.ts'
import type { Hit } from '../src/engine/fold.ts'
import type { RegistryEvent } from '../src/event.ts'
import { fileKeyOf, readFiles, requestFiles } from '../src/store/event-files.ts'

export type FilesOfHits = {
  /** `undefined`: there is none yet. */
  verdictOf(event: RegistryEvent): FileVerdict | undefined
  /** The file that an event waits for; `undefined` where it names none. */
  keyOf(event: RegistryEvent): string | undefined
}

/**
 * What is known of the files that events name, for triggers that look into files. Those that nobody has asked for yet are asked for:
 * of all hits at once, so that a trigger that has to wait waits for them side by side.
 */
export async function readFilesOf(
  tx: Transaction,
  chainId: number,
  hits: readonly Hit[],
): Promise<FilesOfHits> {
  const needs = new Map<string, { key: string; need: FileNeed }>()
  for (const { trigger, event, error } of hits) {
    if (!trigger.readsFiles || error !== undefined || needs.has(event.id)) continue
    const need = fileNeedOf(event)
    if (need !== undefined) needs.set(event.id, { key: fileKeyOf(need, event.occurrence), need })
  }
  const known = await readFiles(tx, [...new Set([...needs.values()].map(({ key }) => key))])
  const unknown = [...needs.values()].filter(({ key }) => !known.has(key))
  if (unknown.length > 0) {
    await requestFiles(
      tx,
      chainId,
      unknown.map(({ key, need }) => ({ key, ...need })),
    )
  }
  return {
    verdictOf: ({ id }) => {
      const key = needs.get(id)?.key
      if (key === undefined) return noFile
      const verdict = known.get(key)
      return verdict === 'waiting' ? undefined : verdict
    },
    keyOf: ({ id }) => needs.get(id)?.key,
  }
}

/** Which of these files have a verdict. */
export async function readyFiles(tx: Transaction, keys: readonly string[]): Promise<Set<string>> {
  const known = await readFiles(tx, keys)
  return new Set([...known].flatMap(([key, verdict]) => (verdict === 'waiting' ? [] : [key])))
}
