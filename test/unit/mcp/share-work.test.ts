import { expect, it } from 'vitest'
import { shareWork } from '../../../worker/mcp/share-work.ts'

const never = new AbortController().signal

it('is begun once for all who wait', async () => {
  let begun = 0
  const wait = shareWork(async () => ++begun)
  expect(await Promise.all([wait(never), wait(never), wait(never)])).toEqual([1, 1, 1])
  expect(await wait(never)).toBe(1)
})

it('goes on while anybody waits, and is aborted when the last one leaves', async () => {
  let inner: AbortSignal | undefined
  const wait = shareWork(
    (signal) =>
      new Promise<never>(() => {
        inner = signal
      }),
  )
  const [first, second] = [new AbortController(), new AbortController()]
  const waits = [wait(first.signal), wait(second.signal)]
  first.abort(new Error('first'))
  await expect(waits[0]).rejects.toThrow('first')
  expect(inner?.aborted).toBe(false)
  second.abort(new Error('second'))
  await expect(waits[1]).rejects.toThrow('second')
  expect(inner?.aborted).toBe(true)
})

it('is not aborted once it is done', async () => {
  let inner: AbortSignal | undefined
  const wait = shareWork(async (signal) => {
    inner = signal
  })
  await wait(never)
  expect(inner?.aborted).toBe(false)
})

it('tells everybody of a failure', async () => {
  const wait = shareWork(() => Promise.reject(new Error('no')))
  await expect(wait(never)).rejects.toThrow('no')
  await expect(wait(never)).rejects.toThrow('no')
})
