import { parseTriggerDocument, type TriggerDocument } from '../trigger-document.ts'

/** Like {@link parseTriggerDocument}; two documents that mean the same are equal. */
export function readDocument(
  input: unknown,
  chains: readonly { id: number }[],
): ReturnType<typeof parseTriggerDocument> {
  const parsed = parseTriggerDocument(input, chains)
  if ('problems' in parsed) return parsed
  const { description, ...rest } = parsed.ok
  const ok: TriggerDocument = description == null || description === '' ? rest : { ...rest, description }
  return { ok }
}
