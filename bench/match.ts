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
const plainLoopEvents = 400
const jsonRulesEvents = 4

/**
 * Evaluation in memory, one event after the other: how many events a second are decided, with the evidence of what matches, against
 * ten to 100,000 triggers that find the same matches; and against a plain loop over 10,000 of them and json-rules-engine with
 * the same. The rounds of all take turns, and the medians count.
 */
export async function match(): Promise<unknown> {
  const list = mixEvents(events)
  const triggers = mixTriggers(Math.max(...sizes), list)
  const contenders = [
    ...sizes.map((size) => ({ name: String(size), match: indexed(triggers.slice(0, size)), events })),
    { name: 'plain loop', match: plainLoop(triggers.slice(0, compared)), events: plainLoopEvents },
    {
      name: 'json-rules-engine',
      match: createJsonRules(triggers.slice(0, compared)),
      events: jsonRulesEvents,
    },
  ].map((contender) => ({ ...contender, perSecond: [] as number[] }))

  const expected = await countMatches(indexed(triggers.slice(0, 10)), list)
  console.error(`${events} events, ${expected.reduce((sum, one) => sum + one, 0) / events} matches each`)
  for (let round = 0; round <= rounds; round += 1) {
    // Events fresh from a database have strings that nobody has hashed yet.
    const fresh = structuredClone(list)
    for (const contender of contenders) {
      const own = fresh.slice(0, contender.events)
      const began = performance.now()
      const found = await countMatches(contender.match, own)
      const perSecond = own.length / ((performance.now() - began) / 1000)
      const wrong = found.findIndex((count, index) => count !== expected[index])
      if (wrong !== -1) {
        throw new Error(
          `${contender.name} finds ${found[wrong]} matches for event ${wrong}, not ${expected[wrong]}`,
        )
      }
      // The first round warms up.
      if (round > 0) contender.perSecond.push(perSecond)
    }
  }

  const medians = new Map(contenders.map(({ name, perSecond }) => [name, median(perSecond)]))
  const perSecondOf = (name: string | number) => medians.get(String(name)) ?? Number.NaN
  for (const [name, perSecond] of medians) {
    console.error(
      `${name.padStart(17)}: ${Math.round(perSecond).toLocaleString('en').padStart(9)} events/s, ${(1e6 / perSecond).toFixed(2)} µs`,
    )
  }
  return {
    eventsPerSecond: Object.fromEntries(sizes.map((size) => [size, Math.round(perSecondOf(size))])),
    plainLoopAt10000: Math.round(perSecondOf('plain loop')),
    jsonRulesEngineAt10000: round(perSecondOf('json-rules-engine')),
    speedup: round(perSecondOf(compared) / perSecondOf('plain loop')),
    growth: round(perSecondOf(10) / perSecondOf(100_000)),
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
