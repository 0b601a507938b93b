import { connect as connectTcp, type Socket } from 'node:net'
import { buildConnector } from 'undici'
import { PermanentError, RetryableError } from '../../src/errors.ts'
import { judgeAddress, type OutboundPolicy } from '../../src/outbound/judge-address.ts'
import { type Answer, type Resolve, resolveAllowed } from './resolve-allowed.ts'

/** For DNS, TCP and TLS together. A request with a shorter deadline is answered earlier. */
export const connectMaxMs = 10_000

/** How long one address of several is tried alone. The last one gets all the time that is left. */
const attemptMs = 500

export type ConnectorOptions = {
  policy: OutboundPolicy
  resolve: Resolve
  /** Trusted beside the usual authorities; for tests. */
  ca?: string | undefined
  allowH2: boolean
}

/**
 * Opens the connections of undici, each only after its address was checked. The name is resolved once, here, and the socket
 * is given those very addresses, so no second answer can slip in between. The address of the connected socket has the last
 * word, before the first byte is sent: TLS begins after it.
 */
export function createGuardedConnector(options: ConnectorOptions): buildConnector.connector {
  const { policy, resolve, ca, allowH2 } = options
  const secure = buildConnector({ allowH2, timeout: connectMaxMs, ...(ca === undefined ? {} : { ca }) })

  return (target, callback) => {
    const startedAt = performance.now()
    const open = async () => {
      const addresses = await resolveAllowed(target.hostname, policy, resolve)
      const leftMs = connectMaxMs - (performance.now() - startedAt)
      const port = Number(target.port) || (target.protocol === 'https:' ? 443 : 80)
      return openSocket(target.hostname, port, addresses, policy, leftMs)
    }
    open().then(
      (socket) => {
        if (target.protocol === 'https:') secure({ ...target, httpSocket: socket }, callback)
        else callback(null, socket)
      },
      (error) => callback(error, null),
    )
  }
}

function openSocket(
  host: string,
  port: number,
  addresses: readonly Answer[],
  policy: OutboundPolicy,
  timeoutMs: number,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({
      // A name, so that `lookup` is asked; what it answers is what was checked.
      host: addresses.length === 1 ? (addresses[0]?.address ?? host) : host,
      port,
      lookup: (_host, _options, answer) => answer(null, [...addresses]),
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: attemptMs,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 60_000,
    })
    const timer = setTimeout(
      () => fail(new RetryableError(`${host} did not accept a connection in time`)),
      timeoutMs,
    )
    const fail = (error: Error) => {
      clearTimeout(timer)
      socket.destroy()
      reject(error)
    }
    socket.once('error', fail)
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.off('error', fail)
      const { remoteAddress } = socket
      if (remoteAddress !== undefined && judgeAddress(remoteAddress, policy).allowed) return resolve(socket)
      fail(new PermanentError(`${host} is not called: it led to an address that is refused`))
    })
  })
}
