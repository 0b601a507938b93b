/** That a condition holds, or does not, cannot be said for one event. The message is a sentence for the trigger's owner. */
export class EvaluationError extends Error {
  override name = 'EvaluationError'
}
