import { randomBytes } from 'node:crypto'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { createSiweMessage } from 'viem/siwe'
import { createAccessTokens } from '../../../src/accounts/access-tokens.ts'
import { hashPassword } from '../../../src/accounts/passwords.ts'
import { createApp } from '../../../src/api/app.ts'
import { type Database, openDatabase } from '../../../src/db.ts'
import { type EventType, eventTypes, registries } from '../../../src/event.ts'
import type { Log } from '../../../src/log.ts'
import { applyMigrations } from '../../../src/migrate.ts'
import { keyScopes } from '../../../src/scopes.ts'
import { createUser, linkWallet } from '../../../src/store/accounts.ts'
import { createKey } from '../../../src/store/api-keys.ts'
import { startSession } from '../../../src/store/sessions.ts'
import { ensureUser } from '../../../src/store/triggers.ts'
import { matchStep } from '../../../worker/match-step.ts'
import { sampleEvent } from '../events.ts'
import { insertEvents } from '../insert-events.ts'
import { testSecrets } from '../secrets.ts'
import { createTestDatabase } from '../test-database.ts'

export type World = Awaited<ReturnType<typeof createWorld>>
export type CallerName = 'ann' | 'bob' | 'narrow' | 'nobody' | 'operator' | 'throwaway' | 'liar'

const password = 'correct horse battery staple'
const domain = 'tocsin.example'
const chainId = 31337

const rest = (url = 'https://receiver.example/hook') => ({ action_type: 'rest', config: { url } })
const trigger = (fields: object = {}) => ({
  name: 'kept',
  chain_id: chainId,
  registry: 'reputation',
  from_block: 0,
  conditions: [{ condition_type: 'score_threshold', operator: '<', value: 90 }],
  actions: [rest()],
  ...fields,
})

