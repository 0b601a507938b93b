import { ProblemError } from './problem.ts'

/** How much dear work goes on at a time: of each user, and in all. */
export type Turns = {
  /** @throws ProblemError 429 while the user, or too many users, have one under way. */
  take(userId: string): () => void
}

export function createTurns(what: string, { total }: { total: number }): Turns {
  const busy = new Set<string>()
  return {
    take(userId) {
      const problem = busy.has(userId)
        ? `You have ${what} under way. One at a time.`
        : busy.size >= total
          ? `Others have ${what} under way, as many as there can be. Try again in a while.`
          : undefined
      if (problem !== undefined) throw new ProblemError(429, problem, { headers: { 'retry-after': '5' } })
      busy.add(userId)
      return () => {
        busy.delete(userId)
      }
    },
  }
}
