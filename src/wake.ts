import { setTimeout as delay } from 'node:timers/promises'

/** Lets a loop sleep until there is something to do. A wake-up while nobody waits is kept for the next wait. */
export type Wake = {
  wake(): void
  /** Resolves at the next wake-up, after `timeoutMs`, or when `signal` aborts, whichever is first. */
  wait(timeoutMs: number, signal: AbortSignal): Promise<void>
}

export function createWake(): Wake {
  let pending = false
  let resolveWaiting: (() => void) | undefined
  return {
    wake: () => {
      pending = true
      resolveWaiting?.()
    },
    wait: async (timeoutMs, signal) => {
      if (!pending && !signal.aborted) {
        const timer = new AbortController()
        const either = AbortSignal.any([signal, timer.signal])
        await Promise.race([
          new Promise<void>((resolve) => {
            resolveWaiting = resolve
          }),
          delay(timeoutMs, undefined, { signal: either }).catch(() => {}),
        ])
        timer.abort()
        resolveWaiting = undefined
      }
      pending = false
    },
  }
}
