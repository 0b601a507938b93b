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
import type { SourceFile } from './from-openzeppelin-monitor.ts'

/**
 * Triggers for the monitors (once: sentinels) of OpenZeppelin Defender: files of Defender as Code (`serverless.yml`), and what its API
 * gave for them.
 *
 * @see https://github.com/OpenZeppelin/defender-as-code
 */
export function fromDefender(files: readonly SourceFile[]): Imported {
  const imported = files.map(({ file, content }): Imported => {
    const root = normalize(content)
    const found = findMonitors(root)
    if (found.length === 0)
      return { triggers: [], skipped: [{ path: file, reason: 'there is no monitor in it' }] }
    return merge(found.map(({ path, monitor }) => importMonitor(`${file}: ${path}`, monitor, root)))
  })
  return merge(imported)
}

function merge(parts: readonly Imported[]): Imported {
  return {
    triggers: parts.flatMap(({ triggers }) => triggers),
    skipped: parts.flatMap(({ skipped }) => skipped),
  }
}

/** Files write `alert-threshold`, the API writes `alertThreshold`: here it is `alertthreshold`. Names of resources stay. */
function normalize(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normalize)
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [plain(key), normalize(item)]))
}

function plain(key: string): string {
  return key.toLowerCase().replaceAll(/[-_]/g, '')
}

function findMonitors(root: unknown): { path: string; monitor: Json }[] {
  if (Array.isArray(root)) {
    return root.flatMap((monitor, index) => (isObject(monitor) ? [{ path: `[${index}]`, monitor }] : []))
  }
  if (!isObject(root)) return []
  if ('eventconditions' in root || 'addressrules' in root)
    return [{ path: textOf(root.name) ?? 'monitor', monitor: root }]
  const outer = isObject(root.resources) ? root.resources : root
  const resources = isObject(outer.resources) ? outer.resources : outer
  return ['monitors', 'sentinels', 'items'].flatMap((key) => {
    const group = resources[key]
    if (Array.isArray(group)) return findMonitors(group)
    if (!isObject(group)) return []
    return Object.entries(group).flatMap(([name, monitor]) =>
      isObject(monitor) ? [{ path: `${key}.${name}`, monitor }] : [],
    )
  })
}

function importMonitor(path: string, monitor: Json, root: unknown): Imported {
  const skipped: Skipped[] = []
  const skip = (at: string, reason: string) => {
    skipped.push({ path: at === '' ? path : `${path}.${at}`, reason })
  }
  const none = () => ({ triggers: [], skipped })
  if (monitor.type !== undefined && monitor.type !== 'BLOCK') {
    skip('type', `a monitor of ${String(monitor.type)} looks at something other than events of a chain`)
    return none()
  }
  const network = textOf(monitor.network) ?? ''
  const chain = findChain(network)
  if (chain === undefined) {
    skip('network', `no ERC-8004 registries are known on ${JSON.stringify(network)}`)
    return none()
  }
  const condition = monitor.actioncondition ?? monitor.autotaskcondition
  if (condition !== undefined && condition !== null) {
    skip(
      'action-condition',
      'an action that filters has no counterpart. The monitor is left out, since it would fire for more',
    )
    return none()
  }
  const trigger = monitor.actiontrigger ?? monitor.autotasktrigger
  if (trigger !== undefined && trigger !== null)
    skip('action-trigger', 'actions of Defender are not run: call what they do by a webhook')

  const rules = readRules(monitor)
  if (rules.transaction !== undefined) {
    skip(
      'conditions.transaction',
      'triggers look at events, not at transactions. The monitor is left out, since it would fire for more',
    )
    return none()
  }
  for (const index of rules.functions.keys()) {
    skip(`conditions.function[${index}]`, 'triggers look at events, not at calls of functions')
  }
  const built = buildTriggers({
    path,
    name: textOf(monitor.name) ?? path,
    enabled: monitor.paused !== true,
    chains: [chain],
    addresses: rules.addresses.map((address, index) => ({
      path: `${path}.addresses[${index}]`,
      address: String(address),
    })),
    events: rules.events.flatMap((event, index) => {
      if (!isObject(event)) return []
      const signature = String(event.signature ?? event.eventsignature ?? '')
      return [{ path: `${path}.conditions.event[${index}]`, signature, expression: textOf(event.expression) }]
    }),
    actions: importChannels(monitor, root, skip),
    conditions: importThreshold(monitor.alertthreshold, skip),
    options: importOptions(monitor, skip),
  })
  return merge([{ triggers: [], skipped }, built])
}

