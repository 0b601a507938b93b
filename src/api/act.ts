import type { Context, MiddlewareHandler } from 'hono'
import type { Cidr } from '../outbound/cidr.ts'
import { readAddress } from '../outbound/read-address.ts'
import { type Actor, asActor } from '../store/as-actor.ts'
import type { ApiContext } from './app.ts'
import type { ApiEnv, Caller } from './caller.ts'
import { clientAddress } from './client-address.ts'
import { ProblemError } from './problem.ts'

const headerName = 'X-Audit-Reason'
export const reasonLengthMax = 500

/** Says in the database who asks, so that the audit log has it beside each change. What only reads pays nothing. */
export function act({ db, rateLimits }: Pick<ApiContext, 'db' | 'rateLimits'>): MiddlewareHandler<ApiEnv> {
  return (c, next) => {
    const reads = c.req.method === 'GET' || c.req.method === 'HEAD' || c.req.method === 'OPTIONS'
    const actor = reads ? undefined : describeActor(c, rateLimits?.trustedProxies ?? [])
    c.set('owner', actor === undefined ? db : asActor(db, actor))
    const own = c.get('db') as ApiEnv['Variables']['db'] | undefined
    if (actor !== undefined && own !== undefined) c.set('db', asActor(own, actor))
    return next()
  }
}

function describeActor(c: Context<ApiEnv>, trusted: readonly Cidr[]): Actor {
  const caller = c.get('caller') as Caller | undefined
  const address = clientAddress(c, trusted)
  return {
    kind: caller?.kind ?? 'anonymous',
    user_id: caller?.userId,
    key_id: caller?.keyId,
    // As Postgres writes addresses: without a zone, and whole.
    address: address === undefined ? undefined : readAddress(address.replace(/%.*$/, ''))?.toString(),
    request_id: c.get('requestId'),
    reason: readReason(c.req.header(headerName)),
  }
}

function readReason(header: string | undefined): string | undefined {
  const reason = header === undefined ? '' : decode(header).trim()
  if ([...reason].length > reasonLengthMax) {
    throw new ProblemError(400, `Expected ${headerName} to be at most ${reasonLengthMax} characters.`)
  }
  return reason === '' ? undefined : reason
}

/** Headers are bytes, which come as Latin-1; most who send more than ASCII send UTF-8. */
function decode(header: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(header, 'latin1'))
  } catch {
    return header
  }
}
