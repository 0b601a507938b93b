import { type EventField, type EventType, eventFields, type RegistryEvent } from '../event.ts'
import { EvaluationError } from './evaluation-error.ts'
import { EventView, missing } from './event-view.ts'
import { parseExpression } from './parse-expression.ts'

/**
 * Checks an expression of CEL over `event.<field>`.
 *
 * @param eventTypes The event types for which its trigger can fire: a field that none of them fills is refused.
 * @returns what is wrong with it, as a sentence without its full stop.
 */
export function checkExpression(text: string, eventTypes: readonly EventType[]): string | undefined {
  const parsed = parseExpression(text)
  if ('problem' in parsed) return parsed.problem
  const isFilled = (name: string) =>
    !Object.hasOwn(eventFields, name) ||
    eventFields[name as EventField].of.some((eventType) => eventTypes.includes(eventType))
  const empty = parsed.fields.find((name) => !isFilled(name))
  if (empty === undefined) return undefined
  const filled = Object.keys(eventFields).filter(isFilled)
  return `no ${eventTypes.join(' or ')} event fills ${empty}. They fill ${filled.join(', ')}`
}

/**
 * Prepares an expression for many events. What reads a field that the event does not have is neither true nor false, and an
 * expression that comes to that does not hold: as with conditions, `!=` does not hold for nothing.
 *
 * @returns a function that throws {@link EvaluationError} where the expression fails for an event: say, a division by zero.
 * @throws Error when {@link checkExpression} would refuse it.
 */
export function compileExpression(text: string): (event: RegistryEvent) => boolean {
  const parsed = parseExpression(text)
  if ('problem' in parsed) throw new Error(`This expression cannot be used: ${parsed.problem}`)
  const { run, required } = parsed
  const view = new EventView()
  const scope = { event: view }
  return (event) => {
    for (const name of required) if (event[name] === null) return false
    view.event = event
    try {
      return run(scope) === true
    } catch (error) {
      if (error === missing) return false
      const { summary, range } = error as { summary?: string; range?: { start: number } }
      if (summary === undefined) throw error
      const place = range === undefined ? '' : ` at character ${range.start + 1}`
      throw new EvaluationError(`The expression failed${place}: ${summary}`, { cause: error })
    } finally {
      view.event = undefined
    }
  }
}

/** The fields that an expression names, without `event.`. None where it cannot be read. */
export function usedFields(text: string): readonly string[] {
  const parsed = parseExpression(text)
  return 'problem' in parsed ? [] : parsed.fields
}
