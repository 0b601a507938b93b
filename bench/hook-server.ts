import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

// A process of its own, as little as a receiver can be, so that the figures are not about the receiver. What goes to /hang
// is never answered.
const server = createServer((request, response) => {
  if (request.url === '/hang') return
  request.resume()
  request.on('end', () => response.writeHead(204).end())
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.on('disconnect', () => process.exit(0))
