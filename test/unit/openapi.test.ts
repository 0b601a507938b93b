import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { beforeAll, describe, expect, test } from 'vitest'
import { operationName } from '../../src/api/operation-name.ts'
import {
  clientSchemaFile,
  createDescribedApp,
  describeApi,
  generateClient,
} from '../../src/dev/generate-client.ts'
import { createAnswerCheck, createDescriptionAjv } from '../support/check-answer.ts'
import { openapiStructure } from '../support/openapi-structure.ts'

type Json = Record<string, unknown>
type Operation = {
  operationId: string
  summary?: string
  tags?: string[]
  parameters?: { name: string; description?: string }[]
  responses: Record<
    string,
    { $ref?: string; description?: string; content?: Record<string, { schema?: Json }> }
  >
}
type Description = {
  openapi: string
  servers: unknown[]
  tags: { name: string; description: string }[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Json>; responses: Description['paths'][string][string]['responses'] }
}

let description: Description
let operations: [name: string, operation: Operation][]

beforeAll(async () => {
  description = (await describeApi()) as Description
  operations = Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, operation]) => [`${method} ${path}`, operation] as [string, Operation],
    ),
  )
})

/** Every object in it, with the way to it. */
function* walk(node: unknown, at = ''): Generator<[at: string, node: Json]> {
  if (typeof node !== 'object' || node === null) return
  if (!Array.isArray(node)) yield [at, node as Json]
  for (const [key, value] of Object.entries(node)) {
    if (!['example', 'examples', 'default', 'enum', 'const'].includes(key)) yield* walk(value, `${at}/${key}`)
  }
}

