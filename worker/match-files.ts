import type { FileVerdict } from '../src/conditions/compiled-trigger.ts'
import type { Transaction } from '../src/db.ts'
import type { Hit } from '../src/engine/fold.ts'
import type { RegistryEvent } from '../src/event.ts'

/** What is known of the files that these events name, for the triggers that read files. What is not is asked for. */
export async function readFilesOf(
  _tx: Transaction,
  _chainId: number,
  _hits: readonly Hit[],
): Promise<{
  verdictOf(event: RegistryEvent): FileVerdict | undefined
  keyOf(event: RegistryEvent): string | undefined
}> {
  return { verdictOf: () => undefined, keyOf: () => undefined }
}

/** Which of these files have a verdict. */
export async function readyFiles(_tx: Transaction, _keys: readonly string[]): Promise<Set<string>> {
  return new Set()
}
