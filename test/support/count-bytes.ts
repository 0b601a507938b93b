import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

/**
 * What must not be reached: listens on both loopback addresses at one port, counts connections and bytes, and answers
 * every connection as a web server that has something to hide.
 */
export async function startVictim() {
  const counts = { connections: 0, bytes: 0 }
  const sockets = new Set<Socket>()
  const onSocket = (socket: Socket) => {
    counts.connections += 1
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      counts.bytes += chunk.length
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret')
    })
  }
  const four = createServer(onSocket).listen(0, '127.0.0.1')
  await once(four, 'listening')
  const { port } = four.address() as AddressInfo
  const six = createServer(onSocket)
  // Not every machine has IPv6, and somebody else may have the port there: then IPv4 is what is watched.
  const hasSix = await new Promise<boolean>((resolve) => {
    six.once('error', () => resolve(false))
    six.listen(port, '::1', () => resolve(true))
  })
  const end = async (server: Server) => {
    server.close()
    await once(server, 'close')
  }
  return {
    port,
    hasSix,
    counts,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await Promise.all([end(four), ...(hasSix ? [end(six)] : [])])
    },
  }
}
