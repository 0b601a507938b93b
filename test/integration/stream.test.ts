import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createApp } from '../../src/api/app.ts'
import { type Listening, listen } from '../../src/api/listen.ts'
import type { StreamLimits } from '../../src/api/stream.ts'
import { type Database, openDatabase, type Transaction } from '../../src/db.ts'
import type { RegistryEvent } from '../../src/event.ts'
import { createLog } from '../../src/log.ts'
import { maintainOnce } from '../../src/maintenance.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { keyScopes, type Scope } from '../../src/scopes.ts'
import { createUser } from '../../src/store/accounts.ts'
import { createKey, revokeKey } from '../../src/store/api-keys.ts'
import { ensureUser } from '../../src/store/triggers.ts'
import { encodePosition } from '../../src/stream/position.ts'
import { sampleEvent } from '../support/events.ts'
import { setEventStatus } from '../support/insert-events.ts'
import { readSse, type SseConnection, type SseMessage } from '../support/read-sse.ts'
import { testSecrets } from '../support/secrets.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

type Server = { url: string; stop(): Promise<void>; abort(): void }

let database: TestDatabase
let db: Database
let ann: string
let bob: string
let annsKey: string
let bobsKey: string
let annsTrigger: string
let bobsTrigger: string
const servers: Server[] = []
const connections: SseConnection[] = []

/** An API as in a process of its own: with its own pool, and its own reader of what is new. */
async function startServer(stream: Partial<StreamLimits> = {}): Promise<Server> {
  const pool = openDatabase(database.url, { name: 'stream test api' })
  const stopping = new AbortController()
  const app = createApp({
    db: pool,
    log: createLog({ level: 'silent', format: 'json' }, 'test'),
    secrets: testSecrets,
    token: 'the-token-of-the-installation',
    userId: await ensureUser(pool, 'bootstrap'),
    stream,
    signal: stopping.signal,
  })
  const listening: Listening = await listen(app, { host: '127.0.0.1', port: 0 })
  let stopped: Promise<void> | undefined
  const server = {
    url: `${listening.url}/v1/stream`,
    abort: () => stopping.abort(),
    stop: () => {
      stopping.abort()
      stopped ??= listening.close().then(() => pool.end({ timeout: 5 }))
      return stopped
    },
  }
  servers.push(server)
  return server
}

async function keyOf(userId: string, scopes: readonly Scope[] = keyScopes) {
  const key = await createKey(db, userId, { name: 'k', scopes: [...scopes], expiresAt: null })
  if (key === undefined) throw new Error('no key')
  return key
}

async function makeTrigger(userId: string): Promise<string> {
  const [row] = await db`
    insert into triggers (user_id, name, chain_id, registry) values (${userId}, 'T', 31337, 'reputation') returning id`
  const config = {
    url: 'http://127.0.0.1:9/',
    method: 'POST',
    headers: {},
    timeout_ms: 5_000,
    max_attempts: 8,
  }
  await db`
    insert into trigger_actions (trigger_id, position, action_type, priority, config)
    values (${row?.id}, 0, 'rest', 1, ${db.json(config)})`
  return String(row?.id)
}

let blocks = 1000
function nextEvent(fields: Partial<RegistryEvent> = {}): RegistryEvent {
  blocks += 1
  return sampleEvent('NewFeedback', {
    id: `31337-${blocks}-0-0123456789abcdef`,
    block_number: blocks,
    occurrence: `o-${blocks}`,
    ...fields,
  })
}

async function writeEvents(to: Database | Transaction, events: readonly RegistryEvent[]): Promise<void> {
  const rows = events.map(({ seq: _, ...event }) => ({ ...event, topics: [], data: '0x' }))
  await to`insert into events ${to(rows as never)}`
}

/** A match with one delivery, as the matcher writes them. Returns the id of the delivery. */
/** A change is told when every transaction of the server that began before it has ended: also those of other tests. */
async function untilTold(): Promise<void> {
  await until('it can be told', async () => {
    const [held] = await db`
      select from stream_changes where xact_id >= pg_snapshot_xmin(pg_current_snapshot()) limit 1`
    return held === undefined
  })
}

