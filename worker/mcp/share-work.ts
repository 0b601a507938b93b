/**
 * Begins work that several wait for. Each waits until its own signal aborts; the work goes on while anybody waits, and is
 * aborted when the last one has left.
 *
 * @returns how to wait for it.
 */
export function shareWork<Value>(
  begin: (signal: AbortSignal) => Promise<Value>,
): (signal: AbortSignal) => Promise<Value> {
  const controller = new AbortController()
  let waiting = 0
  let settled = false
  const work = begin(controller.signal).finally(() => {
    settled = true
  })
  // Whoever waits hears of it; when nobody does, nobody has to.
  work.catch(() => {})
  return async (signal) => {
    waiting += 1
    try {
      return await unlessAborted(work, signal)
    } finally {
      waiting -= 1
      if (waiting === 0 && !settled) controller.abort(new Error('nobody waits for it any more'))
    }
  }
}

/** @throws the signal's reason as soon as it aborts. */
export function unlessAborted<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
