import { describe, expect, it } from 'vitest'
import type {
  CompiledLimit,
  CompiledStateful,
  CompiledTrigger,
} from '../../../src/conditions/compiled-trigger.ts'
import { type Folded, foldHits, type Hit } from '../../../src/engine/fold.ts'
import { createMemory, type Memory } from '../../../src/engine/memory.ts'
import type { RegistryEvent } from '../../../src/event.ts'
import { sampleEvent } from '../../support/events.ts'

const start = Date.UTC(2026, 0, 1)

/** Feedback `seconds` after the start, in a block of that number. */
const at = (seconds: number, fields: Partial<RegistryEvent> = {}): RegistryEvent =>
  sampleEvent('NewFeedback', {
    id: `e${seconds}`,
    occurrence: `o${seconds}`,
    block_number: seconds,
    block_time: new Date(start + seconds * 1000),
    ...fields,
  })

const triggerWith = (parts: Partial<CompiledTrigger> = {}): CompiledTrigger => ({
  id: 't',
  version: 1,
  generation: 1,
  chain_id: 31337,
  registry: 'reputation',
  active_since: new Date(0),
  conditions: [],
  content: [],
  stateful: [],
  limits: [],
  readsFiles: false,
  eventTypes: ['NewFeedback'],
  agentIds: undefined,
  from_block: undefined,
  warm_up: false,
  ...parts,
})

/** Counts, and holds from `from` on. */
const counter = (position: number, from: number, last = false): CompiledStateful => ({
  condition_type: 'rate_limit',
  field: null,
  operator: '>=',
  value: String(from),
  config: {},
  position,
  last,
  scopeOf: (event) => String(event.agent_id),
  step: (state) => {
    const count = Number(state?.count ?? 0) + 1
    return { holds: count >= from, seen: count, state: { count } }
  },
})

/** Wakes ten seconds after the last event. */
const silence = (): CompiledStateful => ({
  ...counter(0, 1),
  condition_type: 'absence',
  step: (_, { id, occurrence, block_number, block_time }) => ({
    holds: false,
    seen: null,
    state: { event_id: id, occurrence, block_number, block_time: block_time.getTime() },
    wakeAt: block_time.getTime() + 10_000,
  }),
  wake: (state) => ({ holds: true, seen: 10, state: undefined, anchor: state as never }),
})

const limit = (parts: Partial<CompiledLimit> = {}): CompiledLimit => ({
  kind: 'cooldown',
  count: 1,
  within: 60_000,
  digest: false,
  scopeOf: () => '',
  ...parts,
})

const fold = (
  trigger: CompiledTrigger,
  events: RegistryEvent[],
  options: { memory?: Memory; clock?: number; mayFire?: boolean; file?: 'there' | 'missing' } = {},
): Folded =>
  foldHits(
    events.map((event): Hit => ({ trigger, event, mayFire: options.mayFire ?? true })),
    {
      memory: options.memory ?? createMemory(),
      fileOf: () => (options.file === 'there' ? { status: 'fetched', error: null, hash: 'none' } : undefined),
      due: [],
      triggerOf: () => trigger,
      end: { clock: start + (options.clock ?? 0) * 1000, block_number: options.clock ?? 0 },
    },
  )
const fired = ({ matches }: Folded) => matches.map(({ kind, event_id }) => `${kind} ${event_id}`)

describe('foldHits', () => {
  it('fires for each hit of a trigger without a memory', () => {
    expect(fired(fold(triggerWith(), [at(1), at(2)]))).toEqual(['event e1', 'event e2'])
  })

  it('keeps one state per scope', () => {
    const events = [at(1), at(2, { agent_id: '8' }), at(3), at(4, { agent_id: '8' })]
    expect(fired(fold(triggerWith({ stateful: [counter(0, 2)] }), events))).toEqual(['event e3', 'event e4'])
  })

  it('says in the evidence what was remembered before and after', () => {
    const { matches } = fold(triggerWith({ stateful: [counter(0, 2)] }), [at(1), at(2)])
    expect(matches[0]?.evidence).toMatchObject([
      { position: 0, scope: '7', seen: 2, holds: true, state_before: { count: 1 }, state: { count: 2 } },
    ])
  })

  it('lets every condition take an event, but a last one only those that the others let through', () => {
    const memory = createMemory()
    const trigger = triggerWith({ stateful: [counter(0, 3), counter(1, 1), counter(2, 2, true)] })
    expect(fired(fold(trigger, [at(1), at(2), at(3), at(4)], { memory }))).toEqual(['event e4'])
    const counts = [0, 1, 2].map((position) => memory.get(trigger, position, '7').state?.count)
    expect(counts).toEqual([4, 4, 2])
  })

  it('history builds state and fires nothing', () => {
    const memory = createMemory()
    const trigger = triggerWith({ stateful: [counter(0, 2)], warm_up: true })
    expect(fired(fold(trigger, [at(1), at(2)], { memory, mayFire: false }))).toEqual([])
    expect(fired(fold(trigger, [at(3)], { memory }))).toEqual(['event e3'])
  })

  it('resets what asks for it after it fired, and only then', () => {
    const resetting = { ...counter(0, 2), afterFire: () => undefined }
    const trigger = triggerWith({ stateful: [resetting] })
    expect(fired(fold(trigger, [at(1), at(2), at(3), at(4)]))).toEqual(['event e2', 'event e4'])
  })

  it('does not fire for an event that it cannot decide, and leaves its state alone', () => {
    const memory = createMemory()
    const trigger = triggerWith({ stateful: [counter(0, 1)] })
    const folded = foldHits([{ trigger, event: at(1), mayFire: true, error: 'no such key' }], {
      memory,
      fileOf: () => undefined,
      due: [],
      triggerOf: () => trigger,
      end: { clock: 0, block_number: 0 },
    })
    expect(folded).toMatchObject({ matches: [], undecided: [{ error: 'no such key' }] })
    expect(memory.taken().changed).toEqual([])
  })
})