async function writeMatch(to: Database | Transaction, triggerId: string): Promise<string> {
  const [row] = await to`
    with decided as (
      insert into matches (trigger_id, trigger_version, chain_id, occurrence, event_id, block_number, block_time, evidence)
      values (${triggerId}, 1, 31337, gen_random_uuid()::text, 'e', 1, now(), '[]') returning *
    )
    insert into deliveries (match_id, trigger_id, action_id, chain_id, occurrence, event_id, block_time, action_type, priority, destination_id)
    select m.id, m.trigger_id, a.id, m.chain_id, m.occurrence, m.event_id, m.block_time, 'rest', 1, a.destination_id
    from decided m join trigger_actions a on a.trigger_id = m.trigger_id
    returning id`
  return String(row?.id)
}

/** What a client hears, from when it is connected. */
async function follow(
  url: string,
  options: { token?: string; lastEventId?: string; query?: string } = {},
): Promise<{ heard: SseMessage[]; text: () => string; connection: SseConnection; lastId: () => string }> {
  const heard: SseMessage[] = []
  let text = ''
  let lastId = ''
  const connection = await readSse(`${url}${options.query ?? ''}`, {
    token: options.token ?? annsKey,
    lastEventId: options.lastEventId,
    onMessage: (message) => heard.push(message),
    onText: (more) => {
      text += more
    },
    onId: (id) => {
      lastId = id
    },
  })
  connections.push(connection)
  if (connection.status === 200)
    await until('the stream begins', () => heard.some(({ event }) => event === 'ready'))
  return { heard, text: () => text, connection, lastId: () => lastId }
}

type Subject = { id: string; trigger_id: string }
const subjectOf = ({ event, data }: SseMessage) => (data as unknown as Record<string, Subject>)[event]
const told = (heard: readonly SseMessage[]) =>
  heard
    .filter(({ event }) => ['event', 'match', 'delivery'].includes(event))
    .map((message) => `${message.event} ${message.data.change} ${subjectOf(message)?.id}`)
const named = (heard: readonly SseMessage[], name: string) => heard.filter(({ event }) => event === name)

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'stream test', connectionsMax: 16 })
  for (const name of ['ann', 'bob']) await createUser(db, { username: name, passwordHash: null })
  const users = await db<{ id: string; username: string }[]>`select id, username from users`
  ann = users.find(({ username }) => username === 'ann')?.id ?? ''
  bob = users.find(({ username }) => username === 'bob')?.id ?? ''
  annsKey = (await keyOf(ann)).key
  bobsKey = (await keyOf(bob)).key
  annsTrigger = await makeTrigger(ann)
  bobsTrigger = await makeTrigger(bob)
})

afterEach(async () => {
  for (const connection of connections.splice(0)) connection.destroy()
  await Promise.all(servers.splice(0).map((server) => server.stop()))
})

afterAll(async () => {
  await db?.end()
  await database?.drop()
})

