import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createApp } from '../../src/api/app.ts'
import { knownChains } from '../../src/chains.ts'
import { type Database, openDatabase } from '../../src/db.ts'
import type { RegistryEvent } from '../../src/event.ts'
import { createLog } from '../../src/log.ts'
import { applyMigrations } from '../../src/migrate.ts'
import { sampleEvent } from '../support/events.ts'
import { insertEvents, setEventStatus } from '../support/insert-events.ts'
import { testSecrets } from '../support/secrets.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'

const token = 'a-token-for-tests'
const log = createLog({ level: 'silent', format: 'json' }, 'test')
const chainId = 31337
const lastBlock = 60
const address = (digit: string) => `0x${digit.repeat(40)}`

let database: TestDatabase
let db: Database
let app: ReturnType<typeof createApp>

beforeAll(async () => {
  database = await createTestDatabase()
  await applyMigrations(database.url)
  db = openDatabase(database.url, { name: 'agents api test' })
  app = createApp({ db, log, secrets: testSecrets, token, userId: 'x' })
})
afterAll(async () => {
  await db?.end()
  await database?.drop()
})
beforeEach(async () => {
  await db`truncate events, event_status, checkpoints`
})

// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the tests are about
type Body = any

async function ask(path: string): Promise<{ status: number; body: Body }> {
  const response = await app.request(path, { headers: { authorization: `Bearer ${token}` } })
  return { status: response.status, body: await response.json() }
}

const agentOf = async (agent: string, block?: number) => {
  const { status, body } = await ask(
    `/v1/agents/${chainId}/${agent}${block === undefined ? '' : `?block=${block}`}`,
  )
  expect(status, JSON.stringify(body)).toBe(200)
  return body
}

/** What may be said of an agent, with an index of its feedback that grows as on the chain. */
const stepArbitrary = fc.record({
  kind: fc.constantFrom(
    ...['Registered', 'Transfer', 'URIUpdated', 'MetadataSet', 'ResponseAppended'],
    ...['ValidationRequest', 'ValidationResponse', 'ValidationResponse', 'FeedbackRevoked'],
    ...Array.from({ length: 8 }, () => 'NewFeedback'),
  ),
  agent: fc.constantFrom('0', '7'),
  block: fc.integer({ min: 1, max: lastBlock }),
  who: fc.constantFrom('a', 'b', 'c'),
  tag: fc.constantFrom('starred', 'uptime', ''),
  score: fc.integer({ min: -1000, max: 100_000 }),
  pick: fc.nat(30),
})

function history(count: number, seed: number): RegistryEvent[] {
  const given = new Map<string, number>()
  const steps = fc.sample(stepArbitrary, { numRuns: count, seed }).toSorted((a, b) => a.block - b.block)
  return steps.map(({ kind, agent, block, who, tag, score, pick }, n) => {
    const client = `${agent}${who}`
    const before = given.get(client) ?? 0
    if (kind === 'NewFeedback') given.set(client, before + 1)
    const feedback_index = String(kind === 'NewFeedback' ? before + 1 : 1 + (pick % (before + 1)))
    const fields: Record<string, Partial<RegistryEvent>> = {
      Registered: { owner: address(who), token_uri: `https://agents.example/${n}` },
      Transfer: { owner: address(who) },
      URIUpdated: { token_uri: `https://agents.example/${n}` },
      MetadataSet: {
        metadata_key: pick < 15 ? 'agentWallet' : `key${pick % 3}`,
        metadata_value: pick < 4 ? '0x' : address(who),
      },
      NewFeedback: {
        tag1: tag,
        score: `${score < 0 ? '-' : ''}${Math.floor(Math.abs(score) / 1000)}.${String(Math.abs(score) % 1000).padStart(3, '0')}`,
      },
      ResponseAppended: { responder: address(who) },
      ValidationRequest: {
        request_hash: `0x${String(pick % 4).repeat(64)}`,
        validator_address: address(who),
      },
      ValidationResponse: {
        request_hash: `0x${String(pick % 4).repeat(64)}`,
        response: pick,
        validator_address: address(who),
      },
    }
    const about = ['NewFeedback', 'FeedbackRevoked', 'ResponseAppended'].includes(kind)
      ? { client_address: address(who), feedback_index }
      : {}
    return sampleEvent(kind as never, {
      id: `e${n}`,
      agent_id: agent,
      block_number: block,
      log_index: n,
      block_time: new Date(Date.parse('2026-02-01T00:00:00Z') + block * 2000),
      ...about,
      ...fields[kind],
    })
  })
}

const places = 10n ** 60n
const thousandths = (score: string) => BigInt(score.replace('.', ''))

/** A fraction to 18 decimals, half away from zero, without zeros at the end. */
function decimal(numerator: bigint, denominator: bigint): string {
  const sign = numerator < 0n ? '-' : ''
  const size = numerator < 0n ? -numerator : numerator
  const digits = ((size * 10n ** 18n * 2n + denominator) / (denominator * 2n)).toString().padStart(19, '0')
  const text = `${digits.slice(0, -18)}.${digits.slice(-18)}`.replace(/\.?0+$/, '')
  return text === '0' ? text : sign + text
}

