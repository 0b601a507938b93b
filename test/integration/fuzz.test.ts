import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeApi } from '../../src/dev/generate-client.ts'
import { createAnswerCheck } from '../support/check-answer.ts'
import {
  type FuzzRequest,
  type Operation,
  operationsOf,
  type RequestClass,
  requestsOf,
} from '../support/fuzz/requests-of.ts'
import { send } from '../support/fuzz/send.ts'
import type { Schema } from '../support/fuzz/values-of.ts'
import { createWorld, type World } from '../support/fuzz/world.ts'

/** Of all operations together. */
const usual = 1500
const requests = Number(process.env.TOCSIN_FUZZ_REQUESTS ?? usual)
/** The usual ones are always the same, so that a change is judged by what it changes. */
const seed = Number(process.env.TOCSIN_FUZZ_SEED ?? (requests === usual ? 1 : Date.now() % 2 ** 31))

const description = await describeApi()
const { schemas } = (description as { components: { schemas: Record<string, Schema> } }).components
const operations = operationsOf(description)
const check = createAnswerCheck(description)

/** Of a hundred requests of an operation. */
const shares: Record<RequestClass, number> = { valid: 40, 'near-valid': 30, hostile: 30 }

/** bcrypt takes a quarter of a second: these get a fifth of the requests. */
const slow = [
  'POST /v1/auth/register',
  'POST /v1/auth/login',
  'POST /v1/auth/change-password',
  'DELETE /v1/me',
]

/** What no request of this test can do, and why. */
const neverDone: Record<string, string> = {}

let world: World
/** How often each operation was answered with which status. */
const answers = new Map<string, Map<number, number>>()
let count = 0

beforeAll(async () => {
  world = await createWorld()
})
afterAll(async () => {
  if (process.env.TOCSIN_FUZZ_PRINT !== undefined) {
    console.log(`${count} requests`)
    for (const [name, counts] of answers) console.log(name, JSON.stringify(Object.fromEntries(counts)))
  }
  await world?.close()
})

describe('no request is answered with a 5xx or with what is not described', () => {
  const share = requests / (operations.length - slow.length * 0.8)
  for (const operation of operations) {
    const name = `${operation.method} ${operation.path}`
    test(name, { timeout: 600_000 }, async () => {
      for (const [kind, percent] of Object.entries(shares) as [RequestClass, number][]) {
        const numRuns = Math.max(3, Math.ceil((share * percent) / 100 / (slow.includes(name) ? 5 : 1)))
        await fc.assert(
          fc.asyncProperty(requestsOf(operation, kind, schemas), (request) => hold(operation, request)),
          {
            numRuns,
            seed: seedOf(name, kind),
            interruptAfterTimeLimit: 550_000,
            reporter: (details) => {
              if (!details.failed) return
              throw new Error(
                `${kind}: TOCSIN_FUZZ_SEED=${seed} TOCSIN_FUZZ_REQUESTS=${requests}\n${fc.defaultReportMessage(details)}\n${String(details.errorInstance)}`,
              )
            },
          },
        )
      }
      const done = [...(answers.get(name) ?? [])].filter(([status]) => status < 300)
      if (name in neverDone) expect(done).toEqual([])
      else expect(done, 'answers of 2xx').not.toEqual([])
    })
  }
})

/** With one seed for all of them, all would have the same thing wrong. */
function seedOf(...names: string[]): number {
  return createHash('sha256')
    .update([seed, ...names].join())
    .digest()
    .readInt32LE()
}

async function hold(operation: Operation, request: FuzzRequest): Promise<void> {
  world.takeSaid()
  const sent = await send(world, operation, request)
  if (sent === undefined) return
  count += 1
  const { response } = sent
  const text = await response.clone().text()
  const wrong: string[] = []
  // An address with `..` in it is another one when it is sent.
  const target = findTarget(operation, sent.pathname)
  if (target === undefined) {
    if (![401, 404, 405].includes(response.status)) wrong.push('nothing is at this address')
  } else {
    const name = `${target.method} ${target.path}`
    const counts = answers.get(name) ?? new Map<number, number>()
    answers.set(name, counts.set(response.status, (counts.get(response.status) ?? 0) + 1))
    if (!target.statuses.includes(String(response.status))) wrong.push(`${response.status} is not described`)
    wrong.push(...(await check(target.method, target.path, response)))
  }
  if (response.status >= 500) wrong.push(`${response.status}`)
  const said = JSON.stringify(world.takeSaid())
  // A 400 all the same; it does not say what is wrong.
  if (said.includes('the database refused a value'))
    wrong.push('a value was not checked before it was stored')
  if (wrong.length === 0) return
  throw new Error(
    `${sent.sent}\nwas answered with ${response.status} ${text.slice(0, 2000)}\n${wrong.join('\n')}\n${said}`,
  )
}

function findTarget({ method, path }: Operation, pathname: string): Operation | undefined {
  const fits = (pattern: string) =>
    new RegExp(`^${pattern.replaceAll(/[.*+?^$()|[\]\\]/g, '\\$&').replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(
      pathname,
    )
  const found = operations.filter((operation) => operation.method === method && fits(operation.path))
  return found.find((operation) => operation.path === path) ?? found[0]
}
