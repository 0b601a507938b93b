import { describe, expect, it } from 'vitest'
import { PermanentError, RetryableError } from '../../../src/errors.ts'
import { createFlightCache } from '../../../worker/files/flight-cache.ts'

function start(entriesMax = 3) {
  const clock = { nowMs: 0 }
  const cache = createFlightCache<string>({
    entriesMax,
    valueMs: 1000,
    errorMs: 100,
    nowMs: () => clock.nowMs,
  })
  const loads: string[] = []
  const value = (name: string) => async () => {
    loads.push(name)
    return name
  }
  return { clock, cache, loads, value }
}

describe('createFlightCache', () => {
  it('loads once for all who ask at the same time, and keeps the value for its time', async () => {
    const { cache, clock, loads, value } = start()
    const load = value('a')
    expect(await Promise.all([1, 2, 3].map(() => cache.get('a', load)))).toEqual(['a', 'a', 'a'])
    clock.nowMs = 999
    await cache.get('a', load)
    expect(loads).toHaveLength(1)
    clock.nowMs = 1000
    await cache.get('a', load)
    expect(loads).toHaveLength(2)
  })

  it('keeps an error that is for good for a while, and one that may pass for a tenth of it', async () => {
    const { cache, clock } = start()
    for (const [error, keptMs] of [
      [new PermanentError('no'), 100],
      [new RetryableError('later'), 10],
    ] as const) {
      let count = 0
      const load = async () => {
        count += 1
        throw error
      }
      const startMs = clock.nowMs
      await expect(cache.get(error.message, load)).rejects.toBe(error)
      clock.nowMs = startMs + keptMs - 1
      await expect(cache.get(error.message, load)).rejects.toBe(error)
      expect(count).toBe(1)
      clock.nowMs = startMs + keptMs
      await expect(cache.get(error.message, load)).rejects.toBe(error)
      expect(count).toBe(2)
    }
  })

  it('holds no more entries than it may: the one used longest ago goes', async () => {
    const { cache, loads, value } = start(2)
    for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) await cache.get(key, value(key))
    expect(loads).toEqual(['a', 'b', 'c', 'b'])
  })

  it('lets one caller give up without the others noticing, and stops loading when the last one did', async () => {
    const { cache } = start()
    let stopped = false
    let finish = (_: string) => {}
    const load = (signal: AbortSignal) =>
      new Promise<string>((resolve, reject) => {
        finish = resolve
        signal.addEventListener('abort', () => {
          stopped = true
          reject(signal.reason)
        })
      })
    const [first, second] = [new AbortController(), new AbortController()]
    const gets = [cache.get('a', load, first.signal), cache.get('a', load, second.signal)]
    const failed = expect(gets[0]).rejects.toThrow('enough')
    first.abort(new Error('enough'))
    await failed
    expect(stopped).toBe(false)
    finish('a')
    expect(await gets[1]).toBe('a')

    const alone = cache.get('b', load, second.signal)
    const alsoFailed = expect(alone).rejects.toThrow('enough')
    second.abort(new Error('enough'))
    await alsoFailed
    expect(stopped).toBe(true)
    // Whoever comes now starts anew.
    const next = cache.get('b', load)
    finish('b')
    expect(await next).toBe('b')
  })
})
