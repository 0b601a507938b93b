import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Hook = {
  path: string
  headers: IncomingHttpHeaders
  body: Record<string, unknown>
  at: number
}

/** Users' systems on one port, a path each: what came when, how many at once, and the status that each is answered with. */
export async function startHooks() {
  const received: Hook[] = []
  const open = new Set<ServerResponse>()
  const inFlight = new Map<string, { now: number; max: number }>()
  let answer: (path: string) => number | Promise<number> = () => 204
  const server = createServer(async (request, response) => {
    open.add(response)
    const path = request.url ?? '/'
    const count = inFlight.get(path) ?? { now: 0, max: 0 }
    count.now += 1
    count.max = Math.max(count.max, count.now)
    inFlight.set(path, count)
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    received.push({
      path,
      headers: request.headers,
      body: JSON.parse(Buffer.concat(chunks).toString('utf8')),
      at: performance.now(),
    })
    const status = await answer(path)
    count.now -= 1
    open.delete(response)
    response.writeHead(status).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    paths: (path: string) => received.filter((hook) => hook.path === path),
    inFlightMax: (path: string) => inFlight.get(path)?.max ?? 0,
    /** Answers from now on; forgets what came before. */
    answerWith: (next: typeof answer) => {
      answer = next
      received.length = 0
      inFlight.clear()
    },
    /** Breaks off everything that is not answered. */
    endAll: () => {
      for (const response of open) response.destroy()
      open.clear()
    },
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