describe('the description of the API', () => {
  test('is valid OpenAPI 3.1', () => {
    const isValid = new Ajv2020({ allErrors: true, strict: false }).compile(openapiStructure)
    isValid(description)
    expect(isValid.errors).toBeNull()

    // The same check finds what is wrong.
    const [first = ''] = Object.keys(description.paths)
    const wrong = [
      { openapi: '3.0.3' },
      { paths: { ...description.paths, [first]: { gett: {} } } },
      {
        paths: { ...description.paths, [first]: { get: { ...description.paths[first]?.get, respones: {} } } },
      },
      { components: { ...description.components, schemas: { Key: { type: 'strin' } } } },
    ]
    for (const change of wrong) expect(isValid({ ...description, ...change })).toBe(false)
  })

  test('has schemas that are valid JSON Schema 2020-12, each of which compiles', () => {
    const ajv = createDescriptionAjv(description.components)
    const names = Object.keys(description.components.schemas)
    expect(names.length).toBeGreaterThan(40)
    for (const name of names) {
      const compile = () => ajv.compile({ $ref: `#/components/schemas/${name}` })
      expect(compile, name).not.toThrow()
    }
    expect(() => ajv.compile({ type: 'integr' })).toThrow()
  })

  test('refers only to what is there', () => {
    const references = [...walk(description)].flatMap(([at, { $ref }]) =>
      $ref === undefined ? [] : [[at, $ref]],
    )
    expect(references.length).toBeGreaterThan(100)
    for (const [at, reference] of references) {
      const found = String(reference)
        .replace(/^#\//, '')
        .split('/')
        .reduce<unknown>((node, key) => (node as Json | undefined)?.[key], description)
      expect(found, `${at} refers to ${reference}`).toBeDefined()
    }
  })

  test('names every operation once, in the words of its method and path unless it has a better one', () => {
    const names = operations.map(([, { operationId }]) => operationId)
    expect(new Set(names).size).toBe(names.length)
    for (const name of names) expect(name).toMatch(/^[a-z][\dA-Za-z]+$/)
    expect(operationName('get', '/v1/triggers')).toBe('listTriggers')
    expect(operationName('get', '/v1/mcp-tokens/{chain}/{agent}')).toBe('readMcpToken')
    expect(operationName('post', '/v1/triggers/{id}/conditions')).toBe('createTriggerCondition')
    expect(operationName('post', '/v1/deliveries/retry')).toBe('retryDeliveries')
    expect(operationName('post', '/v1/deliveries/{id}/retry')).toBe('retryDelivery')
    expect(operationName('post', '/v1/destinations/{id}/secret/rotate')).toBe('rotateDestinationSecret')
  })

  test('says what every operation, tag and parameter is for', () => {
    const tags = description.tags.map(({ name }) => name)
    for (const { name, description: text } of description.tags) expect(text, name).not.toBe('')
    for (const [name, { summary = '', tags: own = [], parameters = [] }] of operations) {
      expect(summary, name).not.toBe('')
      expect(own.length, `tags of ${name}`).toBe(1)
      expect(tags, `tags of ${name}`).toContain(own[0])
      for (const parameter of parameters) {
        expect(parameter.description ?? '', `${parameter.name} of ${name}`).not.toBe('')
      }
    }
  })

  test('has a schema for every answer: of its own for success, and of a problem for everything else', () => {
    for (const [name, { responses }] of operations) {
      const statuses = Object.keys(responses)
      expect(
        statuses.some((status) => status.startsWith('2')),
        name,
      ).toBe(true)
      for (const [status, given] of Object.entries(responses)) {
        const response =
          given.$ref === undefined
            ? given
            : (description.components.responses[given.$ref.replace('#/components/responses/', '')] ?? {})
        const content = Object.entries(response.content ?? {})
        const where = `${name} ${status}`
        expect(response.description ?? '', where).not.toBe('')
        if (status === '204' || status === '304') expect(content, where).toEqual([])
        else if (status === '202' && content.length === 0) continue
        else if (name === 'post /mcp' && ['400', '406'].includes(status)) {
          // The protocol has refusals of its own.
          expect(content.map(([type]) => type)).toContain('application/json')
        } else if (status.startsWith('2')) {
          expect(content.length, where).toBeGreaterThan(0)
          for (const [, { schema }] of content) expect(Object.keys(schema ?? {}), where).not.toEqual([])
        } else {
          expect(content, where).toEqual([
            ['application/problem+json', { schema: { $ref: '#/components/schemas/Problem' } }],
          ])
        }
      }
    }
  })

  test('has patterns that mean in JSON Schema what they mean here: without flags', () => {
    const patterns = [...walk(description)].flatMap(([, { pattern }]) =>
      typeof pattern === 'string' ? [pattern] : [],
    )
    expect(patterns.length).toBeGreaterThan(5)
    for (const pattern of patterns) expect(pattern).toMatch(/^\^.*\$$/)
  })

  test('leaves no object open by mistake: each says which properties it has, or that it takes any', () => {
    const objects = [...walk(description.components.schemas)].filter(([, { type }]) =>
      [type].flat().includes('object'),
    )
    expect(objects.length).toBeGreaterThan(60)
    for (const [at, { additionalProperties }] of objects) expect(additionalProperties, at).toBeDefined()
  })

  test('holds answers to what it says of them', async () => {
    const check = createAnswerCheck(description)
    const app = createDescribedApp()
    expect(await check('GET', '/healthz', await app.request('/healthz'))).toEqual([])
    expect(await check('GET', '/v1/triggers', await app.request('/v1/triggers'))).toEqual([])
    const answer = (body: object, status = 200) => Response.json(body, { status })
    const page = { data: [], next_cursor: null }
    expect(await check('GET', '/v1/triggers', answer(page))).toEqual([])
    expect(await check('GET', '/v1/triggers', answer({ ...page, more: 1 }))).toHaveLength(1)
    expect(await check('GET', '/v1/triggers', answer({ data: [{}] }))).not.toEqual([])
    expect(await check('GET', '/v1/triggers', answer(page, 404))).toEqual([
      expect.stringContaining('not described'),
    ])
  })

  test('is what the types of the client were generated from: npm run generate-client', async () => {
    expect(await generateClient()).toBe(readFileSync(clientSchemaFile, 'utf8'))
  })
})
