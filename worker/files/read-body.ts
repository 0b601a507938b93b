import { PermanentError } from '../../src/errors.ts'

/** `timeoutMs` and `bytesMax` are for one exchange, from its connection to the last byte of its body, unpacked. */
export type FetchLimits = { signal: AbortSignal | null; timeoutMs: number; bytesMax: number }

/** The part of the guarded HTTP client that files need. It holds the limits; redirects come back as they are. */
export type FileHttp = {
  fetch(url: string, init: FetchLimits & { headers: Record<string, string> }): Promise<Response>
}

/** Reads a body of at most `bytesMax` bytes. @throws PermanentError when there are more; the rest is not read. */
export async function readBody(response: Response, bytesMax: number): Promise<Uint8Array> {
  if (Number(response.headers.get('content-length') ?? 0) > bytesMax) {
    await response.body?.cancel()
    throw tooLarge(bytesMax)
  }
  const chunks: Uint8Array[] = []
  for await (const chunk of bodyChunks(response, bytesMax)) chunks.push(chunk)
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : new Uint8Array(Buffer.concat(chunks))
}

/** As {@link readBody}, piece by piece, so that what came before a failure can be used. */
export async function* bodyChunks(response: Response, bytesMax: number): AsyncGenerator<Uint8Array> {
  let sizeBytes = 0
  // Leaving the loop cancels the stream.
  for await (const chunk of response.body ?? []) {
    sizeBytes += chunk.length
    if (sizeBytes > bytesMax) throw tooLarge(bytesMax)
    yield chunk
  }
}

function tooLarge(bytesMax: number): PermanentError {
  return new PermanentError(`there are more than ${bytesMax} bytes`)
}
