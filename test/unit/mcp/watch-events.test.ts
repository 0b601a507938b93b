import { expect, it } from 'vitest'
import { watchEvents } from '../../../worker/mcp/watch-events.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

/** Reads a stream of these chunks through the watcher. */
async function watch(chunks: readonly string[], eventBytesMax = 100) {
  const ends: { error: unknown; resumable: boolean }[] = []
  const watched = watchEvents(
    ReadableStream.from(chunks.map(bytes)) as unknown as ReadableStream<Uint8Array>,
    { eventBytesMax, tooLarge: () => new Error('too large'), onEnd: (end) => ends.push(end) },
  )
  let text = ''
  try {
    for await (const chunk of watched) text += new TextDecoder().decode(chunk)
  } catch (error) {
    text = String(error)
  }
  return { text, ends }
}

it('passes everything on as it is, and tells the end once', async () => {
  const { text, ends } = await watch(['data: a\n', '\ndata: b\r\n\r\n'])
  expect(text).toBe('data: a\n\ndata: b\r\n\r\n')
  expect(ends).toEqual([{ error: undefined, resumable: false }])
})

it.each(['\n\n', '\r\n\r\n', '\r\r'])(
  'counts from one blank line %j to the next, wherever chunks are cut',
  async (end) => {
    const event = `data: ${'x'.repeat(80)}${end}`
    const stream = event.repeat(20)
    for (const size of [1, 2, 3, 7, 50, 1000]) {
      const chunks = stream.match(new RegExp(`[\\s\\S]{1,${size}}`, 'g')) ?? []
      // A chunk that holds the ends of many events counts from the last one.
      expect((await watch(chunks)).text).toBe(stream)
    }
  },
)

it.each([
  [['x'.repeat(101)]],
  [Array.from({ length: 101 }, () => 'x')],
  [['a\n\n', 'y'.repeat(60), 'y'.repeat(60)]],
])('ends with an error in an event that is too large', async (chunks) => {
  const { text, ends } = await watch(chunks)
  expect(text).toBe('Error: too large')
  expect(ends).toMatchObject([{ error: new Error('too large') }])
})

it.each([
  [['id: 1\ndata: a\n\n'], true],
  [['data: a\n\ni', 'd: 2\n\n'], true],
  [['data: id: 3\n\n'], false],
])('knows whether events have ids: %j', async (chunks, resumable) => {
  expect((await watch(chunks)).ends).toMatchObject([{ resumable }])
})
