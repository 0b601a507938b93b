import type { Chain } from '../chains.ts'
import {
  buildTriggers,
  type Imported,
  isObject,
  type Json,
  listOf,
  type Skipped,
  textOf,
} from './build-triggers.ts'
import { findChain } from './find-chain.ts'
import { registrySignatures } from './registry-signatures.ts'

/** A file, already read as JSON. */
export type SourceFile = { file: string; content: unknown }

/**
 * Triggers for the monitors of OpenZeppelin Monitor. Its configuration has files of three kinds, which are told apart by what is in
 * them: monitors, triggers (where notifications go) and networks.
 *
 * @see https://docs.openzeppelin.com/monitor
 */
export function fromOpenZeppelinMonitor(files: readonly SourceFile[]): Imported {
  const monitors: { path: string; monitor: Json }[] = []
  const notifications = new Map<string, { path: string; notification: Json }>()
  const networks = new Map<string, unknown>()
  const skipped: Skipped[] = []
  for (const { file, content } of files) {
    for (const [index, item] of listOf(content).entries()) {
      const path = Array.isArray(content) ? `${file}[${index}]` : file
      if (!isObject(item)) skipped.push({ path, reason: 'it is no object' })
      else if ('match_conditions' in item) monitors.push({ path, monitor: item })
      else if ('slug' in item) networks.set(String(item.slug), item.chain_id)
      else {
        for (const [name, notification] of Object.entries(item)) {
          const at = `${path}: ${name}`
          if (isObject(notification) && 'trigger_type' in notification)
            notifications.set(name, { path: at, notification })
          else skipped.push({ path: at, reason: 'it is neither a monitor nor a trigger nor a network' })
        }
      }
    }
  }
  const imported = monitors.map(({ path, monitor }) => importMonitor(path, monitor, notifications, networks))
  return {
    triggers: imported.flatMap(({ triggers }) => triggers),
    skipped: [...skipped, ...imported.flatMap((one) => one.skipped)],
  }
}

function importMonitor(
  path: string,
  monitor: Json,
  notifications: ReadonlyMap<string, { path: string; notification: Json }>,
  networks: ReadonlyMap<string, unknown>,
): Imported {
  const skipped: Skipped[] = []
  const skip = (at: string, reason: string) => {
    skipped.push({ path: at === '' ? path : `${path}: ${at}`, reason })
  }
  const match = isObject(monitor.match_conditions) ? monitor.match_conditions : {}
  // What narrows a monitor down and has no meaning here would make the trigger fire for more: then there is none.
  const narrowing = [
    ...listOf(match.transactions).flatMap((transaction, index) => {
      if (!isObject(transaction)) return []
      const at = `match_conditions.transactions[${index}]`
      if (textOf(transaction.expression) !== undefined)
        return [[at, 'triggers look at events, not at transactions']]
      return transaction.status === 'Failure' ? [[at, 'a transaction that failed has no events']] : []
    }),
    ...listOf(monitor.trigger_conditions).map((_, index) => [
      `trigger_conditions[${index}]`,
      'a script that filters has no counterpart: an expression condition may say the same',
    ]),
  ]
  for (const [at = '', reason = ''] of narrowing)
    skip(at, `${reason}. The monitor is left out, since it would fire for more`)
  for (const index of listOf(match.functions).keys()) {
    skip(`match_conditions.functions[${index}]`, 'triggers look at events, not at calls of functions')
  }
  if (narrowing.length > 0) return { triggers: [], skipped }

  const chains = listOf(monitor.networks).flatMap((slug, index): Chain[] => {
    const id = networks.get(String(slug))
    const chain = findChain(typeof id === 'number' ? id : String(slug))
    if (chain === undefined) skip(`networks[${index}]`, `no ERC-8004 registries are known on ${String(slug)}`)
    return chain === undefined ? [] : [chain]
  })
  const name = textOf(monitor.name) ?? path
  const signatures = listOf(match.events).map((event) =>
    isObject(event) ? String(event.signature ?? '') : '',
  )
  const actions = listOf(monitor.triggers).flatMap((given) => {
    const found = notifications.get(String(given))
    if (found === undefined) {
      skip(`triggers: ${String(given)}`, 'there is no such trigger in the files')
      return []
    }
    return importNotification(found, { name, signatures }, (at, reason) => skipped.push({ path: at, reason }))
  })
  const built = buildTriggers({
    path,
    name,
    enabled: monitor.paused !== true,
    chains,
    addresses: listOf(monitor.addresses).map((item, index) => ({
      path: `${path}: addresses[${index}]`,
      address: isObject(item) ? String(item.address) : String(item),
    })),
    events: listOf(match.events).map((event, index) => ({
      path: `${path}: match_conditions.events[${index}]`,
      signature: signatures[index] ?? '',
      expression: isObject(event) ? textOf(event.expression) : undefined,
    })),
    actions,
    conditions: [],
    options: {},
  })
  return { triggers: built.triggers, skipped: [...skipped, ...built.skipped] }
}

