import { styleText } from 'node:util'
import type { ReceivedWebhook } from '../dev/webhook-receiver.ts'
import type { StageCounts } from '../store/stages.ts'

/** What the demo shows: lines that stay, and on a terminal one line of counters below them that keeps changing. */
export type DemoScreen = {
  say(line: string): void
  showWebhook(webhook: ReceivedWebhook): void
  showCounts(counts: StageCounts): void
  close(): void
}

/** Without a terminal, the counters are a line of their own this often. */
const countsEveryMs = 5_000

export function createDemoScreen({ quiet }: { quiet: boolean }): DemoScreen {
  const out = process.stdout
  let status = ''
  let countedAt = 0

  const say = (line: string) => {
    if (quiet) return
    out.write(out.isTTY ? `\r\x1b[2K${line}\n${status}` : `${line}\n`)
  }
  return {
    say,
    showWebhook: (webhook) => say(describeWebhook(webhook)),
    showCounts: (counts) => {
      if (quiet) return
      const line = describeCounts(counts)
      if (out.isTTY) {
        status = styleText('dim', line)
        out.write(`\r\x1b[2K${status}`)
      } else if (performance.now() - countedAt >= countsEveryMs) {
        countedAt = performance.now()
        out.write(`${line}\n`)
      }
    },
    close: () => {
      if (!quiet && out.isTTY && status !== '') out.write('\n')
      status = ''
    },
  }
}

function describeCounts(counts: StageCounts): string {
  const { indexed_block, events, matches, deliveries, succeeded, failed } = counts
  return `block ${indexed_block ?? '–'} · ${events} events · ${matches} matches · ${deliveries} deliveries · ${succeeded} delivered${failed > 0 ? ` · ${failed} failed` : ''}`
}

type Payload = { trigger?: { name?: string }; event?: Record<string, unknown> }

function describeWebhook({ body, id, receivedAt, repeated }: ReceivedWebhook): string {
  const { trigger, event } = (body ?? {}) as Payload
  const time = receivedAt.toTimeString().slice(0, 8)
  const name = (trigger?.name ?? 'webhook').padEnd(20)
  return `${time}  ${name}  ${describeEvent(event ?? {}).padEnd(52)}  ${styleText('dim', `delivery ${id.slice(0, 8)}${repeated ? ' (again)' : ''}`)}`
}

function describeEvent(event: Record<string, unknown>): string {
  const agent = `agent ${event.agent_id}`
  switch (event.event_type) {
    case 'Registered':
      return `${agent} was registered by ${short(event.owner)}`
    case 'NewFeedback':
      return `${agent} got ${event.score} for ${event.tag1} from ${short(event.client_address)}`
    case 'FeedbackRevoked':
      return `${agent} lost feedback ${event.feedback_index} of ${short(event.client_address)}`
    case 'ValidationResponse':
      return `${agent} got ${event.response} of 100 from ${short(event.validator_address)}`
    default:
      return `${agent}: ${event.event_type}`
  }
}

function short(address: unknown): string {
  return `${String(address).slice(0, 6)}…${String(address).slice(-4)}`
}