/** Conditions as files and requests have them, or in `addressRules`, as answers do. */
function readRules(monitor: Json) {
  const conditions = isObject(monitor.conditions) ? monitor.conditions : {}
  const rules = listOf(monitor.addressrules).filter(isObject)
  const inner = rules.flatMap((rule) => listOf(rule.conditions)).filter(isObject)
  const all = (...keys: string[]) =>
    [conditions, monitor, ...inner].flatMap((place) => keys.flatMap((key) => listOf(place[key])))
  const transaction = all('transaction', 'txcondition', 'txconditions').find((given) =>
    isObject(given) ? textOf(given.expression) !== undefined : textOf(given) !== undefined,
  )
  return {
    addresses: [...listOf(monitor.addresses), ...rules.flatMap((rule) => listOf(rule.addresses))],
    events: all('event', 'eventconditions'),
    functions: all('function', 'functionconditions'),
    transaction,
  }
}

type Skip = (at: string, reason: string) => void

function importThreshold(threshold: unknown, skip: Skip): object[] {
  if (!isObject(threshold)) return []
  const [amount, seconds] = [Number(threshold.amount), Number(threshold.windowseconds)]
  if (amount === 1) return []
  if (!Number.isInteger(amount) || !Number.isInteger(seconds)) {
    skip('alert-threshold', 'it has no amount and window in whole numbers')
    return []
  }
  return [
    { condition_type: 'rate_limit', value: amount, config: { time_window: `${seconds}s`, scope: 'trigger' } },
  ]
}

function importOptions(monitor: Json, skip: Skip): object {
  const level = monitor.confirmlevel
  const notify = isObject(monitor.notifyconfig) ? monitor.notifyconfig : {}
  const timeoutS = Math.ceil(Number(notify.timeout ?? monitor.alerttimeoutms ?? 0) / 1000)
  if (textOf(notify.message ?? monitor.alertmessagebody) !== undefined)
    skip('notify-config.message', 'its template language is another one: the default payload is sent')
  if (textOf(notify.category) !== undefined)
    skip('notify-config.category', 'there are no categories: name the channels')
  if (level === 'safe')
    skip('confirm-level', 'there is no "safe": the trigger waits for "finalized", which is later')
  const finality =
    level === 'safe' || level === 'finalized'
      ? 'finalized'
      : Number(level) > 1
        ? { confirmations: Number(level) }
        : undefined
  return {
    ...(finality === undefined ? {} : { finality }),
    ...(timeoutS > 0 ? { cooldown: { period: `${timeoutS}s`, scope: 'trigger' } } : {}),
  }
}

function importChannels(monitor: Json, root: unknown, skip: Skip): object[] {
  const notify = isObject(monitor.notifyconfig) ? monitor.notifyconfig : {}
  const given = [
    ...listOf(notify.channels),
    ...listOf(monitor.notificationchannels),
    ...listOf(notify.notifications),
  ]
  return given.flatMap((entry, index): object[] => {
    const at = `notify-config.channels[${index}]`
    const channel = isObject(entry) ? entry : resolve(String(entry), root)
    if (channel === undefined) {
      skip(at, `what ${String(entry)} stands for is not in the file`)
      return []
    }
    const config = isObject(channel.config) ? channel.config : channel
    const url = textOf(config.url)
    switch (channel.type) {
      case 'webhook':
      case 'slack':
      case 'discord': {
        if (url === undefined || /\$\{/.test(url)) {
          skip(at, 'its URL is not in the file')
          return []
        }
        const key = { webhook: undefined, slack: 'text', discord: 'content' }[channel.type]
        const text =
          '{{ trigger.name }}: {{ event.event_type }} of agent {{ event.agent_id }} in {{ event.transaction_hash }}'
        return [
          {
            action_type: 'rest',
            config: { url, ...(key === undefined ? {} : { body_template: { [key]: text } }) },
          },
        ]
      }
      case 'telegram':
        skip(`${at}.bot-token`, 'messages come of the bot of this installation: link the chat to it')
        return [{ action_type: 'telegram', config: { chat_id: String(config.chatid) } }]
      default:
        skip(at, `there is no action like ${String(channel.type)}`)
        return []
    }
  })
}

/** `${self:resources.notifications.slack-1}`, in the same file. */
function resolve(reference: string, root: unknown): Json | undefined {
  const [, path] = /^\$\{self:([\w.-]+)\}$/.exec(reference) ?? []
  const found = path
    ?.split('.')
    .reduce<unknown>((node, key) => (isObject(node) ? node[plain(key)] : undefined), root)
  return isObject(found) ? found : undefined
}
