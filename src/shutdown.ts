/** One per process: what must end is registered where it is started, and ends in the reverse order. */
export type Shutdown = {
  /** Aborts as soon as the process should stop. Loops and waits listen to it. */
  signal: AbortSignal
  /** Registers a callback to run on the way down. Later ones run first. */
  add(callback: () => unknown): void
  /** Stops everything, once; repeated calls return the same promise. A failing callback does not keep the others from running. */
  run(): Promise<void>
}

export function createShutdown(): Shutdown {
  const controller = new AbortController()
  const callbacks: (() => unknown)[] = []
  let running: Promise<void> | undefined

  const runAll = async () => {
    controller.abort()
    const errors: unknown[] = []
    for (let callback = callbacks.pop(); callback; callback = callbacks.pop()) {
      try {
        await callback()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'Some parts did not stop cleanly')
  }

  return {
    signal: controller.signal,
    add: (callback) => void callbacks.push(callback),
    run: () => {
      running ??= runAll()
      return running
    },
  }
}
