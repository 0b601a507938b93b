import { describeError, PermanentError, RetryableError } from '../../src/errors.ts'
import { fetchIpfsFile } from './fetch-ipfs-file.ts'
import { parseIpfsUri } from './parse-ipfs-uri.ts'
import { type FetchLimits, type FileHttp, readBody } from './read-body.ts'
import { readDataUri } from './read-data-uri.ts'

/** What fetching needs. `gateways` are base URLs of IPFS gateways without a slash at the end, tried in order. */
export type FileTools = { http: FileHttp; gateways: readonly string[] }

export type FetchOptions = {
  signal?: AbortSignal | undefined
  /** For the whole fetch, every gateway included. */
  timeoutMs?: number | undefined
  /** Of the file itself. */
  bytesMax?: number | undefined
}

export type FetchedFile = {
  bytes: Uint8Array
  /** Where the bytes came from: the origin of the web server or gateway, `data` or `cid` (both: from the URI itself). */
  via: string
  /** Set when the address is the hash of the content and was checked: no separate file hash is needed then. */
  cid: string | undefined
}

const timeoutMsDefault = 20_000
/** Registration and feedback files have a few KiB. An image in base64 inside one is the largest honest use. */
const bytesMaxDefault = 1_048_576
/** More than any browser takes. `data:` URIs are bounded by the size of their file instead. */
const uriLengthMax = 8192

/**
 * Fetches the file at an agent's URI: `https:`, `http:`, `ipfs:` (every byte checked against the CID) or `data:`.
 *
 * @throws PermanentError when no later try can help, RetryableError when one may. The message names the address.
 */
export async function fetchFile(
  uri: string,
  tools: FileTools,
  options: FetchOptions = {},
): Promise<FetchedFile> {
  const { timeoutMs = timeoutMsDefault, bytesMax = bytesMaxDefault } = options
  const trimmed = uri.trim()
  if (/^data:/i.test(trimmed)) return { bytes: readDataUri(trimmed, bytesMax), via: 'data', cid: undefined }
  if (trimmed === '') throw new PermanentError('there is no URI to fetch')
  if (trimmed.length > uriLengthMax) {
    throw new PermanentError(`the URI ${shorten(trimmed)} is longer than ${uriLengthMax} characters`)
  }

  const limits: FetchLimits = { signal: options.signal ?? null, timeoutMs, bytesMax }
  try {
    limits.signal?.throwIfAborted()
    const ipfs = parseIpfsUri(trimmed)
    if (ipfs !== undefined) return await fetchIpfsFile(ipfs, tools, limits)
    return await fetchWebFile(trimmed, tools.http, limits)
  } catch (error) {
    if (limits.signal?.aborted) throw new RetryableError(`fetching ${shorten(trimmed)} was stopped`)
    throw error
  }
}

async function fetchWebFile(uri: string, http: FileHttp, limits: FetchLimits): Promise<FetchedFile> {
  const url = URL.canParse(uri) ? new URL(uri) : undefined
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') {
    const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(uri)?.[1]
    const found = scheme === undefined ? `${shorten(uri)} has none of these` : `not ${scheme}:`
    throw new PermanentError(`files are fetched from https:, http:, ipfs: and data: URIs, ${found}`)
  }
  const name = shorten(uri)
  let status: number
  let retryAfterMs: number | undefined
  try {
    const response = await http.fetch(url.href, {
      headers: { accept: 'application/json, */*;q=0.5' },
      ...limits,
    })
    if (response.ok) {
      return { bytes: await readBody(response, limits.bytesMax), via: url.origin, cid: undefined }
    }
    status = response.status
    retryAfterMs = parseRetryAfterMs(response.headers.get('retry-after'))
    await response.body?.cancel()
  } catch (error) {
    if (error instanceof PermanentError) throw new PermanentError(`${name}: ${describeError(error)}`)
    throw new RetryableError(`${name} could not be fetched`, { cause: error })
  }
  if (status >= 300 && status < 400) {
    throw new PermanentError(`${name} redirects elsewhere (HTTP ${status}), and redirects are not followed`)
  }
  // A file is often uploaded a little after the transaction that names it: 404 may be early rather than final.
  if (status >= 500 || status === 404 || status === 408 || status === 425 || status === 429) {
    throw new RetryableError(`${name} answered HTTP ${status}`, {
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    })
  }
  throw new PermanentError(`${name} answered HTTP ${status}`)
}

function parseRetryAfterMs(text: string | null): number | undefined {
  return text !== null && /^\d{1,9}$/.test(text) ? Number(text) * 1000 : undefined
}

/** An address as it may stand in a message: no query, where tokens are, and not longer than a line. */
export function shorten(uri: string): string {
  const start = uri.split(/[?#]/, 1)[0] ?? ''
  return start.length > 100 ? `${start.slice(0, 100)}…` : start
}
