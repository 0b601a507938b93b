import fc from 'fast-check'
import { hints } from './hints.ts'
import {
  hostileBodies,
  hostileCursors,
  hostileHeaders,
  hostileSegments,
  hostileTexts,
  hostileTypes,
} from './hostile.ts'
import { hostileMutations, mutate, nearMutations } from './mutate.ts'
import { type Schema, valuesOf } from './values-of.ts'
import type { CallerName } from './world.ts'

export type Operation = {
  method: string
  path: string
  needs: readonly string[] | undefined
  parameters: readonly { name: string; in: string; required?: boolean; schema: Schema }[]
  body?: { schema: Schema; required: boolean }
  statuses: readonly string[]
}

/** A request as it is printed when it fails. Texts that begin with @ are looked up when it is sent. */
export type FuzzRequest = {
  caller: CallerName
  path: Record<string, unknown>
  /** Strings are sent as they are. */
  query: readonly (readonly [name: string, value: unknown])[]
  headers: Record<string, string>
  body?: { json: unknown } | { bytes: string; type: string | undefined }
}

export type RequestClass = 'valid' | 'near-valid' | 'hostile'

/** The operations of a description. */
export function operationsOf(description: object): Operation[] {
  type Described = {
    security?: { bearer?: string[] }[]
    parameters?: Operation['parameters']
    requestBody?: { required?: boolean; content: Record<string, { schema: Schema }> }
    responses: Record<string, unknown>
  }
  const { paths } = description as { paths: Record<string, Record<string, Described>> }
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { security, parameters = [], requestBody, responses }]) => {
      const schema =
        path === '/mcp' ? { $ref: '#/McpMessage' } : requestBody?.content['application/json']?.schema
      return {
        method: method.toUpperCase(),
        path,
        needs: security?.[0]?.bearer,
        parameters,
        ...(schema && { body: { schema, required: requestBody?.required === true } }),
        statuses: Object.keys(responses),
      }
    }),
  )
}

/** Requests of an operation: such as its description says, with one or two things wrong, or made to break it. */
export function requestsOf(
  operation: Operation,
  kind: RequestClass,
  components: Record<string, Schema>,
): fc.Arbitrary<FuzzRequest> {
  // What has no schema of its own in the description has a hint.
  const schemas = { ...components, McpMessage: {} }
  const values = (schema: Schema) => valuesOf(schema, { schemas, hints })
  const valid = validRequests(operation, values)
  if (kind === 'valid') return valid
  const named = (place: string) =>
    operation.parameters.filter(({ in: at }) => at === place).map(({ name }) => name)
  const isHostile = kind === 'hostile'
  const names = fc.constantFrom('x', 'limit', 'cursor', '__proto__', 'constructor', ...named('query'))
  const wrong = isHostile
    ? fc.oneof(fc.constantFrom(...hostileTexts.map((text) => text.slice(0, 5000))), hostileCursors)
    : fc.constantFrom(
        '',
        '0',
        '-1',
        '501',
        '1.5',
        'x',
        'true',
        'null',
        '2026-13-01',
        '@bobs-trigger',
        '@key',
        'W10',
        '1,2',
      )
  const cursors = named('query').includes('cursor')
    ? [fc.tuple(fc.constant('cursor'), isHostile ? hostileCursors : wrong)]
    : []
  const queries = fc.array(fc.oneof(fc.tuple(names, wrong), ...cursors), { minLength: 1, maxLength: 2 })
  const segments = isHostile
    ? hostileSegments
    : fc.constantFrom(
        '@bobs-trigger',
        '@bobs-key',
        '@bobs-destination',
        '@bobs-delivery',
        '@bob',
        '@key',
        '@event',
        '0',
        '-1',
        '1',
        'x',
      )
  const mutations = isHostile ? hostileMutations : nearMutations

  /** One of the places that the operation has, or a header, is changed. */
  const changes: fc.Arbitrary<(request: FuzzRequest) => FuzzRequest>[] = [
    queries.map((more) => (request) => ({ ...request, query: [...request.query, ...more] })),
  ]
  if (named('path').length > 0) {
    changes.push(
      fc.tuple(fc.constantFrom(...named('path')), segments).map(([name, value]) => (request) => ({
        ...request,
        path: { ...request.path, [name]: value },
      })),
    )
  }
  if (isHostile) {
    changes.push(
      hostileHeaders.map((headers) => (request) => ({
        ...request,
        headers: { ...request.headers, ...headers },
      })),
      fc
        .tuple(hostileBodies, fc.option(hostileTypes, { nil: 'application/json' }))
        .map(([bytes, type]) => (request) => ({
          ...request,
          body: { bytes, type },
        })),
    )
  }
  if (operation.body !== undefined) {
    const ofBody = mutations.map((all) => (request: FuzzRequest) => ({
      ...request,
      body: {
        json: mutate(request.body !== undefined && 'json' in request.body ? request.body.json : {}, all),
      },
    }))
    changes.push(ofBody, ofBody, ofBody)
  }
  return fc.tuple(valid, fc.oneof(...changes)).map(([request, change]) => change(request))
}

