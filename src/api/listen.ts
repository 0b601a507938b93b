import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { UserError } from '../errors.ts'

export type Listening = {
  /** Where it can be reached. */
  url: string
  /**
   * Lets what is under way be answered, and ends. Who comes meanwhile is answered too, and told to come back by another connection: whoever
   * sends requests here has to learn first that this process is not ready any more. With nothing under way it ends at once.
   *
   * @returns how many requests were broken off, since they took too long.
   */
  close: () => Promise<number>
}

export type Patience = {
  /** For how long new requests are still taken, while others are under way. */
  acceptMs: number
  /** After that what is under way is broken off. */
  endMs: number
}

/** A role that stops is killed after 15 s, and the database is closed after this. */
const usualPatience: Patience = { acceptMs: 5_000, endMs: 10_000 }

/**
 * Serves the app over HTTP.
 *
 * @throws UserError when the port or the address cannot be had.
 */
export async function listen(
  app: { fetch: Parameters<typeof getRequestListener>[0] },
  { host, port }: { host: string; port: number },
  patience: Patience = usualPatience,
): Promise<Listening> {
  const handle = getRequestListener(app.fetch)
  const underWay = new Set<ServerResponse>()
  let closing = false
  let onQuiet = () => {}
  const lastOnConnection = (response: ServerResponse) => {
    if (!response.headersSent) response.setHeader('connection', 'close')
  }
  const server = createServer((request, response) => {
    underWay.add(response)
    if (closing) lastOnConnection(response)
    response.once('close', () => {
      underWay.delete(response)
      if (!closing) return
      // A client that keeps its connection open after the last answer must not hold the process.
      setImmediate(() => server.closeIdleConnections())
      if (underWay.size === 0) onQuiet()
    })
    void handle(request, response)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(explain(error, host, port)))
    server.listen(port, host, () => resolve())
  })
  const address = server.address() as AddressInfo
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return {
    url: `http://${name}:${address.port}`,
    close: async () => {
      closing = true
      for (const response of underWay) lastOnConnection(response)
      const beganMs = performance.now()
      if (underWay.size > 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, patience.acceptMs)
          onQuiet = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      let brokenOff = 0
      await new Promise<void>((resolve) => {
        const leftMs = Math.max(0, patience.endMs - (performance.now() - beganMs))
        const timer = setTimeout(() => {
          brokenOff = underWay.size
          server.closeAllConnections()
        }, leftMs)
        server.close(() => {
          clearTimeout(timer)
          resolve()
        })
      })
      return brokenOff
    },
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
