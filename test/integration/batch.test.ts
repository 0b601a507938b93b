import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Database } from '../../src/db.ts'
import { cancelDelivery } from '../../src/store/dead-letters.ts'
import { type DeliveryStack, startDeliveryStack } from '../support/delivery-stack.ts'
import { until } from '../support/until.ts'

let stack: DeliveryStack
let db: Database

beforeAll(async () => {
  stack = await startDeliveryStack()
  db = stack.db
})
afterAll(() => stack?.stop())
beforeEach(() => stack.clear())

type Batch = { type: string; version: number; batch_id: string; matches: { delivery_id: string }[] }

const requests = () =>
  stack.hooks.paths('/batch').map(({ body, headers }) => ({ body: body as Batch, headers }))

const succeeded = (id: string, count: number) =>
  until('all are sent', async () => (await stack.countIn(id, 'succeeded')) === count)

test('matches that come within the wait go together, no more than max in a request, each once', async () => {
  const id = await stack.makeTrigger('/batch', { batch: { max: 10, wait: '1s' } })
  const other = await stack.makeTrigger('/single')
  await stack.makeDeliveries(25)
  await succeeded(id, 25)
  await succeeded(other, 25)
  expect(stack.hooks.paths('/single')).toHaveLength(25)
  const batches = requests()
  expect(batches.map(({ body }) => body.matches.length).sort()).toEqual([10, 10, 5])
  for (const { body, headers } of batches) {
    expect(body).toMatchObject({ type: 'trigger.matched.batch', version: 1, batch_id: headers['webhook-id'] })
    expect(body.matches[0]).toMatchObject({ type: 'trigger.matched', event: { event_type: 'NewFeedback' } })
  }
  const ids = await db<{ id: string }[]>`select id from deliveries where trigger_id = ${id} order by id`
  const sent = batches.flatMap(({ body }) => body.matches.map(({ delivery_id }) => delivery_id))
  expect(sent.sort()).toEqual(ids.map((row) => row.id).sort())
  expect(await db`select 1 from action_results where trigger_id = ${id} and status = 'success'`).toHaveLength(
    25,
  )
})

test('a batch that fails is tried again as it was, with the same webhook-id', async () => {
  const id = await stack.makeTrigger('/batch', { batch: { max: 10, wait: '1s' }, retry_schedule: ['1s'] })
  let requestsSeen = 0
  stack.hooks.answerWith(() => (requestsSeen++ === 0 ? 503 : 204))
  await stack.makeDeliveries(7)
  await until('the first try failed', () => requests().length === 1)
  // What comes meanwhile is another batch.
  await stack.makeDeliveries(3)
  await succeeded(id, 10)
  const [first, ...others] = requests()
  const again = others.find(({ headers }) => headers['webhook-id'] === first?.headers['webhook-id'])
  expect(again?.body).toEqual(first?.body)
  expect(others).toHaveLength(2)
  const attempts =
    await db`select attempts, count(*) as count from deliveries group by attempts order by attempts`
  expect(attempts).toEqual([
    { attempts: 1, count: 3 },
    { attempts: 2, count: 7 },
  ])
  const [destination] = await db`select breaker, failures from destinations`
  expect(destination).toEqual({ breaker: 'closed', failures: 0 })
})

test('one failing request is one failure of its destination, however many matches were in it', async () => {
  await stack.makeTrigger('/batch', { batch: { max: 50, wait: '1s' } })
  stack.hooks.answerWith(() => 503)
  await stack.makeDeliveries(20)
  await until('it failed', async () => (await db`select 1 from action_results`).length === 20)
  expect(await db`select breaker, failures from destinations`).toEqual([{ breaker: 'closed', failures: 1 }])
})

test('the others of a batch go on when its first is cancelled while it waits for the next try', async () => {
  const id = await stack.makeTrigger('/batch', { batch: { max: 10, wait: '1s' }, retry_schedule: ['10s'] })
  stack.hooks.answerWith(() => 503)
  await stack.makeDeliveries(4)
  await until('they wait', async () => (await db`select 1 from action_results`).length === 4)
  await until('they wait', async () => (await stack.countIn(id, 'pending')) === 4)
  const [first] = await db<{ batch_id: string }[]>`select distinct batch_id from deliveries`
  await cancelDelivery(db, first?.batch_id ?? '')
  stack.hooks.answerWith(() => 204)
  await db`update deliveries set due_at = now() where state = 'pending'`
  await succeeded(id, 3)
  expect(requests().flatMap(({ body }) => body.matches)).toHaveLength(3)
})

test('a trigger that no longer batches sends what it had put together one by one', async () => {
  const id = await stack.makeTrigger('/batch', { batch: { max: 10, wait: '1s' }, retry_schedule: ['1s'] })
  stack.hooks.answerWith(() => 503)
  await stack.makeDeliveries(4)
  await until('they failed', async () => (await db`select 1 from action_results`).length === 4)
  stack.hooks.answerWith(() => 204)
  await db`update trigger_actions set config = config - 'batch'`
  await succeeded(id, 4)
  expect(requests().map(({ body }) => body.type)).toEqual(Array(4).fill('trigger.matched'))
})