describe('a client that is cut off', () => {
  test('100 times during 10,000 events, now by one process and now by another, hears of each exactly once, and of nothing of others', {
    timeout: 60_000,
  }, async () => {
    const [one, two] = [await startServer({ perUser: 30 }), await startServer({ perUser: 30 })]
    const wanted = new Set<string>()
    const eventsMax = 10_000
    const cutsMax = 100

    const heard: string[] = []
    const ids: string[] = []
    let lastEventId: string | undefined
    let cuts = 0
    let connected = 0
    const heardEvents = () => heard.length
    const client = async (isDone: () => boolean) => {
      const done = until('everything is heard', isDone, 55_000).then(() => 'done')
      while (!isDone()) {
        connected += 1
        const connection = await readSse((connected % 2 === 0 ? one : two).url, {
          token: annsKey,
          lastEventId,
          // From within the greeting to dozens of events later.
          ...(cuts < cutsMax ? { cutAfterBytes: randomInt(1, 160_000) } : {}),
          onMessage: (message) => {
            if (message.event === 'ready') return
            heard.push(`${message.event} ${message.data.change} ${subjectOf(message)?.id}`)
            ids.push(message.id)
          },
          onId: (id) => {
            lastEventId = id
          },
        })
        expect(connection.status).toBe(200)
        if ((await Promise.race([connection.ended, done])) === 'done') connection.destroy()
        else cuts += 1
      }
    }

    // From here on everything counts, whether the client has come by then or not.
    const first = await follow(one.url)
    lastEventId = first.lastId()
    first.connection.destroy()

    let written = 0
    let rolledBack = 0
    const writer = async () => {
      while (written < eventsMax) {
        // Not far ahead of the client: it is cut off while it hears of what is new, too, not only while it catches up.
        if (written > 1000 + cuts * 100) {
          await delay(5)
          continue
        }
        const batch = Array.from({ length: Math.min(randomInt(1, 50), eventsMax - written) }, () =>
          nextEvent(),
        )
        written += batch.length
        const isLost = randomInt(20) === 0
        const mine: string[] = []
        await db
          .begin(async (tx) => {
            // The numbers are given here; the commit comes in another order.
            const half = Math.ceil(batch.length / 2)
            await writeEvents(tx, batch.slice(0, half))
            await delay(randomInt(0, 25))
            if (batch.length > half) await writeEvents(tx, batch.slice(half))
            if (isLost) throw new Error('rolled back')
            if (randomInt(5) === 0) {
              mine.push(await writeMatch(tx, annsTrigger))
              await writeMatch(tx, bobsTrigger)
            }
            await delay(randomInt(0, 25))
          })
          .catch((error: Error) => {
            if (error.message !== 'rolled back') throw error
          })
        if (isLost) {
          rolledBack += batch.length
          written -= batch.length
          continue
        }
        for (const event of batch) wanted.add(`event arrived ${event.id}`)
        for (const id of mine) {
          wanted.add(`delivery created ${id}`)
          await db`update deliveries set state = 'running' where id = ${id}`
          await db`update deliveries set state = 'succeeded', finished_at = now() where id = ${id}`
          wanted.add(`delivery succeeded ${id}`)
        }
      }
    }
    let isWritten = false
    const began = performance.now()
    const writing = Promise.all(Array.from({ length: 8 }, writer)).then(async () => {
      for (const { id } of await db`select id from matches where trigger_id = ${annsTrigger}`) {
        wanted.add(`match created ${id}`)
      }
      isWritten = true
    })
    await client(() => isWritten && heardEvents() >= wanted.size && cuts >= cutsMax)
    await writing

    // Whatever would come twice or belongs to somebody else comes before this one.
    const last = nextEvent()
    await writeEvents(db, [last])
    const rest = await follow(two.url, { lastEventId: lastEventId ?? '' })
    await until('the last event', () => told(rest.heard).includes(`event arrived ${last.id}`))
    expect(told(rest.heard)).toEqual([`event arrived ${last.id}`])

    console.log(
      `${wanted.size} told, ${cuts} cuts, ${rolledBack} rolled back, ${Math.round(performance.now() - began)} ms`,
    )
    expect(cuts).toBeGreaterThanOrEqual(cutsMax)
    expect(rolledBack).toBeGreaterThan(0)
    expect(heard.length).toBe(new Set(heard).size)
    expect(new Set(ids).size).toBe(ids.length)
    expect(new Set(heard)).toEqual(wanted)
    expect([...wanted].filter((name) => name.startsWith('event')).length).toBe(eventsMax)
  })
})

