import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One webhook as it arrived. `repeated`: its `webhook-id` has been here before. */
export type ReceivedWebhook = { path: string; id: string; body: unknown; receivedAt: Date; repeated: boolean }

/**
 * Stands in for a user's system: takes webhooks on loopback, answers 204, and tells of each. Below `/flaky` it fails the first time that it
 * hears of a delivery.
 */
export async function startWebhookReceiver(
  onWebhook: (webhook: ReceivedWebhook) => void,
): Promise<{ url: string; close(): Promise<void> }> {
  const seen = new Set<string>()
  const server = createServer(async (request, response) => {
    const body = await readJson(request)
    const id = String(request.headers['webhook-id'] ?? '')
    const path = request.url ?? '/'
    const repeated = seen.has(id)
    response.writeHead(path.startsWith('/flaky') && !repeated ? 500 : 204).end()
    onWebhook({ path, id, body, receivedAt: new Date(), repeated })
    seen.add(id)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    return undefined
  }
}