/** An API with two users, of each thing that there can be at least one, and a way to have another when it is gone. */
export async function createWorld() {
  const database = await createTestDatabase()
  await applyMigrations(database.url)
  const db = openDatabase(database.url, { name: 'fuzz test' })
  /** What the API said of itself since the last request: why something is a 500. */
  const said: object[] = []
  const log: Log = {
    child: () => log,
    debug: () => {},
    info: () => {},
    warn: (bindings, message) => void said.push({ message, ...bindings }),
    error: (bindings, message) => void said.push({ message, ...bindings }),
  }
  const app = createApp({
    db,
    log,
    secrets: testSecrets,
    token: 'the-token-of-the-installation',
    userId: await ensureUser(db, 'bootstrap'),
    publicUrl: `http://${domain}`,
    triggersMax: 0,
  })
  const passwordHash = await hashPassword(password)
  const newName = () => `u${randomBytes(6).toString('hex')}`
  const newUser = async (username = newName()) => {
    const id = await createUser(db, { username, passwordHash })
    if (id === undefined) throw new Error(`${username} is there already`)
    return { id, username }
  }
  // Signed for longer than a run takes.
  const tokens = createAccessTokens(db, testSecrets)
  const signIn = async (userId: string) =>
    (await tokens.issue({ userId, sessionId: (await startSession(db, userId)).sessionId })).token
  const post = async (token: string, path: string, body: unknown, method = 'POST') => {
    const response = await app.request(path, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (response.status >= 300) throw new Error(`${method} ${path}: ${await response.text()}`)
    return (await response.json()) as { id: string; actions: { id: number; destination_id: number }[] }
  }

  await fillEvents(db)
  const ann = (await newUser('ann')).id
  const bob = (await newUser('bob')).id
  // Sessions last for a quarter of an hour; keys do not end. What only a session may do asks for a new one.
  const annsKey = await keyOf(ann, 'kept')
  const kept = await post(annsKey, '/v1/triggers', trigger())
  const richOnes = [
    trigger({
      name: 'stateful',
      conditions: [
        { condition_type: 'ema_threshold', field: 'score', operator: '<', value: 90, config: { alpha: 0.5 } },
        { condition_type: 'tag_equals', field: 'tag1', operator: 'in', value: ['quality', 'speed'] },
      ],
    }),
    trigger({
      name: 'limited',
      cooldown: { period: '1h', digest: true },
      max_fires: { count: 2, within: '1h' },
    }),
    trigger({
      name: 'expression',
      conditions: [{ condition_type: 'expression', value: '100 / int(event.score) > 0' }],
    }),
    trigger({ name: 'everything', registry: 'identity', conditions: [] }),
    trigger({ name: 'validated', registry: 'validation', conditions: [] }),
  ]
  const rich: string[] = []
  for (const one of richOnes) rich.push((await post(annsKey, '/v1/triggers', one)).id)
  const ofBob = await post(await keyOf(bob, 'kept'), '/v1/triggers', trigger({ name: 'of bob' }))
  await matchAll(db)
  await db`insert into telegram_bots (bot_id, username) values (1, 'tocsin_bot')`
  await db`insert into alerts (user_id, kind, destination_id, message)
    values (${ann}, 'breaker_open', ${kept.actions[0]?.destination_id ?? 0}, 'it is open')`
  await db`insert into action_results (delivery_id, job_id, trigger_id, event_id, action_type, status, executed_at, duration_ms, error_message, retry_count)
    select id, 'j', trigger_id, event_id, action_type, 'failed', now(), 1, 'refused', 0 from deliveries limit 20`
  const firstDelivery = async (of: string) =>
    String((await db`select id from deliveries where trigger_id = ${of} order by created_at limit 1`)[0]?.id)
  const deliveries = { ann: await firstDelivery(kept.id), bob: await firstDelivery(ofBob.id) }
  const event = String((await db`select id from events where registry = 'reputation' limit 1`)[0]?.id)
  const match = String((await db`select id from matches where trigger_id = ${kept.id} limit 1`)[0]?.id)

  async function keyOf(userId: string, name: string, scopes = keyScopes): Promise<string> {
    const made = await createKey(db, userId, { name, scopes, expiresAt: null })
    if (made === undefined) throw new Error('There are too many keys')
    return made.key
  }

  const narrow = await keyOf(ann, 'narrow', ['events:read'])
  let annsSession = { token: await signIn(ann), at: Date.now() }
  let volatileTrigger = ''
  let volatileKey = ''

  /** A trigger with room for more, which requests may change and delete. */
  const haveTrigger = async () => {
    const [found] = await db<{ id: string; action: number }[]>`
      select t.id, (select min(a.id) from trigger_actions a where a.trigger_id = t.id) as action from triggers t
      where t.id = ${volatileTrigger} and chain_id = ${chainId}
        and (select count(*) from trigger_conditions c where c.trigger_id = t.id) between 1 and 10
        and (select count(*) from trigger_actions a where a.trigger_id = t.id) between 2 and 10`
    if (found?.action) return { id: found.id, action: found.action }
    const made = await post(
      annsKey,
      '/v1/triggers',
      trigger({ name: 'volatile', actions: [rest(), rest('http://x.example/')] }),
    )
    volatileTrigger = made.id
    return { id: made.id, action: made.actions[0]?.id ?? 0 }
  }
  const haveKey = async () => {
    const [found] = await db`select id from api_keys where id = ${volatileKey || null} and revoked_at is null
      and (expires_at is null or expires_at > now())`
    if (found !== undefined) return volatileKey
    await db`delete from api_keys where user_id = ${ann} and name not in ('kept', 'narrow')`
    const made = await createKey(db, ann, { name: 'volatile', scopes: ['events:read'], expiresAt: null })
    volatileKey = made?.id ?? ''
    return volatileKey
  }
  const haveState = async (path: string) => {
    if (path.endsWith('/cancel'))
      await db`update deliveries set state = 'pending' where id = ${deliveries.ann}`
    if (path.endsWith('/retry')) await db`update deliveries set state = 'failed' where id = ${deliveries.ann}`
    return deliveries.ann
  }
  const haveToken = async () => {
    const body = { token: 'geheim', endpoint: 'https://agent.example/' }
    await post(annsKey, `/v1/mcp-tokens/${chainId}/7`, body, 'PUT')
    return '7'
  }
  const haveWallet = async () => {
    const wallet = `0x${randomBytes(20).toString('hex')}`
    await linkWallet(db, wallet, ann)
    return wallet
  }
  const haveChat = async () => {
    await db`insert into telegram_chats (chat_id, user_id, kind, title) values ('4711', ${ann}, 'private', 'chat')
      on conflict do nothing`
    return '4711'
  }
  const makeProof = async () => {
    const response = await app.request('/v1/auth/wallet/nonce', { method: 'POST' })
    const { nonce } = (await response.json()) as { nonce: string }
    const account = privateKeyToAccount(generatePrivateKey())
    const message = createSiweMessage({
      ...{ address: account.address, chainId: 1, domain, uri: `http://${domain}`, version: '1', nonce },
    })
    return { message, signature: await account.signMessage({ message }) }
  }

  const cursors = new Map<string, Promise<string>>()
  const readCursor = async (path: string) => {
    const first = await app.request(
      `${path}?limit=1${path.endsWith('/decisions') ? `&event=${event}` : ''}`,
      {
        headers: {
          authorization: `Bearer ${path.includes('admin') ? 'the-token-of-the-installation' : await session()}`,
        },
      },
    )
    return ((await first.json()) as { next_cursor?: string | null }).next_cursor ?? 'W10'
  }

  async function session(): Promise<string> {
    if (Date.now() - annsSession.at > 300_000) annsSession = { token: await signIn(ann), at: Date.now() }
    return annsSession.token
  }

  /** What a name of the form `@…` stands for in this request. */
  type Lookups = Record<
    string,
    (request: { path: string; memo: Map<string, unknown> }) => Promise<unknown> | unknown
  >
  const proof = async (memo: Map<string, unknown>) => {
    if (!memo.has('proof')) memo.set('proof', await makeProof())
    return memo.get('proof') as { message: string; signature: string }
  }
  const lookups: Lookups = {
    '@kept': () => kept.id,
    '@stateful': () => rich[0],
    '@trigger': async () => (await haveTrigger()).id,
    '@action': async () => (await haveTrigger()).action,
    '@delivery': ({ path }) => haveState(path),
    '@destination': () => kept.actions[0]?.destination_id,
    '@match': () => Number(match),
    '@event': () => event,
    '@key': haveKey,
    '@user': async () => (await newUser()).id,
    '@bob': () => bob,
    '@bobs-trigger': () => ofBob.id,
    '@bobs-action': () => ofBob.actions[0]?.id,
    '@bobs-destination': () => ofBob.actions[0]?.destination_id,
    '@bobs-delivery': () => deliveries.bob,
    '@bobs-key': async () => (await db`select id from api_keys where user_id = ${bob} limit 1`)[0]?.id,
    '@chat': haveChat,
    '@agent': haveToken,
    '@wallet': haveWallet,
    '@password': () => password,
    '@new-name': newName,
    '@login-name': async () => (await newUser()).username,
    '@refresh': async () => (await startSession(db, (await newUser()).id)).refreshToken,
    '@proof-message': async ({ memo }) => (await proof(memo)).message,
    '@proof-signature': async ({ memo }) => (await proof(memo)).signature,
    '@cursor': ({ path }) => {
      const known = cursors.get(path) ?? readCursor(path)
      cursors.set(path, known)
      return known
    },
  }

  async function resolve(
    value: unknown,
    request: { path: string; memo: Map<string, unknown> },
  ): Promise<unknown> {
    if (typeof value === 'string') {
      const lookup = value.startsWith('@') && Object.hasOwn(lookups, value) ? lookups[value] : undefined
      return lookup === undefined ? value : lookup(request)
    }
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) {
      const items: unknown[] = []
      for (const item of value) items.push(await resolve(item, request))
      return items
    }
    const entries: [string, unknown][] = []
    for (const [key, item] of Object.entries(value)) entries.push([key, await resolve(item, request)])
    return Object.fromEntries(entries)
  }

  const credentialOf = async (caller: CallerName): Promise<string | undefined> => {
    switch (caller) {
      case 'ann':
        return session()
      case 'bob':
        return signIn(bob)
      case 'narrow':
        return narrow
      case 'operator':
        return 'the-token-of-the-installation'
      case 'throwaway':
        return signIn((await newUser()).id)
      case 'liar':
        return `tcs_${'x'.repeat(43)}`
      case 'nobody':
        return undefined
    }
  }

  return {
    app,
    db,
    resolve,
    credentialOf,
    takeSaid: () => said.splice(0),
    close: async () => {
      await db.end()
      await database.drop()
    },
  }
}

