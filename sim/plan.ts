import { createRandom, type Random } from '../src/dev/random.ts'
import { type Fault, httpFaultKinds, webSocketFaultKinds } from './node-faults.ts'
import { type FlipPlan, type ForkPlan, forkBlocksMax } from './world.ts'

/** When a step is taken: after a while, after so many more requests to a chain's node, or when the indexer has caught up. */
export type Moment =
  | { kind: 'delay'; delayMs: number }
  | { kind: 'requests'; chain: number; count: number }
  | { kind: 'caughtUp'; timeoutMs: number }

/** Which of the new blocks the subscribers are told of. */
export type Told = 'all' | 'last' | 'none'

export type Action =
  | { kind: 'mine'; chain: number; blocks: number; told: Told }
  | { kind: 'fork'; chain: number; fork: ForkPlan; told: Told }
  | { kind: 'flip'; chain: number; flip: FlipPlan; told: Told }
  | { kind: 'fault'; chain: number; fault: Fault }
  | { kind: 'dropSockets'; chain: number }
  | { kind: 'killPonder' }
  | { kind: 'killRole' }
  /** `crash`: as when the machine fails; otherwise sessions are cut and everything is written. */
  | { kind: 'restartDatabase'; crash: boolean }

export type Step = { moment: Moment; action: Action }

/** Everything that a seed decides. The logs and blocks follow from the same seed, in the order of the steps. */
export type Plan = {
  seed: number
  /** Height of each chain before the indexer starts, and whether it has a WebSocket. */
  chains: readonly { history: number; webSocket: boolean }[]
  steps: readonly Step[]
}

/** Each costs seconds, since what is ended has to start again, and the pause before doubles. */
const killsMax = { ponder: 3, role: 1, database: 1 }

/** After a start, Ponder needs so long to read what is not final, at the 20 requests a second that it allows itself, and on a busy machine. */
const startMs = 40_000

/** @param options.stepsMax leaves out all later steps of the seed. */
export function makePlan(
  seed: number,
  { databaseRestarts = true, stepsMax = Number.POSITIVE_INFINITY } = {},
): Plan {
  const random = createRandom(seed)
  const chains = [0, 1].map(() => ({
    // Some are older than finality: there is a backfill.
    history: random.next() < 0.65 ? random.integer(1, 40) : random.integer(66, 110),
    webSocket: random.next() < 0.85,
  }))
  const randomSteps = (count: number, moment: () => Moment): Step[] =>
    Array.from({ length: count }, () => ({ moment: moment(), action: randomAction(random) }))

  // While it starts; then, most of them, when it has caught up: what it has not seen before a fork it need not take back.
  const early = randomSteps(random.integer(0, 4), () => randomMoment(random, 0))
  const late = randomSteps(random.integer(14, 26), () => randomMoment(random, 0.5))
  const insert = (action: Action) => {
    const steps = random.next() < 0.25 ? early : late
    const at = random.integer(0, steps.length)
    steps.splice(at, 0, { moment: randomMoment(random, 0.2), action })
    const next = steps[at + 1]
    if (next !== undefined && random.next() < 0.5) next.moment = { kind: 'caughtUp', timeoutMs: startMs }
  }
  for (let count = random.integer(0, killsMax.ponder); count > 0; count--) insert({ kind: 'killPonder' })
  for (let count = random.next() < 0.25 ? killsMax.role : 0; count > 0; count--) insert({ kind: 'killRole' })
  for (let count = random.next() < 0.25 ? killsMax.database : 0; count > 0; count--) {
    const crash = random.next() < 0.5
    if (databaseRestarts) insert({ kind: 'restartDatabase', crash })
  }
  const [first] = late
  if (first !== undefined) first.moment = { kind: 'caughtUp', timeoutMs: startMs }
  return { seed, chains, steps: [...early, ...late].slice(0, stepsMax) }
}

/** @param caughtUp how often the indexer is to have nothing left to do. */
function randomMoment(random: Random, caughtUp: number): Moment {
  if (random.next() < caughtUp) return { kind: 'caughtUp', timeoutMs: random.pick([4000, 12_000]) }
  if (random.next() < 0.4) return { kind: 'delay', delayMs: random.integer(0, 400) }
  // In the middle of what Ponder is doing: reading history, walking back along a fork.
  return { kind: 'requests', chain: random.integer(0, 1), count: random.integer(1, 30) }
}

export function randomAction(random: Random): Action {
  const chain = random.integer(0, 1)
  const told = random.pick<Told>(['all', 'all', 'all', 'last', 'none'])
  const dice = random.next()
  if (dice < 0.3) {
    if (random.next() < 0.9) return { kind: 'mine', chain, blocks: random.integer(1, 6), told }
    return { kind: 'mine', chain, blocks: random.integer(10, 35), told: random.pick<Told>(['last', 'none']) }
  }
  if (dice < 0.6) return { kind: 'fork', chain, fork: randomFork(random), told }
  if (dice < 0.78) {
    const flip = { choice: random.integer(0, 3), more: random.integer(0, 2), outgrow: random.next() < 0.6 }
    return { kind: 'flip', chain, flip, told }
  }
  if (dice < 0.81) return { kind: 'dropSockets', chain }
  return { kind: 'fault', chain, fault: randomFault(random) }
}

function randomFork(random: Random): ForkPlan {
  // Ponder walks back block by block: the deepest cost it many seconds.
  const deep = random.next() < 0.1
  const [min, max] = deep
    ? [16, forkBlocksMax]
    : random.pick([
        [1, 1],
        [1, 4],
        [2, 12],
      ] as const)
  return {
    depth: random.integer(min, max),
    longer: random.pick([-2, 0, 0, 1, 1, 1, 2, 4]),
    carried: random.pick([0, 0.3, 0.8, 1]),
    sameTimes: random.next() < 0.5,
  }
}

function randomFault(random: Random): Fault {
  const kind = random.pick([...httpFaultKinds, ...webSocketFaultKinds])
  // Now and then longer than Ponder waits for an answer (10 s) and the role for an endpoint (6 s).
  const isLong = random.next() < 0.05
  return {
    kind,
    share: random.pick([0.2, 0.5, 1]),
    durationMs: isLong ? random.integer(10_500, 13_000) : random.integer(200, 4000),
    size: random.integer(1, 5),
  }
}
