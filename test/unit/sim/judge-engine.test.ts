import { describe, expect, test } from 'vitest'
import { type EngineVerdict, judgeEngine } from '../../../sim/engine/judge-engine.ts'
import type {
  EngineStore,
  StoredDelivery,
  StoredMatch,
  StoredTrigger,
} from '../../../sim/engine/read-engine.ts'
import { sampleEvent } from '../../support/events.ts'

const chainId = 31337
const startMs = Date.UTC(2026, 1, 1)
const clean: EngineVerdict = { missing: [], doubled: [], wrongState: [], unretracted: [] }

/** Feedback in each of two blocks, and one of a block that left the chain. */
const events = [event(1, 'a'), event(2, 'a'), event(2, 'lost')]
const chain = {
  chainId,
  head: { block_number: 9, time: startMs + 9000 },
  finalized: 9,
  hashes: new Set(['0xa1', '0xa2']),
}

const trigger: StoredTrigger = {
  ...{ id: 't', version: 1, generation: 1, chain_id: chainId, registry: 'reputation' },
  ...{ active_since: new Date(0), from_block: null, warm_up: false, cooldown: null, max_fires: null },
  finality: 'latest',
  conditions: [
    {
      ...{ position: 0, condition_type: 'rate_limit', field: null, operator: '>=', value: '2' },
      config: { time_window: '1h', scope: ['trigger'], reset_on_trigger: false },
    },
  ],
  actions: [{ id: 7, finality: null, on_retraction: 'notify' }],
  start: { block_number: -1, log_index: -1, seq: 0 },
  isBehind: false,
}
const match: StoredMatch = {
  ...{
    id: 1,
    trigger_id: 't',
    generation: 1,
    kind: 'event',
    occurrence: 'o-2-a',
    event_id: '2-a',
    block_number: 2,
  },
  ...{ status: 'standing', in_question: false, retractions: 0 },
  evidence: [{ position: 0, scope: '', seen: 2 }],
}
const fallen: StoredMatch = {
  ...{ ...match, id: 2, occurrence: 'o-2-lost', event_id: '2-lost', status: 'retracted', retractions: 1 },
}
const sent: StoredDelivery = {
  ...{ id: 'd1', match_id: 1, kind: 'match', original_id: null, action_id: 7, occurrence: 'o-2-a' },
  ...{ state: 'succeeded', attempts: 1, waits_on: null, waits_for: null },
}
const sentInVain: StoredDelivery = { ...sent, id: 'd2', match_id: 2, occurrence: 'o-2-lost' }
const retraction: StoredDelivery = {
  ...{ ...sentInVain, id: 'd3', kind: 'retraction', original_id: 'd2', occurrence: 'retraction:1:d2' },
}
const good: EngineStore = {
  triggers: [trigger],
  matches: [match, fallen],
  deliveries: [sent, sentInVain, retraction],
  states: [
    {
      trigger_id: 't',
      generation: 1,
      position: 0,
      scope: '',
      state: { times: [startMs + 1000, startMs + 2000] },
    },
  ],
  undecided: [],
  files: new Map(),
  events,
}

function event(block: number, fork: string) {
  return sampleEvent('NewFeedback', {
    ...{
      id: `${block}-${fork}`,
      seq: block,
      block_number: block,
      block_hash: `0x${fork}${block}`,
      log_index: 0,
    },
    ...{ occurrence: `o-${block}-${fork}`, block_time: new Date(startMs + block * 1000) },
  })
}

const judged = (changed: Partial<EngineStore>) => judgeEngine({ ...good, ...changed }, [chain])
/** How many of each are wrong. */
const counts = (changed: Partial<EngineStore>) =>
  Object.fromEntries(
    Object.entries(judged(changed)).flatMap(([kind, list]) => (list.length > 0 ? [[kind, list.length]] : [])),
  )

