import type { Position } from './position.ts'

export type OutboxLimits = { bytesMax: number; messagesMax: number }

/** What waits to be taken by one client. Bounded: what does not fit is refused, and it is for the caller to end the stream then. */
export type Outbox = {
  /** `false`: it is full. */
  put(message: string, position: Position): boolean
  /** The oldest messages, joined, up to some 64 KB, and the position of the last of them. */
  take(after: (position: Position) => boolean): { text: string; position: Position } | undefined
  clear(): void
}

const takenBytesMax = 64 * 1024

export function createOutbox({ bytesMax, messagesMax }: OutboxLimits): Outbox {
  let waiting: { message: string; position: Position }[] = []
  let first = 0
  let bytes = 0
  const clear = () => {
    waiting = []
    first = 0
    bytes = 0
  }
  return {
    put: (message, position) => {
      // A single one always fits: it would never, otherwise.
      const isFull = waiting.length - first >= messagesMax || bytes + message.length > bytesMax
      if (isFull && bytes > 0) return false
      waiting.push({ message, position })
      bytes += message.length
      return true
    },
    take: (after) => {
      let text = ''
      let last: Position | undefined
      for (
        let next = waiting[first];
        next !== undefined && text.length < takenBytesMax;
        next = waiting[first]
      ) {
        first += 1
        bytes -= next.message.length
        if (!after(next.position)) continue
        text += next.message
        last = next.position
      }
      if (first === waiting.length) clear()
      // An array that only grows at its end would keep what was taken for ever.
      else if (first > 1000) {
        waiting = waiting.slice(first)
        first = 0
      }
      return last === undefined ? undefined : { text, position: last }
    },
    clear,
  }
}