/** The agent as a reader of its events in chain order would sum it up. */
function fold(events: readonly RegistryEvent[], agent: string, block: number) {
  const own = events
    .filter((event) => event.agent_id === agent && event.block_number <= block)
    .toSorted((a, b) => a.block_number - b.block_number || a.log_index - b.log_index)
  const seen = (event: RegistryEvent | undefined) =>
    event && { block_number: event.block_number, block_time: event.block_time.toISOString() }
  const ofType = (...types: string[]) => own.filter(({ event_type }) => types.includes(event_type))
  const key = (event: RegistryEvent) => `${event.client_address} ${event.feedback_index}`
  const revoked = new Set(ofType('FeedbackRevoked').map(key))
  const feedback = ofType('NewFeedback')
  const standing = feedback.filter((event) => !revoked.has(key(event)))
  const clients = (rows: RegistryEvent[]) => new Set(rows.map(({ client_address }) => client_address)).size

  const tags = [...new Set(feedback.map(({ tag1 }) => tag1))].map((tag) => {
    const rows = standing.filter(({ tag1 }) => tag1 === tag)
    const scores = rows.map(({ score }) => thousandths(score ?? ''))
    let ema: bigint | undefined
    for (const score of scores) ema = ema === undefined ? score * places : (score * places + 4n * ema) / 5n
    const sum = scores.reduce((total, score) => total + score, 0n)
    const all = feedback.filter(({ tag1 }) => tag1 === tag)
    return {
      tag,
      count: rows.length,
      revoked: all.length - rows.length,
      clients: clients(rows),
      average: rows.length === 0 ? null : decimal(sum, 1000n * BigInt(rows.length)),
      ema: ema === undefined ? null : decimal(ema, 1000n * places),
    }
  })
  const metadata = new Map(ofType('MetadataSet').map((event) => [event.metadata_key, event]))
  const wallet = metadata.get('agentWallet')?.metadata_value ?? null
  const answers = new Map(
    ofType('ValidationResponse').map((event) => [event.request_hash, event.response ?? 0]),
  )
  const responses = ofType('ResponseAppended')
  return {
    chain_id: chainId,
    agent_id: agent,
    block,
    event_count: own.length,
    owner: ofType('Registered', 'Transfer').at(-1)?.owner ?? null,
    uri: ofType('Registered', 'URIUpdated').at(-1)?.token_uri ?? null,
    wallet: wallet === '0x' ? null : wallet,
    metadata: [...metadata.values()]
      .map((event) => ({
        key: event.metadata_key,
        value: event.metadata_value,
        bytes: ((event.metadata_value?.length ?? 0) - 2) / 2,
        block_number: event.block_number,
      }))
      .toSorted((a, b) => ((a.key ?? '') < (b.key ?? '') ? -1 : 1)),
    metadata_count: metadata.size,
    feedback: {
      count: standing.length,
      revoked: feedback.length - standing.length,
      clients: clients(standing),
    },
    tags: tags.toSorted((a, b) => b.count - a.count || ((a.tag ?? '') < (b.tag ?? '') ? -1 : 1)),
    tag_count: tags.length,
    responses: {
      count: responses.length,
      responders: new Set(responses.map(({ responder }) => responder)).size,
    },
    validations: {
      requests: new Set(ofType('ValidationRequest').map(({ request_hash }) => request_hash)).size,
      validators: new Set(
        ofType('ValidationRequest', 'ValidationResponse').map(({ validator_address }) => validator_address),
      ).size,
      responses: ofType('ValidationResponse').length,
      answered: answers.size,
      average_response:
        answers.size === 0
          ? null
          : decimal(
              [...answers.values()].reduce((total, response) => total + BigInt(response), 0n),
              BigInt(answers.size),
            ),
    },
    first_seen: seen(own[0]),
    last_seen: seen(own.at(-1)),
  }
}

