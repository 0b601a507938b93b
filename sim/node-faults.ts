import type { Random } from '../src/dev/random.ts'
import type { FakeBlock, FakeChain } from './fake-chain.ts'

/** How one request over HTTP goes wrong. */
export type HttpFault =
  | { kind: 'slow' | 'hang'; delayMs: number }
  | { kind: 'refuse' }
  /** 200 is an error in JSON-RPC's own words. */
  | { kind: 'fail'; status: number }
  /** Answered by a node that has stopped listening, on a branch that may have lost by now. */
  | { kind: 'stuck'; tip: FakeBlock; born: number; forgetful: boolean }
  /** The newest block is said to be one that does not exist. */
  | { kind: 'ghost'; ahead: number }
  /** The newest block is said to be an older one. */
  | { kind: 'behind'; blocks: number }

/** How the WebSocket goes wrong. */
export type WebSocketFault = {
  refused: boolean
  silent: boolean
  repeats: boolean
  repeatsParent: boolean
  delayMs: number
}

export const httpFaultKinds = ['slow', 'hang', 'refuse', 'fail', 'stuck', 'ghost', 'behind'] as const
export const webSocketFaultKinds = ['refused', 'silent', 'repeats', 'late'] as const
export type FaultKind = (typeof httpFaultKinds)[number] | (typeof webSocketFaultKinds)[number]

/** A fault that holds for a while: of `share` of the requests. */
export type Fault = { kind: FaultKind; share: number; durationMs: number; size: number }

const stuckBlocksMax = 40

export type NodeFaults = {
  begin(fault: Fault): void
  endAll(): void
  forRequest(): HttpFault | undefined
  forSocket(): WebSocketFault
}

export function createNodeFaults(chain: FakeChain, random: Random): NodeFaults {
  type Running = Fault & { untilMs: number; tip: FakeBlock; born: number }
  let running: Running[] = []
  const current = () => {
    const nowMs = Date.now()
    running = running.filter(({ untilMs }) => untilMs > nowMs)
    return running
  }
  const toHttpFault = ({ kind, size, tip, born, untilMs }: Running): HttpFault | undefined => {
    switch (kind) {
      case 'slow':
        return { kind, delayMs: random.integer(10, 100 + 40 * size) }
      case 'hang':
        // Until the fault ends and a little longer, and then the connection is cut.
        return { kind, delayMs: untilMs - Date.now() + 50 }
      case 'refuse':
        return { kind }
      case 'fail':
        return { kind, status: random.pick([200, 500, 502, 503]) }
      case 'stuck':
        // Further behind than finality it would leave out logs of final blocks, which nobody could notice.
        return chain.head().number - tip.number > stuckBlocksMax
          ? undefined
          : { kind, tip, born, forgetful: size % 2 === 0 }
      case 'ghost':
        return { kind, ahead: 1 + (size % 3) }
      case 'behind':
        return { kind, blocks: random.integer(0, size) }
      default:
        return undefined
    }
  }
  return {
    begin: (fault) => {
      running.push({
        ...fault,
        untilMs: Date.now() + fault.durationMs,
        tip: chain.head(),
        born: chain.born(),
      })
    },
    endAll: () => {
      running = []
    },
    forRequest: () => {
      for (const fault of current()) {
        if (random.next() >= fault.share) continue
        const found = toHttpFault(fault)
        if (found !== undefined) return found
      }
      return undefined
    },
    forSocket: () => {
      const has = (kind: FaultKind) =>
        current().some((fault) => fault.kind === kind && random.next() < fault.share)
      return {
        refused: has('refused'),
        silent: has('silent'),
        repeats: has('repeats'),
        repeatsParent: has('repeats'),
        delayMs: has('late') ? random.integer(50, 2000) : 0,
      }
    },
  }
}