/** Events of every type, some feedback, and one that left the chain. */
async function fillEvents(db: Database): Promise<void> {
  const types: EventType[] = [...registries.flatMap((registry) => eventTypes[registry])]
  const scores = ['10', '95.5', '-3', '0', '70']
  const kinds = [...types, ...scores.map(() => 'NewFeedback' as const)]
  const events = kinds.map((type, index) =>
    sampleEvent(type, {
      id: `${chainId}-${index + 1}-0-a`,
      block_number: index + 1,
      log_index: 0,
      block_hash: `0xa${index}`,
      transaction_hash: `0xa${index}`,
      occurrence: `${chainId}-0xa${index}-0-0`,
      block_time: new Date(Date.UTC(2026, 1, 1) + index * 1000),
      ...(index < types.length ? {} : { score: scores[index - types.length] ?? '1' }),
    }),
  )
  await insertEvents(db, events, { chainId, lastBlock: 20, finalizedBlock: 5 })
  await db`update checkpoints set last_block_time = ${new Date(Date.UTC(2026, 1, 1) + 20_000)}`
  const last = events.at(-1)
  await db`insert into event_status (event_id, chain_id, block_number, block_time, status, reason)
    values (${last?.id ?? ''}, ${chainId}, ${last?.block_number ?? 0}, ${last?.block_time ?? new Date()}, 'retracted', 'test')`
}

async function matchAll(db: Database): Promise<void> {
  for (;;) {
    const { outcome } = await matchStep(db, chainId, undefined, { eventsMax: 1000 })
    if (outcome !== 'more') return
  }
}
