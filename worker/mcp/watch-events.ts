/** Blank lines end an event of a stream. */
const eventEnds = ['\n\n', '\r\r', '\r\n\r\n']

/**
 * Passes an event stream on as it comes, and says how it ended.
 *
 * @param options.eventBytesMax of one event: who reads the stream keeps an unfinished one in memory.
 * @param options.onEnd is called once, unless the reader left first. `resumable`: events had ids, so it may go on elsewhere.
 */
export function watchEvents(
  stream: ReadableStream<Uint8Array>,
  options: {
    eventBytesMax: number
    tooLarge: () => Error
    onEnd: (end: { error: unknown; resumable: boolean }) => void
  },
): ReadableStream<Uint8Array> {
  const reader = stream.getReader()
  let tail = ''
  let eventBytes = 0
  let resumable = false

  const count = (chunk: Uint8Array) => {
    // Latin-1 keeps one character a byte, and the characters that matter here are ASCII.
    const text = tail + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1')
    resumable ||= /(^|[\r\n])id:/.test(text)
    const end = Math.max(...eventEnds.map((mark) => text.lastIndexOf(mark)))
    eventBytes = end < 0 ? eventBytes + chunk.byteLength : text.length - end
    tail = text.slice(-3)
    if (eventBytes > options.eventBytesMax) throw options.tooLarge()
  }

  return new ReadableStream({
    pull: async (controller) => {
      try {
        const { done, value } = await reader.read()
        if (done) {
          controller.close()
          options.onEnd({ error: undefined, resumable })
          return
        }
        count(value)
        controller.enqueue(value)
      } catch (error) {
        void reader.cancel(error).catch(() => {})
        controller.error(error)
        options.onEnd({ error, resumable })
      }
    },
    cancel: (reason) => reader.cancel(reason),
  })
}
