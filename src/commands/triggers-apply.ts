import { randomUUID } from 'node:crypto'
import { ApiError } from '../client/api-error.ts'
import { type ApiClient, answerOf } from '../client/client.ts'
import type { components } from '../client/schema.ts'
import { describeError, UserError } from '../errors.ts'
import { formatChange } from '../trigger-files/format-change.ts'
import { type Change, planChanges, type StoredTrigger } from '../trigger-files/plan-changes.ts'
import { listTriggers } from './list-triggers.ts'
import { formatProblem, paint, readTriggerFiles } from './read-trigger-files.ts'
import { withApi } from './with-api.ts'

type Options = {
  file: string[]
  dryRun?: boolean
  exitCode?: boolean
  prune?: boolean
  secrets?: boolean
  api?: string
  json?: boolean
}

type Body = components['schemas']['TriggerDocument']

/** What a change came to. `secrets`: new ones that webhooks are signed with, which are shown this once. */
type Outcome = { id?: string; secrets?: Record<string, string>; error?: string }

/** With --dry-run --exit-code: there is something to do. 1 is for failures, 2 for wrong arguments. */
const somethingToDo = 3

/** `tocsin triggers apply`: makes the stored triggers be those of the files. */
export function applyCommand(options: Options): Promise<void> {
  return withApi(options, async (client) => {
    const read = await readTriggerFiles(options.file)
    if (read.problems.length > 0) return refuse(options, read.problems.map(formatProblem))
    if (options.prune && read.triggers.length === 0) {
      throw new UserError('The files hold no trigger: with --prune, all of yours would be deleted.')
    }
    const stored = (await listTriggers(client)) as StoredTrigger[]
    const { changes, problems } = planChanges(read.triggers, stored, options)
    // Nothing is changed before everything is known to be right.
    if (problems.length > 0) return refuse(options, problems.map(formatProblem))

    const tell = (...lines: string[]) => {
      if (!options.json) for (const line of lines) process.stdout.write(`${line}\n`)
    }
    const toDo = changes.filter(({ action }) => action !== 'unchanged')
    for (const change of changes) {
      if (change.action !== 'create' || options.dryRun) tell(...formatChange(change, paint))
    }
    if (options.dryRun) {
      tell(summarize(changes, 'to '))
      if (options.json) printJson(changes, new Map(), false)
      if (options.exitCode && toDo.length > 0) process.exitCode = somethingToDo
      return
    }

    const outcomes = new Map<Change, Outcome>()
    for (const change of toDo) {
      const outcome = await apply(client, change).catch((error: unknown) => {
        if (!(error instanceof ApiError) || error.status === 401) throw error
        return { error: describeError(error) }
      })
      outcomes.set(change, outcome)
      tell(...formatOutcome(change, outcome))
      // What comes after it may have been meant to come after it.
      if ('error' in outcome) break
    }
    if (options.json) printJson(changes, outcomes, true)
    const left = toDo.length - [...outcomes.values()].filter(({ error }) => error === undefined).length
    if (left > 0) {
      tell(
        `${left} of ${toDo.length} changes were not made. What was made stays: mend the rest, and apply again.`,
      )
      process.exitCode = 1
    } else tell(summarize(changes, ''))
  })
}

async function apply(client: ApiClient, change: Change): Promise<Outcome> {
  switch (change.action) {
    case 'unchanged':
      return {}
    case 'create': {
      const headers = { 'idempotency-key': randomUUID() }
      const body = change.document as unknown as Body
      return describeStored(await answerOf(client.POST('/v1/triggers', { body, headers })))
    }
    case 'change': {
      const { params, headers } = await lock(client, change)
      const body = change.document as unknown as Body
      return describeStored(await answerOf(client.PUT('/v1/triggers/{id}', { params, body, headers })))
    }
    case 'delete': {
      const { params, headers } = await lock(client, change)
      await answerOf(client.DELETE('/v1/triggers/{id}', { params, headers }))
      return { id: change.id }
    }
  }
}

/** What makes the API refuse a change of a trigger that is not any more as the diff has shown it. */
async function lock(client: ApiClient, { id, version }: { id: string; version: number }) {
  const params = { path: { id } }
  const call = client.GET('/v1/triggers/{id}', { params })
  const [now, { response }] = await Promise.all([answerOf(call), call])
  if (now.version !== version) {
    const detail = `It was changed meanwhile: it is at version ${now.version} now, not ${version}. Apply again.`
    throw new ApiError(412, {
      type: 'about:blank',
      title: 'Precondition Failed',
      status: 412,
      detail,
      errors: [],
    })
  }
  const tag = response.headers.get('etag')
  const headers: Record<string, string> = tag === null ? {} : { 'if-match': tag }
  return { params, headers }
}

function describeStored({ id, actions }: { id: string; actions: unknown }): Outcome {
  const shown = actions as { config: { url?: string }; signing_secret?: string }[]
  const secrets = shown.flatMap(({ config, signing_secret: secret }) =>
    secret === undefined ? [] : [[new URL(config.url ?? '').origin, secret] as const],
  )
  return { id, ...(secrets.length === 0 ? {} : { secrets: Object.fromEntries(secrets) }) }
}

const done = { create: 'created', change: 'changed', delete: 'deleted', unchanged: 'unchanged' } as const

function formatOutcome({ action, name }: Change, { id, secrets, error }: Outcome): string[] {
  if (error !== undefined) return [paint('red', `✗ could not ${action} ${JSON.stringify(name)}: ${error}`)]
  return [
    paint('green', `✓ ${done[action]} ${JSON.stringify(name)} (${id})`),
    ...Object.entries(secrets ?? {}).map(
      ([origin, secret]) => `  webhooks to ${origin} are signed with ${secret} (it is shown this once)`,
    ),
  ]
}

function summarize(changes: readonly Change[], prefix: '' | 'to '): string {
  const parts = (['create', 'change', 'delete', 'unchanged'] as const).flatMap((action) => {
    const count = changes.filter((change) => change.action === action).length
    return count === 0
      ? []
      : [`${count} ${prefix === '' || action === 'unchanged' ? done[action] : prefix + action}`]
  })
  const hidden = changes.reduce(
    (sum, change) => sum + ('unknownSecrets' in change ? change.unknownSecrets : 0),
    0,
  )
  const note =
    hidden === 0
      ? ''
      : `. ${hidden} header values cannot be compared with what is stored: --secrets writes them`
  return `${parts.length === 0 ? 'no trigger' : parts.join(', ')}${note}`
}

function printJson(
  changes: readonly Change[],
  outcomes: ReadonlyMap<Change, Outcome>,
  applied: boolean,
): void {
  const shown = changes.map((change) => {
    const { action, name } = change
    const outcome = outcomes.get(change)
    const isDone = outcome !== undefined && outcome.error === undefined
    const id = 'id' in change ? change.id : null
    return { action, name, id, ...('place' in change ? change.place : {}), done: isDone, ...outcome }
  })
  process.stdout.write(`${JSON.stringify({ applied, changes: shown })}\n`)
}

function refuse({ json }: Options, lines: readonly string[]): void {
  if (json) process.stdout.write(`${JSON.stringify({ applied: false, changes: [], problems: lines })}\n`)
  else for (const line of lines) process.stderr.write(`${paint('red', `✗ ${line}`)}\n`)
  if (!json) process.stderr.write('Nothing was changed.\n')
  process.exitCode = 1
}
