import { PermanentError } from '../../src/errors.ts'

export type FlightCache<Value> = {
  /**
   * The value of a key: kept, being loaded for somebody else, or loaded now. `load` is stopped once nobody waits for it.
   *
   * @throws what `load` threw (also kept, for a short while), or the signal's reason when this caller gives up.
   */
  get(key: string, load: (signal: AbortSignal) => Promise<Value>, signal?: AbortSignal): Promise<Value>
}

type Entry<Value> = {
  promise: Promise<Value>
  controller: AbortController
  waiting: number
  /** undefined while it is being loaded. */
  freshUntilMs: number | undefined
}

export type FlightCacheOptions = {
  /** The ones used longest ago go first. */
  entriesMax: number
  valueMs: number
  /** For a PermanentError. Any other error is kept a tenth of it: long enough for a burst, too short to delay a retry. */
  errorMs: number
  nowMs?: () => number
}

/** Keeps what was loaded for a while, in bounded number, and loads each key once however many ask for it at the same time. */
export function createFlightCache<Value>(options: FlightCacheOptions): FlightCache<Value> {
  const { entriesMax, valueMs, errorMs, nowMs = () => performance.now() } = options
  const entries = new Map<string, Entry<Value>>()

  const start = (load: (signal: AbortSignal) => Promise<Value>): Entry<Value> => {
    const controller = new AbortController()
    const entry: Entry<Value> = {
      promise: load(controller.signal),
      controller,
      waiting: 0,
      freshUntilMs: undefined,
    }
    entry.promise.then(
      () => {
        entry.freshUntilMs = nowMs() + valueMs
      },
      (error) => {
        entry.freshUntilMs = nowMs() + (error instanceof PermanentError ? errorMs : errorMs / 10)
      },
    )
    return entry
  }

  return {
    get: async (key, load, signal) => {
      signal?.throwIfAborted()
      let entry = entries.get(key)
      entries.delete(key)
      if (entry?.freshUntilMs !== undefined && entry.freshUntilMs <= nowMs()) entry = undefined
      entry ??= start(load)
      // At the end of the map's order: used last.
      entries.set(key, entry)
      for (const oldest of entries.keys()) {
        if (entries.size <= entriesMax) break
        entries.delete(oldest)
      }

      entry.waiting += 1
      try {
        return await unlessAborted(entry.promise, signal)
      } finally {
        entry.waiting -= 1
        // Not there yet, and everybody has given up.
        if (entry.waiting === 0 && entry.freshUntilMs === undefined) {
          if (entries.get(key) === entry) entries.delete(key)
          entry.controller.abort()
        }
      }
    },
  }
}

async function unlessAborted<Value>(
  promise: Promise<Value>,
  signal: AbortSignal | undefined,
): Promise<Value> {
  if (signal === undefined) return promise
  let stop = () => {}
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
