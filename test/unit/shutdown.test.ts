import { describe, expect, it } from 'vitest'
import { createShutdown } from '../../src/shutdown.ts'
import { createWake } from '../../src/wake.ts'

describe('createShutdown', () => {
  it('aborts first, then runs callbacks in reverse order, once', async () => {
    const shutdown = createShutdown()
    const order: string[] = []
    shutdown.signal.addEventListener('abort', () => order.push('abort'))
    shutdown.add(() => order.push('database'))
    shutdown.add(async () => order.push('server'))
    await Promise.all([shutdown.run(), shutdown.run()])
    expect(order).toEqual(['abort', 'server', 'database'])
  })

  it('runs the rest when one callback fails, and says so afterwards', async () => {
    const shutdown = createShutdown()
    let closed = false
    shutdown.add(() => {
      closed = true
    })
    shutdown.add(() => Promise.reject(new Error('stuck')))
    await expect(shutdown.run()).rejects.toThrow('did not stop cleanly')
    expect(closed).toBe(true)
  })
})

describe('createWake', () => {
  const never = new AbortController().signal

  it('keeps a wake-up that came while nobody waited', async () => {
    const wake = createWake()
    wake.wake()
    await wake.wait(60_000, never)
  })

  it('wakes the one who waits', async () => {
    const wake = createWake()
    const waiting = wake.wait(60_000, never)
    wake.wake()
    await waiting
  })

  it('ends at once when the process stops', async () => {
    const controller = new AbortController()
    const waiting = createWake().wait(60_000, controller.signal)
    controller.abort()
    await waiting
  })
})
