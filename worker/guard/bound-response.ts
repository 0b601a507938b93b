import { Response } from 'undici'
import { PermanentError, RetryableError } from '../../src/errors.ts'

/**
 * The same response, with a body that ends in a PermanentError after `bytesMax` bytes. Bytes are counted as the reader gets
 * them, unpacked: a small body that unpacks into a large one is stopped at the same mark. `onEnd` is called once, when the
 * body has ended, however it did.
 */
export function boundResponse(
  response: Response,
  bytesMax: number,
  onEnd: () => void,
  translate: (error: unknown) => unknown,
): Response {
  const { status, statusText, headers, url } = response
  const { host } = new URL(url)
  const tooLarge = () => new PermanentError(`the answer of ${host} is larger than ${bytesMax} bytes`)
  const refused =
    // Response takes no others, and no receiver has a meaning for them.
    status < 200 || status > 599
      ? new RetryableError(`${host} answered with HTTP ${status}, which is not a status`)
      : response.body !== null && Number(headers.get('content-length') ?? 0) > bytesMax
        ? tooLarge()
        : undefined
  if (refused !== undefined) {
    void response.body?.cancel().catch(() => {})
    throw refused
  }
  const reader = response.body?.getReader()
  if (reader === undefined) onEnd()
  const body = reader === undefined ? null : countBytes(reader, bytesMax, tooLarge, onEnd, translate)
  const bounded = new Response(body, { status, statusText, headers })
  Object.defineProperty(bounded, 'url', { value: url })
  return bounded
}

type Reader = ReadableStreamDefaultReader<Uint8Array>

function countBytes(
  reader: Reader,
  bytesMax: number,
  tooLarge: () => Error,
  onEnd: () => void,
  translate: (error: unknown) => unknown,
): ReadableStream<Uint8Array> {
  let sizeBytes = 0
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        try {
          const { done, value } = await reader.read()
          if (done) {
            onEnd()
            return controller.close()
          }
          sizeBytes += value.byteLength
          if (sizeBytes <= bytesMax) return controller.enqueue(value)
          const error = tooLarge()
          void reader.cancel(error).catch(() => {})
          onEnd()
          controller.error(error)
        } catch (error) {
          onEnd()
          controller.error(translate(error))
        }
      },
      cancel: (reason) => {
        onEnd()
        return reader.cancel(reason)
      },
    },
    // Nothing is read ahead: a body that nobody reads stays in the socket.
    { highWaterMark: 0 },
  )
}