describe('what is told', () => {
  test('events that arrive, are retracted and come back; deliveries as they are made and end', async () => {
    const { url } = await startServer()
    const { heard } = await follow(url)
    const event = nextEvent()
    await writeEvents(db, [event])
    await setEventStatus(db, event, 'retracted')
    await setEventStatus(db, event, 'reinstated')
    const delivery = await writeMatch(db, annsTrigger)
    for (const state of ['enqueued', 'running', 'failed', 'pending', 'enqueued', 'running', 'succeeded']) {
      await db`update deliveries set state = ${state} where id = ${delivery}`
    }
    await db`update matches set status = 'retracted' where id = (select match_id from deliveries where id = ${delivery})`
    await until('the end', () =>
      heard.some(({ event: name, data }) => name === 'match' && data.change === 'retracted'),
    )
    const match = subjectOf(named(heard, 'match')[0] as SseMessage)?.id
    expect(told(heard)).toEqual([
      `event arrived ${event.id}`,
      `event retracted ${event.id}`,
      `event reinstated ${event.id}`,
      `match created ${match}`,
      `delivery created ${delivery}`,
      `delivery failed ${delivery}`,
      `delivery reopened ${delivery}`,
      `delivery succeeded ${delivery}`,
      `match retracted ${match}`,
    ])
    expect(named(heard, 'event')[1]?.data).toMatchObject({
      reason: 'test',
      event: { chain_id: 31337, score: '70.5' },
    })
    expect(named(heard, 'delivery').at(-1)?.data).toMatchObject({
      delivery: { state: 'succeeded', chain_id: 31337 },
    })
  })

  test('what a transaction that is still at work has written comes when it ends, and what others wrote waits for it', async () => {
    const { url } = await startServer()
    const [early, late] = [nextEvent(), nextEvent()]
    let commit = () => {}
    const permission = new Promise<void>((resolve) => {
      commit = resolve
    })
    let wrote = () => {}
    const written = new Promise<void>((resolve) => {
      wrote = resolve
    })
    const slow = db.begin(async (tx) => {
      await writeEvents(tx, [early])
      wrote()
      await permission
    })
    await written
    const { heard, text } = await follow(url)
    await writeEvents(db, [late])
    // Who looks now sees the row, and is not told.
    expect((await db`select from events where id = ${late.id}`).length).toBe(1)
    const probe = await follow(url, { query: '?from=start&follow=false&kinds=event' })
    await probe.connection.ended
    expect(probe.text()).not.toContain(late.id)
    expect(text()).not.toContain(late.id)
    commit()
    await slow
    await until('both', () => told(heard).length === 2)
    expect(told(heard)).toEqual([`event arrived ${early.id}`, `event arrived ${late.id}`])
  })

  test('to others: events, and nothing of matches and deliveries, live or when they resume', async () => {
    const { url } = await startServer()
    const [anns, bobs] = [await follow(url), await follow(url, { token: bobsKey })]
    const before = bobs.lastId()
    const delivery = await writeMatch(db, annsTrigger)
    const event = nextEvent()
    await writeEvents(db, [event])
    for (const { heard } of [anns, bobs]) {
      await until('the event', () => told(heard).includes(`event arrived ${event.id}`))
    }
    expect(told(anns.heard)).toContain(`delivery created ${delivery}`)
    expect(told(bobs.heard)).toEqual([`event arrived ${event.id}`])
    const again = await follow(url, { token: bobsKey, lastEventId: before, query: '?follow=false' })
    await again.connection.ended
    expect(told(again.heard)).toEqual([`event arrived ${event.id}`])
    const asked = await follow(url, {
      token: bobsKey,
      lastEventId: before,
      query: `?follow=false&kinds=match,delivery&trigger_id=${annsTrigger}`,
    })
    await asked.connection.ended
    expect(told(asked.heard)).toEqual([])
  })

  test('only what passes the filters, live or when it is resumed', async () => {
    const { url } = await startServer({ perUser: 30 })
    const start = await follow(url)
    const lastEventId = start.lastId()
    const ask = {
      'agent_id=7&kinds=event': ['a'],
      'agent_id=007&kinds=event': ['a'],
      'event_type=Registered&kinds=event': ['b'],
      'registry=identity&kinds=event': ['b'],
      'chain_id=1': ['c'],
      'tag=speed&kinds=event': ['d'],
      'score_min=90.00&score_max=95&kinds=event': ['d'],
      'kinds=match': ['m'],
      [`kinds=delivery&trigger_id=${annsTrigger}`]: ['y'],
      'kinds=delivery&trigger_id=another': [],
    }
    const live = new Map<string, SseMessage[]>()
    for (const query of Object.keys(ask)) live.set(query, (await follow(url, { query: `?${query}` })).heard)
    const a = nextEvent({ agent_id: '7' })
    const b = {
      ...nextEvent({ agent_id: '8' }),
      registry: 'identity',
      event_type: 'Registered',
      score: null,
    } as const
    const c = nextEvent({ agent_id: '8', chain_id: 1 })
    const d = nextEvent({ agent_id: '8', tag1: 'speed', score: '95' })
    await writeEvents(db, [a, b, c, d])
    const y = await writeMatch(db, annsTrigger)
    await until('the last', () => told(start.heard).includes(`delivery created ${y}`))
    const names: Record<string, string> = {
      ...{ [a.id]: 'a', [b.id]: 'b', [c.id]: 'c', [d.id]: 'd', [y]: 'y' },
      [String(subjectOf(named(start.heard, 'match')[0] as SseMessage)?.id)]: 'm',
    }
    const letters = (heard: readonly SseMessage[]) =>
      told(heard).map((line) => names[line.split(' ')[2] ?? ''])
    for (const [query, wanted] of Object.entries(ask)) {
      await until(query, () => (live.get(query)?.length ?? 0) > wanted.length)
      expect([query, letters(live.get(query) ?? [])]).toEqual([query, wanted])
      const { heard, connection } = await follow(url, { query: `?${query}&follow=false`, lastEventId })
      await connection.ended
      expect([query, letters(heard)]).toEqual([query, wanted])
    }
  })

  test.each([
    ['kinds=event,other', 'expected some of event, match, delivery'],
    ['kinds=match&agent_id=7', 'narrows event, which is not in kinds'],
    ['from=yesterday', 'or start'],
    ['score=1', 'unknown'],
  ])('a query that is wrong is refused: %s', async (query, message) => {
    const { url } = await startServer()
    const response = await fetch(`${url}?${query}`, { headers: { authorization: `Bearer ${annsKey}` } })
    expect(response.status).toBe(400)
    expect(await response.text()).toContain(message)
  })

  test('a kind for which the credential has no scope is refused; without kinds it hears of what it may', async () => {
    const { url } = await startServer()
    const { key } = await keyOf(ann, ['events:read'])
    for (const kinds of ['match', 'event,delivery']) {
      const { connection } = await follow(url, { token: key, query: `?kinds=${kinds}` })
      expect(connection.status).toBe(403)
    }
    const { heard } = await follow(url, { token: key })
    expect(heard[0]?.data).toMatchObject({ kinds: ['event'] })
    const { key: other } = await keyOf(ann, ['triggers:write'])
    expect((await follow(url, { token: other })).connection.status).toBe(403)
  })
})

