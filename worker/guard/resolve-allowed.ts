import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { PermanentError, RetryableError } from '../../src/errors.ts'
import { judgeAddress, type OutboundPolicy, ownKind } from '../../src/outbound/judge-address.ts'
import { within } from '../../src/within.ts'
import { ownAddresses } from './own-addresses.ts'

/** A name whose servers do not answer is not waited for longer. */
const answerMaxMs = 8_000

/** One address of a host, as DNS answered. */
export type Answer = { address: string; family: number }

/** Asks for all addresses of a name; throws an error with a `code` (ENOTFOUND, EAI_AGAIN) when there is none. */
export type Resolve = (hostname: string) => Promise<readonly Answer[]>

/**
 * The addresses of a host that may be connected to. One bad answer refuses the whole name: an honest public receiver has
 * none, and whether a call goes through must not hang on the order of the answers. Only where OUTBOUND_ALLOW names one of
 * the addresses, those that are refused are left out (`localhost` is 127.0.0.1 and ::1, and mostly one of them is meant).
 *
 * @param host As in a URL, without the brackets of IPv6.
 * @throws PermanentError when it is refused: the sentence says no more of a name's addresses than "private".
 * @throws RetryableError when DNS has no answer.
 */
export async function resolveAllowed(
  host: string,
  policy: OutboundPolicy,
  resolve: Resolve,
): Promise<readonly Answer[]> {
  const family = isIP(host)
  if (family !== 0) {
    checkLiteral(host, policy)
    return [{ address: host, family }]
  }
  const answers = await ask(host, resolve)
  const judged = answers.map((answer) => ({
    answer,
    verdict: judgeAddress(answer.address, policy, ownAddresses()),
  }))
  const allowed = judged.filter(({ verdict }) => verdict.allowed)
  const isWhole = allowed.length === judged.length
  if (isWhole || allowed.some(({ verdict }) => verdict.allowed && verdict.listed)) {
    return allowed.map(({ answer }) => answer)
  }
  const kinds = judged.flatMap(({ verdict }) => (verdict.allowed ? [] : [verdict.kind]))
  if (kinds.every((kind) => kind === 'denied')) {
    throw new PermanentError(`${host} is not called: OUTBOUND_DENY of this installation refuses its address`)
  }
  const reason = kinds.every((kind) => kind === ownKind)
    ? 'it leads back to the machine of this installation'
    : 'it has a private address'
  throw new PermanentError(`${host} is not called: ${reason}. ${remedy}`)
}

const remedy = 'The operator of this installation can allow it with OUTBOUND_ALLOW'

/** @throws PermanentError when an address that somebody wrote down is refused. */
export function checkLiteral(address: string, policy: OutboundPolicy): void {
  const verdict = judgeAddress(address, policy, ownAddresses())
  if (verdict.allowed) return
  throw verdict.denied
    ? new PermanentError(`${address} is not called: OUTBOUND_DENY of this installation refuses it`)
    : new PermanentError(
        `${address} is not called: it is not on the public internet (${verdict.kind}). ${remedy}`,
      )
}

async function ask(host: string, resolve: Resolve): Promise<readonly Answer[]> {
  // RFC 6761: these names are loopback, whatever a DNS server says of them.
  if (/(^|\.)localhost\.?$/i.test(host)) {
    return [
      { address: '127.0.0.1', family: 4 },
      { address: '::1', family: 6 },
    ]
  }
  try {
    const answers = await within(answerMaxMs, resolve(host))
    if (answers.length > 0) return answers
  } catch (error) {
    const { code } = error as { code?: string }
    throw new RetryableError(`the address of ${host} could not be found (${code ?? 'no answer in time'})`)
  }
  throw new RetryableError(`the address of ${host} could not be found (ENODATA)`)
}

/** Asks the system, hosts file included, once for all who want the same name at the same time. */
export function createSystemResolve(): Resolve {
  const asked = new Map<string, Promise<readonly Answer[]>>()
  return (hostname) => {
    const known = asked.get(hostname)
    if (known !== undefined) return known
    const answer = lookup(hostname, { all: true }).finally(() => asked.delete(hostname))
    asked.set(hostname, answer)
    return answer
  }
}