describe('GET /v1/agents/{chain}/{agent}', () => {
  test('is what a reader of the canonical events sums up, at every block and under retraction', async () => {
    const events = history(300, 1)
    await insertEvents(db, events, { chainId, lastBlock })
    const check = async (canonical: RegistryEvent[]) => {
      for (const agent of ['0', '7']) {
        for (let block = 10; block <= lastBlock; block += 5) {
          expect(await agentOf(agent, block)).toEqual(fold(canonical, agent, block))
        }
        expect(await agentOf(agent)).toEqual(fold(canonical, agent, lastBlock))
      }
    }
    await check(events)
    for (const event of events.filter((_, n) => n % 3 === 0)) await setEventStatus(db, event, 'retracted')
    await check(events.filter((_, n) => n % 3 !== 0))
    for (const event of events.filter((_, n) => n % 6 === 0)) await setEventStatus(db, event, 'reinstated')
    await check(events.filter((_, n) => n % 6 === 0 || n % 3 !== 0))
  })

  test('the EMA of long histories is that of all their scores', async () => {
    const events = Array.from({ length: 450 }, (_, n) =>
      sampleEvent('NewFeedback', {
        ...{ id: `e${n}`, block_number: 1 + Math.floor(n / 10), log_index: n, tag1: 'starred' },
        ...{ feedback_index: String(n + 1), score: `${(n * 37) % 101}.000` },
      }),
    )
    await insertEvents(db, events, { chainId, lastBlock })
    expect(await agentOf('7')).toEqual(fold(events, '7', lastBlock))
  })

  test('agents of other chains and of older registries with the same id are others', async () => {
    await insertEvents(
      db,
      [
        sampleEvent('Registered', { id: 'ours' }),
        sampleEvent('Registered', {
          id: 'older',
          contract_address: address('9'),
          block_number: 13,
          owner: address('9'),
        }),
        sampleEvent('Registered', { id: 'other', chain_id: 1, owner: address('8') }),
      ],
      { chainId, lastBlock },
    )
    const agent = await agentOf('7')
    expect(agent.owner).toBe(sampleEvent('Registered').owner)
    expect(agent.event_count).toBe(1)
    expect((await agentOf('007')).agent_id).toBe('7')
  })

  test('at most a hundred tags are shown, and how many there are', async () => {
    const events = Array.from({ length: 130 }, (_, n) =>
      sampleEvent('NewFeedback', {
        id: `e${n}`,
        log_index: n,
        tag1: `tag${n}`,
        feedback_index: String(n + 1),
      }),
    )
    await insertEvents(db, events, { chainId, lastBlock })
    const { tags, tag_count } = await agentOf('7')
    expect([tags.length, tag_count]).toEqual([100, 130])
  })

  test('what there is not is a 404, and a block that is not complete a 400', async () => {
    expect((await ask(`/v1/agents/${chainId}/7`)).body.detail).toBe('Chain 31337 has not been indexed yet.')
    await insertEvents(db, [sampleEvent('Registered')], { chainId, lastBlock })
    for (const path of [
      `${chainId}/8`,
      `${chainId}/7?block=11`,
      '5/7',
      'x/7',
      `${chainId}/x`,
      `${chainId}/-1`,
    ]) {
      expect((await ask(`/v1/agents/${path}`)).status, path).toBe(404)
    }
    expect((await ask(`/v1/agents/${chainId}/${2n ** 256n}`)).status).toBe(404)
    for (const [parameters, path, message] of [
      ['block=61', 'block', 'expected a block up to 60, the last that is complete'],
      ['block=x', 'block', 'expected the number of a block, once'],
      ['at=5', 'at', 'unknown; known are block'],
    ]) {
      const { status, body } = await ask(`/v1/agents/${chainId}/7?${parameters}`)
      expect([status, body.errors]).toEqual([400, [{ path, message }]])
    }
  })
})

describe('GET /v1/agents', () => {
  test('lists what an address owns now, page by page, on all chains or on one', async () => {
    const owner = address('a')
    const contractOf = (id: number) =>
      knownChains.find((chain) => chain.id === id)?.registries.identity.toLowerCase()
    const at = (n: number, fields: Partial<RegistryEvent>) =>
      sampleEvent(fields.event_type ?? 'Registered', {
        ...{ id: `e${n}`, log_index: n, owner, agent_id: String(n) },
        ...{ contract_address: contractOf(fields.chain_id ?? chainId) ?? '' },
        ...fields,
      })
    const bought = at(20, { event_type: 'Transfer', agent_id: '30', block_number: 20 })
    const events = [
      ...Array.from({ length: 5 }, (_, n) => at(n, {})),
      at(10, { chain_id: 1, agent_id: '2' }),
      // Sold, bought, and of somebody else.
      at(11, { event_type: 'Transfer', agent_id: '3', owner: address('b'), block_number: 20 }),
      bought,
      at(21, { owner: address('c') }),
    ]
    await insertEvents(db, events, { chainId, lastBlock })
    const list = async (parameters: string) => {
      const found: string[] = []
      for (let cursor: string | null = ''; cursor !== null; ) {
        const next: string = cursor === '' ? '' : `&cursor=${cursor}`
        const { status, body } = await ask(`/v1/agents?${parameters}&limit=2${next}`)
        expect(status, JSON.stringify(body)).toBe(200)
        found.push(...body.data.map((row: Body) => `${row.chain_id}/${row.agent_id}`))
        cursor = body.next_cursor
      }
      return found
    }
    const local = ['31337/0', '31337/1', '31337/2', '31337/4', '31337/30']
    expect(await list(`owner=${owner.toUpperCase().replace('0X', '0x')}`)).toEqual(['1/2', ...local])
    expect(await list(`owner=${owner}&chain_id=31337`)).toEqual(local)
    await setEventStatus(db, bought, 'retracted')
    expect(await list(`owner=${owner}&chain_id=31337`)).toEqual(local.slice(0, 4))
    expect((await ask('/v1/agents')).body.errors).toEqual([
      { path: 'owner', message: 'expected an address: 0x and 40 hex digits, once' },
    ])
  })
})
