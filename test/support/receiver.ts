import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Received = { method: string; path: string; headers: Record<string, unknown>; body: string }

/** A user's system: keeps what it receives and answers as told; 204 unless told otherwise. */
export async function startReceiver() {
  const received: Received[] = []
  let answer = (_request: Received, response: ServerResponse): void => void response.writeHead(204).end()
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const { method = '', url = '', headers } = request
    const entry = { method, path: url, headers, body: Buffer.concat(chunks).toString('utf8') }
    received.push(entry)
    answer(entry, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    /** Answers from now on; forgets what came before. */
    answerWith: (next: typeof answer) => {
      answer = next
      received.length = 0
    },
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
