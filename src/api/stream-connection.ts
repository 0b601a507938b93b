import type { Database } from '../db.ts'
import { describeError } from '../errors.ts'
import type { Log } from '../log.ts'
import { asUser } from '../store/as-user.ts'
import { readStream } from '../store/stream.ts'
import { type StreamKind, toData } from '../stream/change.ts'
import { formatHeartbeat, formatMessage } from '../stream/format-message.ts'
import { createOutbox, type OutboxLimits } from '../stream/outbox.ts'
import { passesFilter, type StreamFilter } from '../stream/passes-filter.ts'
import { comparePositions, encodePosition, type Position } from '../stream/position.ts'
import { createWake } from '../wake.ts'
import type { HubClient, StreamHub } from './stream-hub.ts'

export type ConnectionLimits = OutboxLimits & {
  /** Between two signs of life, and between two looks whether the credential still holds. */
  heartbeatMs: number
  /** How long a client that was dropped has to take what says so. */
  farewellMs: number
}

export type ConnectionOptions = {
  hub: StreamHub
  db: Database
  log: Log
  userId: string
  kinds: readonly StreamKind[]
  filter: StreamFilter
  /** Where to begin; `undefined`: now. */
  after: Position | undefined
  since: Date | undefined
  /** `false`: ends when everything up to now has been told. */
  follow: boolean
  /** What is said first. */
  greeting: (position: Position) => string
  /** Why the credential does not hold any more; `undefined`: it does. */
  refused: () => Promise<string | undefined>
  limits: ConnectionLimits
  signal: AbortSignal
  /** Breaks the connection off. */
  destroy: () => void
  onEnd: () => void
}

/**
 * What one client reads: what it has missed, by pages of its own, until it has come to where the hub is; then what the hub brings. It is
 * made as it is taken, so that a slow client makes nobody wait; the hub's part waits in an outbox that is bounded.
 */
export function openConnection(options: ConnectionOptions): ReadableStream<Uint8Array> {
  const { hub, db, log, userId, kinds, filter, limits, signal, since } = options
  const outbox = createOutbox(limits)
  const encoder = new TextEncoder()
  const wake = createWake()
  const closed = new AbortController()
  /** Everything up to there was handed over. */
  let position = options.after
  let isLive = false
  /** How far the hub is: with an empty outbox, the client is there too. */
  let hubPosition: Position | undefined
  /** Where the hub was when this client joined: what comes from it lies behind that. */
  let joinedAt: Position | undefined
  let isGreeted = false
  let isHeartbeatDue = false
  let last: { name: string; reason: string; complete?: true } | undefined

  const end = (name: string, reason: string, more: { complete?: true } = {}) => {
    last ??= { name, reason, ...more }
    outbox.clear()
    wake.wake()
  }
  const client: HubClient = {
    userId,
    wants: (change) => last === undefined && passesFilter(change, kinds, filter),
    put: (message, at) => {
      if (last !== undefined) return
      if (!outbox.put(message, at)) {
        end(
          'dropped',
          'This client reads more slowly than things happen. Connect again: what was missed comes then.',
        )
        log.info({ user_id: userId }, 'a client of the stream was too slow')
        // It may have stopped reading altogether, and hears of nothing then.
        setTimeout(() => {
          if (!closed.signal.aborted) options.destroy()
          finish()
        }, limits.farewellMs).unref()
      }
      wake.wake()
    },
    advance: (at) => {
      hubPosition = at
    },
  }

  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  const finish = () => {
    if (closed.signal.aborted) return
    closed.abort()
    clearInterval(timer)
    signal.removeEventListener('abort', onShutdown)
    hub.leave(client)
    outbox.clear()
    try {
      controller?.close()
    } catch {
      // It was cancelled by whoever read it.
    }
    options.onEnd()
  }
  const onShutdown = () => end('ended', 'The server is going down. Connect again.')
  const timer = setInterval(() => {
    isHeartbeatDue = true
    wake.wake()
    options.refused().then(
      (reason) => reason !== undefined && end('ended', reason),
      (error: unknown) => log.warn({ error: describeError(error) }, 'a credential could not be looked up'),
    )
  }, limits.heartbeatMs)
  signal.addEventListener('abort', onShutdown)
  if (signal.aborted) onShutdown()

  /** What the client has missed; `undefined`: there was nothing for it on this page. */
  const readPage = async (after: Position) => {
    const own = asUser(db, userId)
    const page = await readStream({ feed: own, asUser: () => own, after, kinds, users: [userId], since })
    const text = page.changes
      .filter((change) => passesFilter(change, kinds, filter))
      .map((change) => formatMessage(change.kind, change.position, toData(change)))
      .join('')
    position = page.position
    return { text, more: page.more }
  }

  /** What comes next, as soon as there is something. */
  const next = async (): Promise<string> => {
    for (;;) {
      if (last !== undefined) return ''
      if (position === undefined) position = await hub.join(client)
      if (!isGreeted) {
        isGreeted = true
        // Who begins now has joined already, and meets the hub at once.
        isLive = options.after === undefined
        return options.greeting(position)
      }
      if (!isLive) {
        const { text, more } = await readPage(position)
        if (!more && !options.follow) end('ended', 'This was everything up to now.', { complete: true })
        // What happens from here on comes from the hub; what lies between is read in another round.
        else if (!more) joinedAt ??= await hub.join(client)
        isLive = joinedAt !== undefined && comparePositions(position, joinedAt) >= 0
        if (text !== '') return text
      } else {
        const from = position
        const taken = outbox.take((at) => comparePositions(at, from) > 0)
        if (taken !== undefined) {
          position = taken.position
          return taken.text
        }
        if (hubPosition !== undefined && comparePositions(hubPosition, position) > 0) position = hubPosition
        else if (!isHeartbeatDue) await wake.wait(limits.heartbeatMs, closed.signal)
        if (closed.signal.aborted) return ''
      }
      if (isHeartbeatDue) {
        isHeartbeatDue = false
        return formatHeartbeat(position)
      }
    }
  }

  return new ReadableStream<Uint8Array>(
    {
      start: (given) => {
        controller = given
      },
      pull: async (given) => {
        let text = ''
        try {
          text = await next()
        } catch (error) {
          log.warn({ error: describeError(error) }, 'a client of the stream cannot be served')
          end('ended', 'Something went wrong on our side. Connect again.')
        }
        if (closed.signal.aborted) return
        if (text !== '') given.enqueue(encoder.encode(text))
        else if (last !== undefined) {
          const resume_from = position === undefined ? null : encodePosition(position)
          const { name, ...about } = last
          given.enqueue(encoder.encode(formatMessage(name, position, { ...about, resume_from })))
          finish()
        }
      },
      cancel: () => finish(),
    },
    // Nothing is made before it is asked for: what is not yet handed over can still be taken back when the client is dropped.
    { highWaterMark: 0 },
  )
}