describe('where a stream begins', () => {
  test('from=start: with the oldest change that is kept; from a time: with what has happened since', async () => {
    const { url } = await startServer()
    const first = nextEvent()
    await writeEvents(db, [first])
    const since = String((await db`select clock_timestamp()::text as at`)[0]?.at)
      .replace(' ', 'T')
      .replace('+00', 'Z')
    const second = nextEvent()
    await writeEvents(db, [second])
    await untilTold()
    for (const [from, isTold] of [
      ['start', true],
      [since, false],
    ] as const) {
      const { heard, connection } = await follow(url, { query: `?kinds=event&follow=false&from=${from}` })
      expect(await connection.ended).toBe('complete')
      expect(told(heard).includes(`event arrived ${first.id}`)).toBe(isTold)
      expect(told(heard).at(-1)).toBe(`event arrived ${second.id}`)
      expect(new Set(told(heard)).size).toBe(told(heard).length)
      expect(heard.at(-1)?.event).toBe('ended')
    }
  })

  test('an id that is too old, or of another database, is answered with a gap; one that is none, with a 400', async () => {
    const { url } = await startServer()
    const old = (await follow(url)).lastId()
    const kept = nextEvent()
    await writeEvents(db, [kept])
    const [written] = await db<
      { xact: number }[]
    >`select max(xact_id::text::bigint) as xact from stream_changes`
    // A mark stands where every transaction of the server has ended: also those of other databases, which other tests write.
    await until('what was written is kept no more', async () => {
      await db`update stream_marks set at = now() - interval '4 days'`
      await maintainOnce(db, { eventDays: undefined, resultDays: 90, streamDays: 3 })
      const [first] = await db<
        { xact: number }[]
      >`select min(xact_id::text::bigint) as xact from stream_marks`
      return Number(first?.xact) > Number(written?.xact)
    })
    const after = nextEvent()
    await writeEvents(db, [after])
    await untilTold()
    for (const lastEventId of [old, encodePosition([9e14, 1, 0])]) {
      const { heard, connection } = await follow(url, { lastEventId, query: '?follow=false' })
      await connection.ended
      expect(named(heard, 'gap').length).toBe(1)
      expect(told(heard)).toContain(`event arrived ${after.id}`)
      expect(told(heard)).not.toContain(`event arrived ${kept.id}`)
    }
    expect((await follow(url, { lastEventId: 'nonsense' })).connection.status).toBe(400)
  })

  test('silence moves the id that one resumes from', async () => {
    const { url } = await startServer({ heartbeatMs: 50 })
    const quiet = await follow(url, { query: '?kinds=delivery' })
    const before = quiet.lastId()
    await writeEvents(db, [nextEvent()])
    await until('a heartbeat with another id', () => quiet.lastId() !== before)
    expect(quiet.text()).toContain(': heartbeat')
    expect(told(quiet.heard)).toEqual([])
  })
})

