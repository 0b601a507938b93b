import { type ConditionProperties, Engine } from 'json-rules-engine'
import type { CompiledTrigger } from '../src/conditions/compiled-trigger.ts'
import { compareDecimals, normalizeDecimal } from '../src/conditions/decimal.ts'
import { eventFields, type RegistryEvent } from '../src/event.ts'

/**
 * The same triggers as rules of json-rules-engine, each `all` of its conditions, with operators of its own for what compares
 * decimals exactly. Chain and registry come first (by priority), so that it too leaves out the other conditions early. The event's
 * values are brought into the form of the conditions once, not for each condition.
 *
 * @returns how many rules fire for an event. `run` is asynchronous; one event is waited for before the next, as the order of events
 *   demands.
 */
export function createJsonRules(
  triggers: readonly CompiledTrigger[],
): (event: RegistryEvent) => Promise<number> {
  const engine = new Engine()
  const compares = {
    '<': (order: number) => order < 0,
    '<=': (order: number) => order <= 0,
    '>': (order: number) => order > 0,
    '>=': (order: number) => order >= 0,
  }
  for (const [name, holds] of Object.entries(compares)) {
    engine.addOperator(
      name,
      (seen: string | null, value: string) => seen !== null && holds(compareDecimals(seen, value)),
    )
  }
  engine.addOperator('=', (seen: string | null, value: string) => seen === value)
  engine.addOperator('!=', (seen: string | null, value: string) => seen !== null && seen !== value)
  engine.addOperator('in', (seen: string | null, value: string[]) => seen !== null && value.includes(seen))
  engine.addOperator(
    'not_in',
    (seen: string | null, value: string[]) => seen !== null && !value.includes(seen),
  )
  engine.addOperator('contains', (seen: string | null, value: string) => seen?.includes(value) ?? false)
  engine.addOperator(
    'exists',
    (seen: string | null, value: boolean) => (seen !== null && seen !== '') === value,
  )

  for (const { id, chain_id, registry, conditions } of triggers) {
    engine.addRule({
      conditions: {
        all: [
          { fact: 'chain_id', operator: '=', value: String(chain_id), priority: 3 },
          { fact: 'registry', operator: '=', value: registry, priority: 3 },
          ...conditions.map(
            ({ field, operator, value }): ConditionProperties => ({
              fact: String(field),
              operator: String(operator),
              value,
              priority: 1,
            }),
          ),
        ],
      },
      event: { type: 'match', params: { id } },
    })
  }
  return async (event) => (await engine.run(factsOf(event))).events.length
}

function factsOf(event: RegistryEvent): Record<string, string | null> {
  const facts: Record<string, string | null> = {
    chain_id: String(event.chain_id),
    registry: event.registry,
    event_type: event.event_type,
  }
  for (const [name, { kind }] of Object.entries(eventFields)) {
    const seen = event[name as keyof typeof eventFields]
    facts[name] = seen === null ? null : formOf(kind, String(seen))
  }
  return facts
}

function formOf(kind: string, text: string): string {
  if (kind === 'address') return text.toLowerCase()
  return kind === 'integer' || kind === 'decimal' ? (normalizeDecimal(text) ?? text) : text
}
