import { setTimeout as delay } from 'node:timers/promises'
import { describeError } from '../errors.ts'
import {
  claimKeeper,
  claimServer,
  isLeased,
  isPassing,
  openSession,
  type Session,
} from './embedded-postgres-lease.ts'
import { findPostmaster, type PostgresServer, stopServer } from './embedded-postgres-server.ts'

/*
 * A process of its own, in its own session: it outlives whoever started the embedded Postgres, however that ended, and
 * stops the server when nobody uses it any more. Its argument is the server. Its stdin stays open while its starter is
 * starting the server and taking a lease.
 */

const pollMs = 250
/** Long enough for a user of the server whose connection was cut to take a new lease. */
const idleMs = 2_000
/** Long enough for a starter's pg_ctl, which goes on when the starter is killed. */
const orphanedMs = 5_000

/** What the starter is doing: it says so when it is done, and only its death ends stdin without a word. */
type Starter = { state: 'starting' | 'done' | 'dead'; since: number }

await keep(JSON.parse(process.argv[2] ?? ''))
process.exit()

async function keep(server: PostgresServer): Promise<void> {
  const starter = watchStarter()
  for (let kept = false; ; await delay(pollMs)) {
    const postmaster = await findPostmaster(server.folder)
    if (postmaster === undefined) {
      const waitsForStart =
        starter.state === 'starting' ||
        (starter.state === 'dead' && !kept && Date.now() - starter.since < orphanedMs)
      if (waitsForStart) continue
      // Whoever starts the server again starts a keeper, too.
      return say('the server is gone')
    }
    try {
      const session = await openSession(server.folder, postmaster.port, 'keeper')
      if (!(await claimKeeper(session))) return
      say('keeping the server')
      kept = true
      if (await waitUntilUnused(session, starter)) {
        say('nobody uses the server: stopping it')
        return say((await stopServer(server)) ? 'stopped' : 'it did not stop in time')
      }
    } catch (error) {
      if (isPassing(error)) continue
      say(`nobody can use the server (${describeError(error)}): stopping it`)
      await stopServer(server)
      return
    }
  }
}

/** True when the server has been unused for a while and is now held for us alone; false when the connection was cut. */
async function waitUntilUnused(session: Session, starter: Starter): Promise<boolean> {
  let cut = false
  session.closed.then(() => {
    cut = true
  })
  for (let usedAt = Date.now(); !cut; await delay(pollMs)) {
    if (starter.state === 'starting' || (await isLeased(session))) usedAt = Date.now()
    else if (Date.now() - usedAt >= idleMs && (await claimServer(session))) return true
  }
  return false
}

function watchStarter(): Starter {
  const starter: Starter = { state: 'starting', since: Date.now() }
  const note = (state: Starter['state']) => {
    if (starter.state === 'starting') Object.assign(starter, { state, since: Date.now() })
  }
  process.stdin
    .on('data', () => note('done'))
    .on('close', () => note('dead'))
    .on('error', () => note('dead'))
  return starter
}

function say(line: string): void {
  console.log(`${new Date().toISOString()} [${process.pid}] ${line}`)
}
