import { setTimeout as delay } from 'node:timers/promises'
import type { MiddlewareHandler } from 'hono'
import { openDatabase } from '../db.ts'
import { describeError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { UsedKey } from '../store/api-keys.ts'

export type KnownKeys = {
  /** What is known of the key with this hash, or else what `look` finds, which is then known for a while. */
  find(hash: Buffer, look: () => Promise<UsedKey | undefined>): Promise<UsedKey | undefined>
  /** For what this process has changed itself, so that nobody waits to be told. */
  forget(): void
  close(): Promise<void>
}

/** The longest that a revoked key can work on, where nothing tells this process of it (docs/accounts.md). */
const lifeMs = 5_000
const keysMax = 10_000
const channel = 'key_changes'

/**
 * Keys that were found good in the last five seconds. Everything is forgotten when a database trigger (migrations/0026) tells of a change of
 * keys or users, and nothing is remembered while it could not: before the listening connection stands, and from when it is lost.
 *
 * @param options.now in ms, for tests.
 */
export function createKnownKeys(
  url: string,
  log: Log,
  { now = () => performance.now() }: { now?: () => number } = {},
): KnownKeys {
  const known = new Map<string, { key: UsedKey; untilMs: number }>()
  const closing = new AbortController()
  let isListening = false
  let isTold = false
  /** Counts what was told. What was looked up before may be older than what was told since. */
  let told = 0

  const forget = () => {
    told += 1
    known.clear()
  }
  const open = () => {
    let isLost = false
    const lose = () => {
      if (isLost) return
      isLost = true
      isListening = false
      forget()
      void db.end({ timeout: 0 })
      if (!closing.signal.aborted)
        void delay(1_000, undefined, { signal: closing.signal, ref: false }).then(listen, () => {})
    }
    const db = openDatabase(url, {
      name: 'api keys',
      connectionsMax: 1,
      keepsSession: true,
      onClose: lose,
      onNotify: forget,
    })
    return { db, lose, isLost: () => isLost }
  }
  let connection: ReturnType<typeof open>
  const listen = async () => {
    const opened = open()
    connection = opened
    try {
      await opened.db.unsafe(`listen ${channel}`)
      if (opened.isLost()) return
      forget()
      isListening = true
      isTold = false
    } catch (error) {
      opened.lose()
      if (closing.signal.aborted || isTold) return
      isTold = true
      log.warn(
        { error: describeError(error) },
        'keys are looked up at every request: nothing tells of their changes',
      )
    }
  }
  void listen()

  const find: KnownKeys['find'] = async (hash, look) => {
    if (!isListening) return look()
    const name = hash.toString('base64')
    const found = known.get(name)
    const beganMs = now()
    if (found !== undefined && beganMs < found.untilMs) return found.key
    const before = told
    const key = await look()
    if (told !== before || !isListening) return key
    known.delete(name)
    if (key === undefined) return undefined
    const oldest = known.size >= keysMax ? known.keys().next().value : undefined
    if (oldest !== undefined) known.delete(oldest)
    // Not by the clock of this machine, which may differ from that of the database.
    known.set(name, { key, untilMs: beganMs + Math.min(lifeMs, key.lives_ms ?? lifeMs) })
    return key
  }
  const close = async () => {
    closing.abort()
    isListening = false
    forget()
    await connection.db.end({ timeout: 0 })
  }
  return { find, forget, close }
}

/** What these routes change is refused by this process before they have answered. */
export function forgetChangedKeys(knownKeys: KnownKeys): MiddlewareHandler {
  return async (c, next) => {
    await next()
    if (c.req.method !== 'GET' && /^\/v1\/(keys|auth|me|admin)\b/.test(c.req.path)) knownKeys.forget()
  }
}
