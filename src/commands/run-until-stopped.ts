import { describeError } from '../errors.ts'
import { createShutdown, type Shutdown } from '../shutdown.ts'

/**
 * Runs a command that goes on until it is stopped by Ctrl-C, SIGTERM or its own end, and then cleans up whatever it had started.
 *
 * @param run resolves when the command has ended by itself; waits on `shutdown.signal` if it never does.
 */
export async function runUntilStopped(run: (shutdown: Shutdown) => Promise<void>): Promise<void> {
  const shutdown = createShutdown()
  let stopped: () => void = () => {}
  const asked = new Promise<void>((resolve) => {
    stopped = resolve
  })
  process.on('SIGINT', stopped)
  process.on('SIGTERM', stopped)
  try {
    await Promise.race([run(shutdown), asked])
  } finally {
    await shutdown.run().catch((error) => process.stderr.write(`${describeError(error)}\n`))
    process.off('SIGINT', stopped)
    process.off('SIGTERM', stopped)
  }
}
