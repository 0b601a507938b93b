import { once } from 'node:events'
import { followStream, type StreamMessage } from '../client/follow-stream.ts'
import { describeStreamed } from './describe-streamed.ts'
import { runUntilStopped } from './run-until-stopped.ts'
import { withApi } from './with-api.ts'

/** Options that are parameters of `GET /v1/stream`, by their names there. The API judges the values. */
export const streamParameters = {
  kinds: 'some of event, match, delivery, separated by commas; what the credential may read unless given',
  chain_id: 'of this chain',
  registry: 'events of this registry',
  event_type: 'events of this type',
  agent_id: 'events of this agent',
  client_address: 'feedback of this client',
  validator_address: 'validations by this validator',
  tag: 'events with this tag',
  tag2: 'events with this second tag',
  score_min: 'events with at least this score',
  score_max: 'events with at most this score',
  trigger_id: 'matches and deliveries of this trigger',
  from: 'start, or a time; what happens from now on unless given',
} as const

type Options = {
  parameters: Partial<Record<keyof typeof streamParameters, string>>
  follow: boolean
  count?: number
  lastEventId?: string
  api?: string
  json?: boolean
}

/** `tocsin stream`: what happens as it happens, until Ctrl-C, `--count`, or the end of what there is. */
export function streamCommand(options: Options): Promise<void> {
  return runUntilStopped(async (shutdown) => {
    const stop = new AbortController()
    shutdown.add(() => stop.abort())
    // Whoever read it has enough, as in `tocsin stream | head`.
    process.stdout.on('error', () => stop.abort())
    const query = new URLSearchParams(options.parameters)
    if (!options.follow) query.set('follow', 'false')

    let told = 0
    await withApi(options, (_client, access) =>
      followStream({
        ...access,
        query,
        lastEventId: options.lastEventId,
        signal: stop.signal,
        onMessage: async (message) => {
          const line = options.json ? toJson(message) : describeStreamed(message)
          // A slow reader is not read ahead of: the server decides how much waits for it.
          if (line !== undefined && !process.stdout.write(`${line}\n`)) {
            await once(process.stdout, 'drain', { signal: stop.signal }).catch(() => {})
          }
          if (subjects.has(message.name)) told += 1
          return told !== options.count
        },
        onInterruption: (reason, waitMs) => {
          process.stderr.write(`The stream was interrupted (${reason}); again in ${waitMs / 1000} s.\n`)
        },
      }),
    )
  })
}

const subjects = new Set(['event', 'match', 'delivery'])

/** What is about the connection itself is left out; a gap is about what was told. */
function toJson({ name, id, data }: StreamMessage): string | undefined {
  return subjects.has(name) || name === 'gap' ? JSON.stringify({ kind: name, id, ...data }) : undefined
}