describe('the clock', () => {
  it('wakes what is due between two events, in the order of the deadlines', () => {
    const trigger = triggerWith({ stateful: [silence()] })
    const events = [at(0), at(1, { agent_id: '8' }), at(30)]
    expect(fired(fold(trigger, events, { clock: 100 }))).toEqual(['absence e0', 'absence e1', 'absence e30'])
  })

  it('has not passed a deadline at the deadline itself', () => {
    const trigger = triggerWith({ stateful: [silence()] })
    expect(fired(fold(trigger, [at(0), at(10)], { clock: 20 }))).toEqual([])
    expect(fired(fold(trigger, [at(0), at(10)], { clock: 21 }))).toEqual(['absence e10'])
  })

  it('wakes once, however often it was set', () => {
    const trigger = triggerWith({ stateful: [silence()] })
    expect(fired(fold(trigger, [at(0), at(5), at(8)], { clock: 100 }))).toEqual(['absence e8'])
  })

  it('says which deadlines are still to come', () => {
    const { later } = fold(triggerWith({ stateful: [silence()] }), [at(0)], { clock: 5 })
    expect(later).toMatchObject([{ scope: '7', wakeAt: start + 10_000 }])
  })

  it('does not fire for a silence that ended before the trigger was switched on', () => {
    const trigger = triggerWith({
      stateful: [silence()],
      warm_up: true,
      active_since: new Date(start + 15_000),
    })
    expect(fired(fold(trigger, [at(0), at(6, { agent_id: '8' })], { clock: 100, mayFire: false }))).toEqual([
      'absence e6',
    ])
  })
})

describe('a limit', () => {
  it('holds back what follows within its time, and not what comes at its end', () => {
    const trigger = triggerWith({ limits: [limit()] })
    expect(fired(fold(trigger, [at(0), at(59), at(60), at(61)]))).toEqual(['event e0', 'event e60'])
  })

  it('counts in a sliding window', () => {
    const trigger = triggerWith({ limits: [limit({ kind: 'max_fires', count: 2 })] })
    const events = [at(0), at(50), at(59), at(60), at(61), at(110)]
    expect(fired(fold(trigger, events))).toEqual(['event e0', 'event e50', 'event e60', 'event e110'])
  })

  it('without a time lets through so many in all', () => {
    const trigger = triggerWith({ limits: [limit({ kind: 'max_fires', count: 2, within: undefined })] })
    expect(fired(fold(trigger, [at(0), at(1000), at(100_000)]))).toEqual(['event e0', 'event e1000'])
  })

  it('tells what it held back as one digest, when the trigger may fire again', () => {
    const trigger = triggerWith({ limits: [limit({ digest: true })] })
    const { matches } = fold(trigger, [at(0), at(10), at(20), at(90)], { clock: 200 })
    expect(matches).toMatchObject([
      { kind: 'event', event_id: 'e0' },
      {
        kind: 'digest',
        occurrence: 'o20#digest',
        evidence: [
          { condition_type: 'cooldown', position: -1, held_back: { count: 2, events: ['e10', 'e20'] } },
        ],
      },
      { kind: 'event', event_id: 'e90' },
    ])
  })

  it('keeps back an absence, too, by the scope of the event that was missed', () => {
    const trigger = triggerWith({
      stateful: [silence()],
      limits: [limit({ scopeOf: (event) => String(event.agent_id) })],
    })
    const events = [at(0), at(1, { agent_id: '8' }), at(20), at(21, { agent_id: '9' })]
    expect(fired(fold(trigger, events, { clock: 100 }))).toEqual(['absence e0', 'absence e1', 'absence e21'])
  })
})

describe('a trigger that reads files', () => {
  it('stops at the first event whose file is not there, and its deadlines with it', () => {
    const trigger = triggerWith({ readsFiles: true, stateful: [silence()] })
    const { waiting, matches } = fold(trigger, [at(0), at(1)], { file: 'missing', clock: 100 })
    expect(waiting.get('t')?.event.id).toBe('e0')
    expect(matches).toEqual([])
  })

  it('goes on when it is', () => {
    expect(fired(fold(triggerWith({ readsFiles: true }), [at(0)], { file: 'there' }))).toEqual(['event e0'])
  })
})

describe('the journal', () => {
  it('has what a state was before the first change of each block', () => {
    const memory = createMemory()
    const trigger = triggerWith({ stateful: [counter(0, 9)] })
    fold(trigger, [at(1), { ...at(1), id: 'same block' }, at(2)], { memory })
    const { journal, changed } = memory.taken()
    expect(journal.map(({ block_number, state }) => [block_number, state])).toEqual([
      [1, undefined],
      [2, { count: 2 }],
    ])
    expect(changed).toMatchObject([{ state: { count: 3 } }])
    expect(memory.taken()).toEqual({ changed: [], journal: [] })
  })
})
