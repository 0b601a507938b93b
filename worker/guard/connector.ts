import { connect as connectTcp, type Socket } from 'node:net'
import { buildConnector } from 'undici'
import { PermanentError, RetryableError } from '../../src/errors.ts'
import { judgeAddress, type OutboundPolicy } from '../../src/outbound/judge-address.ts'
import { ownAddresses } from './own-addresses.ts'
import { type Answer, type Resolve, resolveAllowed } from './resolve-allowed.ts'

/** For TCP and again for TLS. A request with a shorter deadline is answered earlier. */
const connectMaxMs = 10_000

/** How long one address of several is tried alone. The last one gets all the time that is left. */
const attemptMs = 500

/** undici 7 never closes an idle HTTP/2 connection. More than the longest time that an action may take. */
const quietH2MaxMs = 120_000

/** How many hosts that speak HTTP/2 only are remembered. One that is forgotten costs a second handshake. */
const h2OnlyMax = 1_000

export type ConnectorOptions = {
  policy: OutboundPolicy
  resolve: Resolve
  /** Trusted instead of the usual authorities; for tests. */
  ca?: string | undefined
}

/**
 * Opens the connections of undici, each only after its address was checked. The name is resolved once, here, and the socket
 * is given those very addresses, so no second answer can slip in between. The address of the connected socket has the last
 * word, before the first byte is sent: TLS begins after it.
 *
 * HTTP/2 is spoken with a host that refuses HTTP/1.1 only: docs/decisions/0011-http2-where-nothing-else-goes.md.
 */
export function createGuardedConnector({ policy, resolve, ca }: ConnectorOptions): buildConnector.connector {
  const tls = { timeout: connectMaxMs, ...(ca === undefined ? {} : { ca }) }
  const secure = buildConnector(tls)
  // Offers h2 and http/1.1, as undici does; who refused http/1.1 takes the other.
  const secureH2 = buildConnector({ ...tls, allowH2: true })
  const h2Only = new Set<string>()

  return (target, callback) => {
    const host = target.hostname
    const open = async () => {
      const addresses = await resolveAllowed(host, policy, resolve)
      const port = Number(target.port) || (target.protocol === 'https:' ? 443 : 80)
      return openSocket(host, port, addresses, policy)
    }
    const openH2 = async () => {
      const httpSocket = await open()
      secureH2({ ...target, httpSocket }, (...result) => {
        if (result[0] === null) closeWhenQuiet(result[1])
        callback(...result)
      })
    }
    const openH1 = async () => {
      const socket = await open()
      if (target.protocol !== 'https:') return callback(null, socket)
      secure({ ...target, httpSocket: socket }, (...result) => {
        if (!refusesHttp1(result[0])) return callback(...result)
        if (h2Only.size >= h2OnlyMax) h2Only.clear()
        h2Only.add(target.host ?? host)
        openH2().catch((error) => callback(error, null))
      })
    }
    const isH2 = h2Only.has(target.host ?? host)
    ;(isH2 ? openH2() : openH1()).catch((error) => callback(error, null))
  }
}

function refusesHttp1(error: Error | null): boolean {
  return (error as { code?: string } | null)?.code === 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL'
}

function closeWhenQuiet(socket: Socket): void {
  let seen = -1
  const timer = setInterval(() => {
    const now = socket.bytesRead + socket.bytesWritten
    if (now === seen) socket.destroy()
    seen = now
  }, quietH2MaxMs).unref()
  socket.once('close', () => clearInterval(timer))
}

function openSocket(
  host: string,
  port: number,
  addresses: readonly Answer[],
  policy: OutboundPolicy,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({
      // With several addresses a name, so that `lookup` is asked for all of them; it answers with what was checked.
      host: addresses.length === 1 ? (addresses[0]?.address ?? host) : host,
      port,
      lookup: (_host, _options, answer) => answer(null, [...addresses]),
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: attemptMs,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 60_000,
    })
    const fail = (error: Error) => {
      clearTimeout(timer)
      socket.destroy()
      reject(error)
    }
    const timer = setTimeout(
      () => fail(new RetryableError(`${host} does not accept connections in time`)),
      connectMaxMs,
    )
    // Stays: what goes wrong before the next owner listens must not end the process.
    socket.on('error', fail)
    socket.once('connect', () => {
      const { remoteAddress } = socket
      if (remoteAddress === undefined || !judgeAddress(remoteAddress, policy, ownAddresses()).allowed) {
        return fail(new PermanentError(`${host} is not called: it led to an address that is refused`))
      }
      clearTimeout(timer)
      resolve(socket)
    })
  })
}