type About = { name: string; signatures: readonly string[] }

/** An action for where a notification goes. */
function importNotification(
  { path, notification }: { path: string; notification: Json },
  about: About,
  skip: (path: string, reason: string) => void,
): object[] {
  const { trigger_type: type } = notification
  const config = isObject(notification.config) ? notification.config : {}
  const message = isObject(config.message) ? config.message : {}
  const [title, body] = [message.title, message.body].map((text) =>
    translateMessage(textOf(text) ?? '', about, (reason) => skip(`${path}.message`, reason)),
  )
  const whole = [title, body].filter((text) => text !== '').join('\n\n')
  const secret = (key: string): string | undefined => {
    const given = config[key]
    const value = isObject(given) && given.type === 'Plain' ? given.value : given
    if (typeof value === 'string') return value
    skip(`${path}.${key}`, 'its value is not in the file')
    return undefined
  }
  const rest = (url: string | undefined, more: object) =>
    url === undefined ? [] : [{ action_type: 'rest', config: { url, ...more } }]

  switch (type) {
    case 'webhook': {
      if (config.secret !== undefined)
        skip(
          `${path}.secret`,
          'webhooks are signed with a secret that Tocsin makes, as Standard Webhooks has it',
        )
      const headers = isObject(config.headers) ? config.headers : {}
      return rest(secret('url'), {
        method: textOf(config.method) ?? 'POST',
        headers,
        ...(config.method === 'GET' ? {} : { body_template: { title, body } }),
      })
    }
    case 'slack':
      return rest(secret('slack_url'), { body_template: { text: whole } })
    case 'discord':
      return rest(secret('discord_url'), { body_template: { content: whole } })
    case 'telegram':
      skip(`${path}.token`, 'messages come of the bot of this installation: link the chat to it')
      return [
        {
          action_type: 'telegram',
          config: {
            chat_id: String(config.chat_id),
            parse_mode: 'plain',
            ...(whole === '' ? {} : { message_template: whole }),
          },
        },
      ]
    default:
      skip(path, `there is no action like ${String(type)}`)
      return []
  }
}

/** Puts its variables into ours. What has none stays as it is, and is said. */
function translateMessage(text: string, { name, signatures }: About, skip: (reason: string) => void): string {
  const parameters = Object.assign(
    {},
    ...signatures.map((signature) => registrySignatures[signature]?.parameters ?? {}),
  )
  return text.replaceAll(/\$\{([^}]*)\}/g, (whole, variable: string) => {
    if (/^monitor[._]name$/.test(variable)) return name
    if (/^transaction[._]hash$/.test(variable)) return '{{ event.transaction_hash }}'
    const [, parameter = ''] = /^events?[._]\d+[._](?:args[._])?(\w+)$/.exec(variable) ?? []
    const field: unknown = Object.hasOwn(parameters, parameter) ? parameters[parameter] : undefined
    if (typeof field === 'string') return `{{ event.${field} }}`
    if (parameter === 'signature') return '{{ event.event_type }}'
    skip(`${whole} stands for nothing that an event has: it stays as text`)
    return whole
  })
}
