import { createHash, timingSafeEqual } from 'node:crypto'
import { Counter, Gauge, Registry } from 'prom-client'
import { chainStates, describeProgress } from '../chain-progress.ts'
import type { Database } from '../db.ts'
import { readChainProgress } from '../store/chains.ts'
import { breakerStates } from '../store/destinations.ts'
import {
  countAttempts,
  countConditions,
  countDeliveries,
  countEvents,
  countFiles,
  readLags,
} from '../store/metrics.ts'
import { readStreamLag } from '../store/stream.ts'
import type { ApiApp, ApiContext } from './app.ts'
import { ProblemError } from './problem.ts'

/** However many scrape, the database is asked no more often. */
const freshMs = 5_000

/** As `read-lags.sql` gives them. */
const quantiles = ['0.5', '0.95', '1']

/** What sums up many rows of hourly counts. */
const freshSumsMs = 60_000

/**
 * GET /metrics, for Prometheus. It has no user: without a token of its own it is open to whoever reaches the API, and says how much there is
 * of everything, but of nothing what it is.
 */
export function addMetrics(
  app: ApiApp,
  { db, metricsToken }: ApiContext,
  ofProcess: readonly Registry[] = [],
): void {
  const readMetrics = keepFresh(freshMs, createMetrics(db))
  app.get('/metrics', async (c) => {
    const given = /^Bearer +(\S+) *$/i.exec(c.req.header('authorization') ?? '')?.[1] ?? ''
    if (metricsToken !== undefined && !timingSafeEqual(digest(given), digest(metricsToken))) {
      throw new ProblemError(401, 'Send the header "Authorization: Bearer <TOCSIN_METRICS_TOKEN>".', {
        headers: { 'www-authenticate': 'Bearer' },
      })
    }
    const texts = [await readMetrics(), ...(await Promise.all(ofProcess.map((own) => own.metrics())))]
    return c.body(texts.join(''), 200, {
      'content-type': Registry.PROMETHEUS_CONTENT_TYPE,
    })
  })
}

