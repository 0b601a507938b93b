import { describeError, PermanentError } from '../../src/errors.ts'
import { storableText } from '../../src/storable-text.ts'
import type { FetchedContent } from '../../src/store/event-files.ts'
import { type FileTools, fetchFile } from './fetch-file.ts'
import { parseJsonFile } from './parse-json-file.ts'
import { coveredContent, verifyFileHash } from './verify-file-hash.ts'

/** What is kept of a file that is JSON. Registration files have a few KiB and some hundred values. */
const contentBytesMax = 262_144
const valuesMax = 10_000

/**
 * Fetches the file that an event names, and says what is to be known of it. That it cannot be had, however often one tries, is a
 * verdict too.
 *
 * @throws RetryableError when a later try may do better.
 */
export async function readEventFile(
  { uri, hash }: { uri: string; hash: string | null },
  tools: FileTools,
  limits: { signal: AbortSignal; timeoutMs: number },
): Promise<FetchedContent> {
  let bytes: Uint8Array
  try {
    bytes = (await fetchFile(uri, tools, limits)).bytes
  } catch (error) {
    if (error instanceof PermanentError) return failed(describeError(error))
    throw error
  }
  const hash_verdict = verifyFileHash(bytes, hash)
  // What the hash does not cover, whoever serves the file can change.
  const covered = hash_verdict === 'sorted_keys' ? coveredContent(bytes, hash_verdict) : bytes
  const read = readContent(covered)
  return {
    status: 'fetched',
    hash_verdict,
    size_bytes: bytes.length,
    ...('problem' in read ? { error: `the file ${read.problem}`, content: null } : { error: null, ...read }),
  }
}

/** The verdict on a file that cannot be had. */
export function failed(error: string): FetchedContent {
  return {
    status: 'failed',
    error: storableText(error).slice(0, 1000),
    hash_verdict: 'unavailable',
    content: null,
    size_bytes: null,
  }
}

function readContent(bytes: Uint8Array): { content: string } | { problem: string } {
  if (bytes.length > contentBytesMax) {
    return {
      problem: `has ${bytes.length} bytes, and of more than ${contentBytesMax} the content is not kept`,
    }
  }
  const json = parseJsonFile(bytes)
  if ('problem' in json) return { problem: storableText(json.problem) }
  const left = { values: valuesMax }
  const value = storable(json.value, left)
  return left.values < 0
    ? { problem: `has more than ${valuesMax} values, and the content is not kept` }
    : { content: JSON.stringify(value) }
}

/** The value without what `jsonb` cannot keep. Files nest 64 levels at most. */
function storable(value: unknown, left: { values: number }): unknown {
  left.values -= 1
  if (left.values < 0) return null
  if (typeof value === 'string') return storableText(value)
  if (Array.isArray(value)) return value.map((item) => storable(item, left))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [storableText(key), storable(item, left)]),
  )
}
