import { setMaxListeners } from 'node:events'
import { RetryableError } from '../../src/errors.ts'

/**
 * A signal that aborts after a time, or with another one. Its reason is a RetryableError that says which. `end` has to be called:
 * it is cheaper than AbortSignal.any and AbortSignal.timeout, and fires no more once everything is done.
 */
export function limitTime(outer: AbortSignal, timeoutMs: number): { signal: AbortSignal; end: () => void } {
  const controller = new AbortController()
  const stop = () => controller.abort(new RetryableError('stopped, because the worker ends'))
  const timer = setTimeout(
    () => controller.abort(new RetryableError(`no answer within ${timeoutMs} ms`)),
    timeoutMs,
  )
  // One signal ends all calls of a worker: many listeners are no leak.
  setMaxListeners(0, outer)
  if (outer.aborted) stop()
  else outer.addEventListener('abort', stop, { once: true })
  return {
    signal: controller.signal,
    end: () => {
      clearTimeout(timer)
      outer.removeEventListener('abort', stop)
    },
  }
}
