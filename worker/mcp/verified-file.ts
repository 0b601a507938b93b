import { PermanentError } from '../../src/errors.ts'
import type { EventField, EventType } from '../../src/event.ts'
import type { DeliveryScope } from '../../src/render-template.ts'
import { type FileTools, fetchFile, shorten } from '../files/fetch-file.ts'
import { parseJsonFile } from '../files/parse-json-file.ts'
import { coveredContent, type FileVerdict, verifyFileHash } from '../files/verify-file-hash.ts'

/** What a template can name as `file`: `json` where it is JSON, otherwise `text`. */
export type VerifiedFile = {
  uri: string
  hash: string | null
  /** By what it is proven: its hash (see {@link FileVerdict}), or an address that holds or is the content. */
  verdict: Exclude<FileVerdict, 'mismatch' | 'unavailable'> | 'cid' | 'data'
} & ({ json: unknown } | { text: string })

/** The file that an event is about, by its type. */
const fields: Partial<Record<EventType, { uri: EventField; hash: EventField }>> = {
  NewFeedback: { uri: 'file_uri', hash: 'file_hash' },
  ResponseAppended: { uri: 'response_uri', hash: 'response_hash' },
  ValidationRequest: { uri: 'request_uri', hash: 'request_hash' },
  ValidationResponse: { uri: 'response_uri', hash: 'response_hash' },
}

/**
 * Fetches the file of an event and holds it to the hash on the chain. Without a hash (or with zero), only a file whose address
 * proves it will do: by its CID, or because it is in the URI itself.
 *
 * @throws PermanentError when it is not what the chain says, or there is nothing to tell by; RetryableError when it cannot be had now.
 */
export async function fetchVerifiedFile(
  event: DeliveryScope['event'],
  tools: FileTools,
  options: { signal: AbortSignal; timeoutMs: number },
): Promise<VerifiedFile> {
  const names = fields[event.event_type]
  if (names === undefined) {
    throw new PermanentError(`verify_file_hash: an event of type ${event.event_type} has no file with a hash`)
  }
  const [uri, hash] = [event[names.uri], event[names.hash]] as (string | null)[]
  if (uri === null || uri === undefined || uri.trim() === '') {
    throw new PermanentError(`verify_file_hash: the event names no file (${names.uri} is empty)`)
  }
  const { bytes, cid, via } = await fetchFile(uri, tools, options)
  const verdict = verifyFileHash(bytes, hash)
  const common = { uri, hash: hash ?? null }
  switch (verdict) {
    case 'raw':
    case 'jcs':
    case 'sorted_keys':
      return { ...common, verdict, ...contentOf(coveredContent(bytes, verdict)) }
    case 'unavailable':
      if (cid !== undefined) return { ...common, verdict: 'cid', ...contentOf(bytes) }
      if (via === 'data') return { ...common, verdict: 'data', ...contentOf(bytes) }
      throw new PermanentError(
        `verify_file_hash: the chain has no hash for ${shorten(uri)}, so nobody can tell whether it is what was meant`,
      )
    case 'mismatch':
      throw new PermanentError(
        `verify_file_hash: ${shorten(uri)} is not the file that the event is about: its hash is not ${names.hash} ${hash}`,
      )
  }
}

/** JSON that readers could read in two ways is passed on as the text that it is. */
function contentOf(bytes: Uint8Array): { json: unknown } | { text: string } {
  const parsed = parseJsonFile(bytes)
  if ('value' in parsed && parsed.ambiguity === undefined) return { json: parsed.value }
  return { text: new TextDecoder().decode(bytes) }
}
