import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import type { Database } from '../db.ts'
import { describeError } from '../errors.ts'
import type { Log } from '../log.ts'
import { asUser } from '../store/as-user.ts'
import { readHorizon, readStream } from '../store/stream.ts'
import { type Change, streamKinds, toData } from '../stream/change.ts'
import { formatMessage } from '../stream/format-message.ts'
import type { Position } from '../stream/position.ts'
import { createWake } from '../wake.ts'

/** One client, as the reader of changes sees it. None of these waits for anything. */
export type HubClient = {
  userId: string
  wants(change: Change): boolean
  put(message: string, position: Position): void
  /** Everything up to there that the client wants has been put. */
  advance(position: Position): void
}

export type StreamHub = {
  /** From the position that it resolves to on, the client hears of everything. */
  join(client: HubClient): Promise<Position>
  leave(client: HubClient): void
}

/** How long something new can wait for being noticed. NOTIFY comes earlier where there is one; this finds the rest. */
const pollMs = 200
/** Between two looks, however often one is called: what came meanwhile is read together. */
const pauseMs = 20
const retryMs = 1000
/** What is put before the clients get a turn to take it. */
const turnBytes = 32 * 1024

/** Reads what is new once for all clients of the process, and only while there are any. */
export function createStreamHub({ db, log }: { db: Database; log: Log }): StreamHub {
  const clients = new Set<HubClient>()
  let joining: { client: HubClient; joined: (position: Position) => void }[] = []
  const wake = createWake()
  const never = new AbortController().signal
  let running = false
  let listening = false

  const listen = () => {
    if (listening) return
    listening = true
    for (const channel of ['new_event', 'delivery_pending']) {
      db.listen(channel, wake.wake).catch((error: unknown) => {
        listening = false
        log.warn(
          { channel, error: describeError(error) },
          'the stream is not told of what is new: it looks by itself',
        )
      })
    }
  }

  const step = async (position: Position): Promise<{ position: Position; more: boolean }> => {
    // Who joins while this reads is told of what comes after it.
    const told = [...clients]
    const page = await readStream({
      feed: db,
      asUser: (userId) => asUser(db, userId),
      after: position,
      kinds: streamKinds,
      users: [...new Set(told.map(({ userId }) => userId))],
    })
    let untaken = 0
    for (const change of page.changes) {
      let message: string | undefined
      // Who reads quickly takes what was put in between: a page of large events is not more than all of them can hold.
      if (untaken > turnBytes) {
        untaken = 0
        await nextTurn()
      }
      for (const client of told) {
        if (change.kind !== 'event' && change.userId !== client.userId) continue
        if (!client.wants(change)) continue
        message ??= formatMessage(change.kind, change.position, toData(change))
        client.put(message, change.position)
      }
      untaken += message?.length ?? 0
    }
    for (const client of told) client.advance(page.position)
    return page
  }

  const run = async () => {
    let position: Position | undefined
    while (clients.size + joining.length > 0) {
      try {
        position ??= (await readHorizon(db)).now
        for (const { client, joined } of joining) {
          clients.add(client)
          joined(position)
        }
        joining = []
        const page = await step(position)
        position = page.position
        if (page.more) continue
      } catch (error) {
        log.warn({ error: describeError(error) }, 'the stream cannot read what is new; tried again')
        await delay(retryMs)
      }
      await delay(pauseMs)
      if (joining.length === 0) await wake.wait(pollMs, never)
    }
    running = false
  }

  return {
    join: (client) =>
      new Promise((joined) => {
        joining.push({ client, joined })
        listen()
        wake.wake()
        if (running) return
        running = true
        void run()
      }),
    leave: (client) => {
      clients.delete(client)
      joining = joining.filter((waiting) => waiting.client !== client)
    },
  }
}
