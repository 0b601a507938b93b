/** SQLSTATEs after which the same transaction may simply be run again. */
const transient = new Set([
  '40001', // serialization_failure: somebody else committed first
  '40P01', // deadlock_detected
  '23503', // foreign_key_violation: what we referred to was deleted after our snapshot
])

/** Whether a transaction lost a race and should be tried again at once, with a fresh snapshot. */
export function isTransient(error: unknown): boolean {
  return transient.has((error as { code?: string } | undefined)?.code ?? '')
}