function validRequests(
  { method, path, needs, parameters, body }: Operation,
  values: (schema: Schema) => fc.Arbitrary<unknown>,
): fc.Arbitrary<FuzzRequest> {
  const segments = parameters.filter(({ in: at }) => at === 'path')
  const others = (place: string) =>
    fc
      .tuple(
        ...parameters
          .filter(({ in: at }) => at === place)
          .map(({ name, required, schema }) =>
            fc
              .tuple(fc.nat(9), hints[name] ?? values(schema))
              .map(([dice, value]) =>
                required || dice > 7 || name === 'follow' || name === 'event' ? [[name, value] as const] : [],
              ),
          ),
      )
      .map((all) => all.flat())
  return fc
    .record({
      caller: callersFor(path, needs),
      path: fc.record(Object.fromEntries(segments.map(({ name }) => [name, segmentOf(method, path, name)]))),
      query: others('query'),
      headers: others('header').map((all) => ({
        ...(path === '/mcp' ? { accept: 'application/json, text/event-stream' } : {}),
        ...(Object.fromEntries(all) as Record<string, string>),
      })),
      body: body === undefined ? fc.constant(undefined) : values(body.schema).map((json) => ({ json })),
    })
    .map(({ body: given, ...request }) => (given === undefined ? request : { ...request, body: given }))
}

/** What ends a session or an account is asked by one that is made for it. */
const endsItsCaller = ['/v1/auth/logout', '/v1/auth/change-password', 'DELETE /v1/me']

function callersFor(path: string, needs: readonly string[] | undefined): fc.Arbitrary<CallerName> {
  const right = needs?.includes('admin')
    ? 'operator'
    : endsItsCaller.some((name) => name.endsWith(path))
      ? 'throwaway'
      : 'ann'
  return fc.oneof(
    { weight: 14, arbitrary: fc.constant<CallerName>(right) },
    { weight: 1, arbitrary: fc.constantFrom<CallerName>('bob', 'narrow', 'nobody', 'liar', 'operator') },
  )
}

/** Something that is there, by the place in the address. */
function segmentOf(method: string, path: string, name: string): fc.Arbitrary<unknown> {
  const known: Record<string, unknown> = {
    chain: '31337',
    agent: '@agent',
    position: '0',
    action: '@action',
    address: '@wallet',
    name: 'unfit',
  }
  if (name in known) return fc.constant(known[name])
  if (path.includes('/chats/')) return fc.constant('@chat')
  if (path.includes('/keys/')) return fc.constant('@key')
  if (path.includes('/users/')) return fc.constant('@user')
  if (path.includes('/deliveries/')) return fc.constant('@delivery')
  if (path.includes('/destinations/')) return fc.constant('@destination')
  const isReading = method === 'GET' && !path.includes('{action}') && !path.includes('{position}')
  return isReading ? fc.constantFrom('@kept', '@stateful', '@trigger') : fc.constant('@trigger')
}