describe('the judge of the engine', () => {
  test('finds nothing where everything is as the final chain has it', () => {
    expect(judged({})).toEqual(clean)
  })

  test('misses a match, and a delivery of one', () => {
    const rest = [sentInVain, retraction]
    expect(judged({ matches: [fallen], deliveries: rest }).missing).toEqual(['t event o-2-a by 2-a'])
    expect(judged({ deliveries: rest }).missing).toEqual(['t event o-2-a has no delivery for action 7'])
  })

  test('misses a delivery that was cancelled, or still waits though everything is final', () => {
    const others = [sentInVain, retraction]
    const cancelled: StoredDelivery = { ...sent, state: 'cancelled' }
    const waiting: StoredDelivery = { ...sent, state: 'pending', waits_on: 'finalized', waits_for: 2 }
    expect(counts({ deliveries: [cancelled, ...others] })).toEqual({ missing: 1 })
    expect(counts({ deliveries: [waiting, ...others] })).toEqual({ missing: 1 })
  })

  test('notices a trigger that has not come to the end of its chain', () => {
    expect(counts({ triggers: [{ ...trigger, isBehind: true }] })).toEqual({ missing: 1 })
  })

  test('notices what is told twice: a match, or its retraction', () => {
    const deliveries = [...good.deliveries]
    expect(counts({ deliveries: [...deliveries, { ...sent, id: 'd9' }] })).toEqual({ doubled: 1 })
    expect(counts({ deliveries: [...deliveries, { ...retraction, id: 'd9' }] })).toEqual({ doubled: 1 })
  })

  test('notices a state that is not what the chain gives, is not there, or should not be', () => {
    const [state] = good.states
    if (state === undefined) throw new Error('There is one state')
    expect(counts({ states: [{ ...state, state: { times: [startMs + 2000] } }] })).toEqual({ wrongState: 1 })
    expect(counts({ states: [] })).toEqual({ wrongState: 1 })
    expect(counts({ states: [state, { ...state, scope: 'other' }] })).toEqual({ wrongState: 1 })
  })

  test('notices evidence that is not what the chain gives', () => {
    const wrong = { ...match, evidence: [{ position: 0, scope: '', seen: 3 }] }
    expect(counts({ matches: [wrong, fallen] })).toEqual({ wrongState: 1 })
  })

  test('notices a match that stands though its event is not on the chain, or is still in question', () => {
    const standing: StoredMatch = { ...fallen, status: 'standing', retractions: 0 }
    expect(counts({ matches: [match, standing], deliveries: [sent, sentInVain] })).toEqual({ unretracted: 1 })
    const doubtful = { ...match, in_question: true }
    expect(counts({ matches: [doubtful, fallen] })).toEqual({ unretracted: 1 })
  })

  test('notices a match that stands for an event of the chain for which the reference does not fire', () => {
    const early: StoredMatch = { ...match, id: 3, occurrence: 'o-1-a', event_id: '1-a', block_number: 1 }
    const deliveries = [...good.deliveries, { ...sent, id: 'd9', match_id: 3, occurrence: 'o-1-a' }]
    expect(counts({ matches: [match, fallen, early], deliveries })).toEqual({ unretracted: 1 })
  })

  test('notices that nobody says that a match was retracted, or that it stands again', () => {
    expect(counts({ deliveries: [sent, sentInVain] })).toEqual({ unretracted: 1 })
    const back: StoredMatch = { ...match, retractions: 1 }
    const told: StoredDelivery = {
      ...sent,
      id: 'd9',
      kind: 'retraction',
      original_id: 'd1',
      occurrence: 'retraction:1:d1',
    }
    expect(counts({ matches: [back, fallen], deliveries: [...good.deliveries, told] })).toEqual({
      unretracted: 1,
    })
  })

  test('notices a delivery of a retracted match that would still be sent', () => {
    const pending: StoredDelivery = { ...sentInVain, state: 'pending' }
    expect(counts({ deliveries: [sent, pending, retraction] })).toEqual({ unretracted: 1 })
  })

  test('leaves a trigger alone whose limits changed under way, but for its retractions', () => {
    const inexact = new Map([['t', 1]])
    expect(judgeEngine({ ...good, states: [] }, [chain], inexact)).toEqual(clean)
    const standing: StoredMatch = { ...fallen, status: 'standing', retractions: 0 }
    const store = { ...good, matches: [match, standing], deliveries: [sent, sentInVain] }
    expect(judgeEngine(store, [chain], inexact).unretracted).toHaveLength(1)
  })

  test('leaves what an earlier generation decided about an event of the chain', () => {
    const early: StoredMatch = { ...match, id: 3, occurrence: 'o-1-a', event_id: '1-a', block_number: 1 }
    const deliveries = [...good.deliveries, { ...sent, id: 'd9', match_id: 3, occurrence: 'o-1-a' }]
    const matches = [match, fallen, { ...early, generation: 0 }]
    expect(judged({ matches, deliveries })).toEqual(clean)
  })

  test('leaves to the generation before what had arrived when a new one began', () => {
    const start = { block_number: 2, log_index: 0, seq: 3 }
    expect(counts({ triggers: [{ ...trigger, start }], states: [] })).toEqual({})
  })
})
