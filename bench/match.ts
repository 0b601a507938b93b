import type { CompiledTrigger } from '../src/conditions/compiled-trigger.ts'
import { evaluateTrigger } from '../src/conditions/evaluate-trigger.ts'
import { createTriggerIndex } from '../src/conditions/trigger-index.ts'
import type { RegistryEvent } from '../src/event.ts'
import { createJsonRules } from './json-rules.ts'
import { mixEvents, mixTriggers } from './match-mix.ts'

/** Says how many triggers match an event. Made from the triggers, outside of what is measured. */
type Matcher = (event: RegistryEvent) => number | Promise<number>

const sizes = [10, 1_000, 10_000, 100_000] as const
const compared = 10_000
const rounds = 9
const events = 20_000
/** The slow ones see only the first of the events. */
const plainLoopEvents = 100
const jsonRulesEvents = 1

/**
 * Evaluation in memory, one event after the other: how many events a second are decided, with the evidence of what matches, against
 * ten to 100,000 triggers that find the same matches; and against a plain loop over 10,000 of them and json-rules-engine with
 * the same. All take turns, and the medians count.
 */
export async function match(): Promise<unknown> {
  const list = mixEvents(events)
  const triggers = mixTriggers(Math.max(...sizes), list)
  const quick = sizes.map((size) => contend(String(size), indexed(triggers.slice(0, size))))
  const slow = [
    { ...contend('plain loop', plainLoop(triggers.slice(0, compared))), events: plainLoopEvents },
    {
      ...contend('json-rules-engine', createJsonRules(triggers.slice(0, compared))),
      events: jsonRulesEvents,
    },
  ]
  const expected = await countMatches(indexed(triggers.slice(0, 10)), list)
  console.error(`${events} events, ${expected.reduce((sum, one) => sum + one, 0) / events} matches each`)

  for (let round = 0; round <= rounds; round += 1) {
    // The first round warms up.
    const counts = round > 0
    for (const contender of [...quick, ...slow]) await takeTurn(contender, list, expected, counts)
  }

  const medians = new Map([...quick, ...slow].map(({ name, perSecond }) => [name, median(perSecond)]))
  const perSecondOf = (name: string | number) => medians.get(String(name)) ?? Number.NaN
  for (const [name, perSecond] of medians) {
    const [rate, micros] = [Math.round(perSecond).toLocaleString('en'), (1e6 / perSecond).toFixed(2)]
    console.error(`${name.padStart(17)}: ${rate.padStart(9)} events/s, ${micros} µs`)
  }
  return {
    eventsPerSecond: Object.fromEntries(sizes.map((size) => [size, Math.round(perSecondOf(size))])),
    plainLoopAt10000: Math.round(perSecondOf('plain loop')),
    jsonRulesEngineAt10000: round(perSecondOf('json-rules-engine')),
    speedup: round(perSecondOf(compared) / perSecondOf('plain loop')),
    growth: round(perSecondOf(10) / perSecondOf(100_000)),
  }
}

type Contender = { name: string; match: Matcher; events: number; perSecond: number[] }

function contend(name: string, matcher: Matcher): Contender {
  return { name, match: matcher, events, perSecond: [] }
}

async function takeTurn(
  { name, match: matcher, events: count, perSecond }: Contender,
  list: readonly RegistryEvent[],
  expected: readonly number[],
  counts: boolean,
): Promise<void> {
  // Events fresh from a database have strings that nobody has hashed yet.
  const own = structuredClone(list.slice(0, count))
  const began = performance.now()
  const found = await countMatches(matcher, own)
  if (counts) perSecond.push((own.length * 1000) / (performance.now() - began))
  const wrong = found.findIndex((number, index) => number !== expected[index])
  if (wrong !== -1) {
    throw new Error(`${name} finds ${found[wrong]} matches for event ${wrong}, not ${expected[wrong]}`)
  }
}

function indexed(triggers: readonly CompiledTrigger[]): Matcher {
  const index = createTriggerIndex(triggers)
  return (event) => countFiring(index.candidates(event), event)
}

function plainLoop(triggers: readonly CompiledTrigger[]): Matcher {
  return (event) => countFiring(triggers, event)
}

/** With the evidence of those that fire, as a match has it. */
function countFiring(triggers: readonly CompiledTrigger[], event: RegistryEvent): number {
  let firing = 0
  for (const trigger of triggers) if (evaluateTrigger(trigger, event).fires) firing += 1
  return firing
}

async function countMatches(matcher: Matcher, list: readonly RegistryEvent[]): Promise<number[]> {
  const found: number[] = []
  for (const event of list) {
    const count = matcher(event)
    found.push(typeof count === 'number' ? count : await count)
  }
  return found
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN
}

function round(number: number): number {
  return Math.round(number * 100) / 100
}
