import { Worker } from 'node:worker_threads'

/** What was found wrong: with the schema, so that nothing can be checked, or with the arguments. Nothing: they fit. */
export type ArgumentsVerdict = { schemaProblem?: string; argumentsProblem?: string }

export type ArgumentsChecker = {
  /** Both are JSON. Never throws on their account, and takes no longer than the time of one check after its turn has come. */
  check(schemaText: string, argumentsText: string): Promise<ArgumentsVerdict>
  close(): Promise<void>
}

/** An honest schema takes a millisecond or two, the first time some ten more. The rest is for a busy machine. */
const checkTimeMsDefault = 2_000

/** To load the library. */
const startTimeMs = 20_000

/** Of the thread: a schema cannot eat up the worker's memory either. */
const memoryMb = 128

/** Schemas that took too long are remembered, so that each costs its time once in a while only: the machine may have been busy. */
const refusedMax = 500
const refusedForMs = 600_000

/**
 * Checks arguments of tools against the tools' own JSON schemas, which strangers wrote: in one thread, one after the other,
 * each bounded in time. The thread starts with the first check, and sees nothing of the environment.
 */
export function createArgumentsChecker(options: { checkTimeMs?: number } = {}): ArgumentsChecker {
  const { checkTimeMs = checkTimeMsDefault } = options
  const refused = new Map<string, { verdict: ArgumentsVerdict; until: number }>()
  let thread: Promise<Worker> | undefined
  let turn: Promise<unknown> = Promise.resolve()
  let closed = false

  const run = async (schemaText: string, argumentsText: string): Promise<ArgumentsVerdict> => {
    const known = refused.get(schemaText)
    if (known !== undefined && known.until > performance.now()) return known.verdict
    if (closed) throw new Error('arguments are no longer checked')
    thread ??= startThread()
    const worker = await thread.catch((error) => {
      thread = undefined
      throw error
    })
    const verdict = await ask(worker, { schemaText, argumentsText }, checkTimeMs)
    if ('verdict' in verdict) return verdict.verdict
    thread = undefined
    await worker.terminate()
    const found = { schemaProblem: verdict.ended }
    refused.delete(schemaText)
    refused.set(schemaText, { verdict: found, until: performance.now() + refusedForMs })
    const [oldest] = refused.keys()
    if (refused.size > refusedMax && oldest !== undefined) refused.delete(oldest)
    return found
  }

  return {
    check: (schemaText, argumentsText) => {
      const result = turn.then(() => run(schemaText, argumentsText))
      turn = result.catch(() => {})
      return result
    },
    close: async () => {
      closed = true
      const worker = await thread?.catch(() => undefined)
      await worker?.terminate()
    },
  }
}

async function startThread(): Promise<Worker> {
  const worker = new Worker(new URL('./schema-thread.mjs', import.meta.url), {
    // Neither secrets nor loaders of ours.
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: memoryMb, maxYoungGenerationSizeMb: 32 },
  })
  // Without a listener of its own, an error of the thread would be one of the process.
  worker.on('error', () => {})
  const answer = await ask(worker, undefined, startTimeMs)
  if ('verdict' in answer) {
    worker.unref()
    return worker
  }
  await worker.terminate()
  throw new Error(`The thread that checks arguments did not start: ${answer.ended}`)
}

/** The thread's next message, or why there is none. */
function ask(
  worker: Worker,
  message: { schemaText: string; argumentsText: string } | undefined,
  timeMs: number,
): Promise<{ verdict: ArgumentsVerdict } | { ended: string }> {
  return new Promise((resolve) => {
    const done = (result: { verdict: ArgumentsVerdict } | { ended: string }) => {
      clearTimeout(timer)
      worker.off('message', answered).off('error', failed).off('exit', exited)
      resolve(result)
    }
    const answered = (verdict: ArgumentsVerdict) => done({ verdict })
    const failed = (error: unknown) =>
      done({ ended: `to check it ends in: ${error instanceof Error ? error.message : String(error)}` })
    const exited = () => done({ ended: 'to check it ended the checking thread' })
    const timer = setTimeout(() => done({ ended: `to check it takes longer than ${timeMs} ms` }), timeMs)
    worker.on('message', answered).on('error', failed).on('exit', exited)
    if (message !== undefined) worker.postMessage(message)
  })
}
