import { describe, expect, test } from 'vitest'
import { findStall, type WatchState } from '../../indexer/watchdog.ts'

/** What the watchdog sees of chain 1, a line a look: the second, the head, our block, the second of its last change. */
function watch(looks: [second: number, head: number, block: number, updatedAt: number][]) {
  const state: WatchState = new Map()
  return looks.map(([second, head, block, updatedAt]) =>
    findStall(state, [{ chainId: 1, head, block, updatedAtMs: updatedAt * 1000 }], second * 1000),
  )
}

describe('a stall', () => {
  test('is a checkpoint that stands for a minute while blocks come', () => {
    expect(
      watch([
        [0, 10, 10, 0],
        [5, 11, 10, 0],
        [60, 20, 10, 0],
        [65, 21, 10, 0],
      ]),
    ).toEqual([undefined, undefined, undefined, 1])
  })

  test('is not a chain that stands still, however far we are behind: Ponder waits for its next block', () => {
    expect(
      watch([
        [0, 10, 3, 0],
        [70, 10, 3, 0],
        [140, 10, 3, 0],
      ]),
    ).toEqual([undefined, undefined, undefined])
  })

  test('is not a checkpoint that moves slowly', () => {
    expect(
      watch([
        [0, 10, 10, 0],
        [5, 20, 10, 0],
        [50, 30, 11, 45],
        [100, 40, 12, 95],
        [150, 50, 13, 145],
      ]),
    ).toEqual([undefined, undefined, undefined, undefined, undefined])
  })

  test('is found on the chain that has it', () => {
    const state: WatchState = new Map()
    const look = (second: number, head: number, block: number) =>
      findStall(
        state,
        [
          { chainId: 1, head: block, block, updatedAtMs: second * 1000 },
          { chainId: 2, head, block: 5, updatedAtMs: 0 },
        ],
        second * 1000,
      )
    expect([look(0, 5, 1), look(5, 6, 2), look(65, 7, 3)]).toEqual([undefined, undefined, 2])
  })
})