describe('the end of a stream', () => {
  test('a client that does not read is dropped with a reason, and others hear of everything meanwhile', async () => {
    const { url } = await startServer({ bytesMax: 1_000_000, farewellMs: 60_000 })
    const slow = await follow(url)
    slow.connection.response.pause()
    const quick = await follow(url)
    const wanted: string[] = []
    const args = { text: 'x'.repeat(40_000) }
    // More than the kernel keeps for a connection.
    for (let batch = 0; batch < 40; batch += 1) {
      const events = Array.from({ length: 10 }, () => nextEvent({ args }))
      await writeEvents(db, events)
      wanted.push(...events.map(({ id }) => `event arrived ${id}`))
      await until('the quick one', () => told(quick.heard).length === wanted.length)
    }
    expect(told(quick.heard)).toEqual(wanted)
    slow.connection.response.resume()
    expect(await slow.connection.ended).toBe('complete')
    const last = slow.heard.at(-1)
    expect(last?.event).toBe('dropped')
    expect(last?.data).toMatchObject({ reason: expect.stringContaining('slow'), resume_from: last?.id })
    const heard = told(slow.heard)
    expect(heard.length).toBeLessThan(wanted.length)
    const rest = await follow(url, { lastEventId: last?.id ?? '', query: '?follow=false' })
    await rest.connection.ended
    expect([...heard, ...told(rest.heard)]).toEqual(wanted)
  })

  test('one that never reads again is broken off, and its place is free', async () => {
    const { url } = await startServer({ bytesMax: 1_000_000, farewellMs: 50, perUser: 1 })
    const slow = await follow(url)
    slow.connection.response.pause()
    expect((await follow(url)).connection.status).toBe(429)
    const args = { text: 'x'.repeat(100_000) }
    await until('its place', async () => {
      await writeEvents(
        db,
        Array.from({ length: 10 }, () => nextEvent({ args })),
      )
      const next = await follow(url)
      return next.connection.status === 200
    })
    slow.connection.response.resume()
    expect(await slow.connection.ended).toBe('broken')
  })

  test('comes with the end of the credential, in every process', async () => {
    const streams: Awaited<ReturnType<typeof follow>>[] = []
    const { key, id } = await keyOf(ann)
    for (const { url } of [await startServer({ heartbeatMs: 50 }), await startServer({ heartbeatMs: 50 })]) {
      streams.push(await follow(url, { token: key }))
    }
    await revokeKey(db, ann, id)
    for (const { connection, heard } of streams) {
      expect(await connection.ended).toBe('complete')
      expect(heard.at(-1)?.event).toBe('ended')
      expect(heard.at(-1)?.data).toMatchObject({ reason: expect.stringContaining('credential') })
    }
  })

  test('comes with a shutdown, which then waits for nobody', async () => {
    const server = await startServer()
    const { connection, heard } = await follow(server.url)
    await server.stop()
    expect(await connection.ended).toBe('complete')
    expect(heard.at(-1)).toMatchObject({
      event: 'ended',
      data: { reason: expect.stringContaining('going down') },
    })
  })

  test('frees its place, also when the client is gone without a word', async () => {
    const { url } = await startServer({ perUser: 2, inTotal: 3 })
    const first = await follow(url)
    await follow(url)
    expect((await follow(url)).connection.status).toBe(429)
    await follow(url, { token: bobsKey })
    expect((await follow(url, { token: bobsKey })).connection.status).toBe(503)
    first.connection.destroy()
    await until('a place', async () => (await follow(url)).connection.status === 200)
  })
})