/** Everything that is measured, as a text that Prometheus reads. Each reading is of one moment. */
function createMetrics(db: Database): () => Promise<string> {
  const registry = new Registry()
  const registers = [registry]
  const gauge = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new Gauge({ name: `tocsin_${name}`, help, labelNames, registers })
  const ofChain = (name: string, help: string) => gauge(`chain_${name}`, help, 'chain_id', 'chain')

  const chain = {
    head_block: ofChain('head_block', 'Newest block of the chain by its endpoint'),
    last_block: ofChain('last_block', 'Block up to which everything is in events'),
    finalized_block: ofChain('finalized_block', 'Block up to which the chain is final'),
    matched_block: ofChain('matched_block', 'Block up to which triggers have been asked'),
    lag_blocks: ofChain('lag_blocks', 'Blocks between the head and the last block'),
    lag_seconds: ofChain(
      'lag_seconds',
      'Seconds between the head and the last block, by the times of the blocks',
    ),
    blocks_per_second: ofChain('blocks_per_second', 'Blocks read a second, over the last minute'),
    progress_ratio: ofChain(
      'progress_ratio',
      'Share of the blocks from the start to the head that has been read',
    ),
    seconds_left: ofChain(
      'backfill_left_seconds',
      'Time until history has been read, at the speed of the last minute',
    ),
  }
  const chainState = gauge(
    'chain_state',
    '1 for the state that the chain is in',
    'chain_id',
    'chain',
    'state',
  )
  const matcherLag = ofChain(
    'unmatched_blocks',
    'Blocks that are in events and that triggers have not been asked about',
  )
  const unmatched = ofChain(
    'unmatched_seconds',
    'For how long the oldest event has been stored that triggers have not been asked about',
  )
  const sent = gauge(
    'chain_sending_lag_seconds',
    'From when deliveries were due to when they were begun, of the last 1000 that ended in five minutes',
    'chain_id',
    'chain',
    'quantile',
  )
  const depth = gauge('queue_depth', 'Jobs that wait, and that are worked on', 'queue', 'state')
  const events = gauge('events', 'Events that are stored, retracted ones too', 'chain_id', 'event_type')
  const retracted = gauge('events_retracted', 'Events whose block has left the chain')
  const triggers = gauge('triggers_enabled', 'Triggers that are switched on')
  const matches = gauge('matches_estimated', 'Matches that are stored, as Postgres estimates')
  const deliveries = gauge('deliveries', 'Deliveries that have not succeeded, up to 100,000', 'state')
  const overdue = gauge('outbox_oldest_seconds', 'For how long the oldest pending delivery has been due')
  const streamLag = gauge(
    'stream_held_back_seconds',
    'For how long a transaction that is still open has held the stream back',
  )
  const attempts = new Counter({
    name: 'tocsin_attempts_total',
    help: 'Attempts at deliveries, counted every five minutes; retried: failed, and to be tried again',
    labelNames: ['action_type', 'status'],
    registers,
  })
  const breakers = gauge('destinations', 'Destinations by their breaker; disabled ones apart', 'state')
  const alerts = gauge('alerts_open', 'Alerts about something that is still so', 'kind', 'chain_id')

  const sums = keepFresh(freshSumsMs, async () => ({
    events: await countEvents(db),
    attempts: await countAttempts(db),
  }))

  return async () => {
    const [
      chains,
      lags,
      counts,
      [files],
      [conditions],
      [streamIs],
      { events: eventCounts, attempts: attemptCounts },
    ] = await Promise.all([
      readChainProgress(db),
      readLags(db),
      countDeliveries(db),
      countFiles(db),
      countConditions(db),
      readStreamLag(db),
      sums(),
    ])
    registry.resetMetrics()
    for (const progress of chains.map(describeProgress)) {
      const labels = { chain_id: progress.chain_id, chain: progress.name }
      const { percent, last_block, matched_block } = progress
      const values = {
        ...progress,
        progress_ratio: percent === null ? null : percent / 100,
      }
      for (const [name, metric] of Object.entries(chain)) {
        const value = values[name as keyof typeof chain]
        if (value !== null) metric.set(labels, value)
      }
      for (const state of chainStates) chainState.set({ ...labels, state }, state === progress.state ? 1 : 0)
      if (last_block !== null && matched_block !== null) {
        matcherLag.set(labels, Math.max(last_block - matched_block, 0))
      }
      const lag = lags.find(({ chain_id }) => chain_id === progress.chain_id)
      if (lag !== undefined) unmatched.set(labels, lag.unmatched_seconds)
      for (const [index, quantile] of quantiles.entries()) {
        const seconds = lag?.sent_seconds?.[index]
        if (seconds !== undefined) sent.set({ ...labels, quantile }, seconds)
      }
    }
    for (const { chain_id, event_type, count } of eventCounts) events.set({ chain_id, event_type }, count)
    for (const { state, count, overdue_seconds } of counts) {
      deliveries.set({ state }, count)
      if (state === 'pending') overdue.set(overdue_seconds)
      if (state === 'enqueued') depth.set({ queue: 'deliveries', state: 'waiting' }, count)
      if (state === 'running') depth.set({ queue: 'deliveries', state: 'active' }, count)
    }
    depth.set({ queue: 'files', state: 'waiting' }, files?.waiting ?? 0)
    depth.set({ queue: 'files', state: 'active' }, files?.active ?? 0)
    for (const { action_type, ...outcomes } of attemptCounts) {
      for (const [status, count] of Object.entries(outcomes)) attempts.inc({ action_type, status }, count)
    }
    if (streamIs !== undefined) streamLag.set(streamIs.seconds)
    if (conditions !== undefined) {
      for (const state of breakerStates) breakers.set({ state }, conditions.breakers[state] ?? 0)
      breakers.set({ state: 'disabled' }, conditions.disabled_destinations)
      for (const { kind, chain_id, count } of conditions.alerts)
        alerts.set({ kind, chain_id: chain_id ?? '' }, count)
      triggers.set(conditions.enabled_triggers)
      retracted.set(conditions.retracted_events)
      matches.set(conditions.matches)
    }
    return registry.metrics()
  }
}

/** Reads again when the last reading is older than that; who asks meanwhile gets the same one. What failed is not kept. */
function keepFresh<Value>(maxAgeMs: number, read: () => Promise<Value>): () => Promise<Value> {
  let kept: { value: Promise<Value>; atMs: number } | undefined
  return () => {
    if (kept === undefined || Date.now() - kept.atMs > maxAgeMs) {
      const reading = { value: read(), atMs: Date.now() }
      kept = reading
      reading.value.catch(() => {
        if (kept === reading) kept = undefined
      })
    }
    return kept.value
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
