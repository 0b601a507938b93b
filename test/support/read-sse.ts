import { type ClientRequest, type IncomingMessage, request } from 'node:http'

export type SseMessage = { event: string; id: string; data: Record<string, never> & { change?: string } }

export type SseConnection = {
  status: number
  /** How it ended: by the server as it should, or broken off. */
  ended: Promise<'complete' | 'broken'>
  /** Ends it as a failing network would. */
  destroy(): void
  response: IncomingMessage
}

/**
 * Reads server-sent events over a connection of its own.
 *
 * @param options.cutAfterBytes breaks the connection off there, in the middle of whatever it is.
 * @param options.onId is told of ids without data as well, as a client has to remember them.
 */
export function readSse(
  url: string,
  options: {
    token: string
    lastEventId?: string | undefined
    cutAfterBytes?: number
    onMessage?: (message: SseMessage) => void
    onId?: (id: string) => void
    onText?: (text: string) => void
  },
): Promise<SseConnection> {
  return new Promise((resolve, reject) => {
    const asked: ClientRequest = request(url, {
      agent: false,
      headers: {
        authorization: `Bearer ${options.token}`,
        ...(options.lastEventId === undefined ? {} : { 'last-event-id': options.lastEventId }),
      },
    })
    asked.on('error', reject)
    asked.on('response', (response) => {
      let left = options.cutAfterBytes ?? Number.POSITIVE_INFINITY
      let text = ''
      const ended = new Promise<'complete' | 'broken'>((end) => {
        response.on('close', () => end(response.complete ? 'complete' : 'broken'))
      })
      response.on('error', () => {})
      if (response.statusCode !== 200) response.resume()
      else {
        response.on('data', (chunk: Buffer) => {
          if (left <= 0) return
          const seen = chunk.subarray(0, left)
          left -= seen.length
          options.onText?.(seen.toString())
          text += seen.toString('latin1')
          const blocks = text.split('\n\n')
          text = blocks.pop() ?? ''
          for (const block of blocks) readBlock(Buffer.from(block, 'latin1').toString(), options)
          if (left <= 0) asked.destroy()
        })
      }
      resolve({
        status: response.statusCode ?? 0,
        ended,
        destroy: () => asked.destroy(),
        response,
      })
    })
    asked.end()
  })
}

function readBlock(
  block: string,
  { onMessage, onId }: { onMessage?: (message: SseMessage) => void; onId?: (id: string) => void },
): void {
  const fields = new Map(
    block
      .split('\n')
      .filter((line) => !line.startsWith(':'))
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)] as const),
  )
  const id = fields.get('id')
  const data = fields.get('data')
  if (data !== undefined)
    onMessage?.({ event: fields.get('event') ?? '', id: id ?? '', data: JSON.parse(data) })
  if (id !== undefined) onId?.(id)
}
