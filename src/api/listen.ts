import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { UserError } from '../errors.ts'

export type Listening = {
  /** Where it can be reached. */
  url: string
  /** Takes no more requests, and ends when those under way are answered. */
  close: () => Promise<void>
}

/**
 * Serves the app over HTTP.
 *
 * @throws UserError when the port or the address cannot be had.
 */
export async function listen(
  app: { fetch: Parameters<typeof getRequestListener>[0] },
  { host, port }: { host: string; port: number },
): Promise<Listening> {
  const server = createServer(getRequestListener(app.fetch))
  let closing = false
  server.on('request', (_, response) => {
    // A client that keeps its connection open after the last answer must not hold the process.
    response.once('close', () => closing && setImmediate(() => server.closeIdleConnections()))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(explain(error, host, port)))
    server.listen(port, host, () => resolve())
  })
  const address = server.address() as AddressInfo
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return {
    url: `http://${name}:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        closing = true
        server.close(() => resolve())
      }),
  }
}

function explain(error: NodeJS.ErrnoException, host: string, port: number): Error {
  switch (error.code) {
    case 'EADDRINUSE':
      return new UserError(
        `Port ${port} on ${host} is taken. Stop what listens there, or choose another port with TOCSIN_API_PORT.`,
        { cause: error },
      )
    case 'EACCES':
      return new UserError(
        `This user may not listen on port ${port}. Choose one above 1023 with TOCSIN_API_PORT.`,
        { cause: error },
      )
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new UserError(`${host} is no address of this machine. Correct TOCSIN_API_HOST.`, {
        cause: error,
      })
    default:
      return error
  }
}
