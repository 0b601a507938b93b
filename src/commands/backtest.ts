import { existsSync, readFileSync } from 'node:fs'
import { type BacktestTrigger, backtest } from '../backtest.ts'
import { knownChains } from '../chains.ts'
import type { Database } from '../db.ts'
import { describeError, UserError } from '../errors.ts'
import type { Bound } from '../parse-bound.ts'
import { readTrigger } from '../store/triggers.ts'
import { formatPath, parseTriggerDocument } from '../trigger-document.ts'
import { formatBacktest } from './format-backtest.ts'
import { print } from './print.ts'
import { withDatabase } from './with-database.ts'

type Options = { from?: Bound; to?: Bound; limit: number; render?: boolean; json?: boolean }

/** Where a range of history begins or ends. */
/** `tocsin backtest`: how often a trigger would have fired, when and why. Sends nothing. */
export function backtestCommand(given: string, options: Options): Promise<void> {
  return withDatabase('backtest', async (db) => {
    const trigger = await findTrigger(db, given)
    const { from, to, limit, render = false } = options
    const showsProgress = process.stderr.isTTY === true && !options.json
    const result = await backtest(db, trigger, {
      range: {
        ...(from && ('block' in from ? { fromBlock: from.block } : { from: from.time })),
        ...(to && ('block' in to ? { toBlock: to.block } : { to: to.time })),
      },
      limit,
      render,
      signal: new AbortController().signal,
      onProgress: ({ share, events, matches }) => {
        if (!showsProgress) return
        process.stderr.write(`\r${Math.round(share * 100)} % · ${events} events · ${matches} matches\x1b[K`)
      },
    })
    if (showsProgress) process.stderr.write('\r\x1b[K')
    print(options, result, formatBacktest(result))
  })
}

/** The document in a file, or else the stored trigger with this id. */
async function findTrigger(db: Database, given: string): Promise<BacktestTrigger> {
  if (!existsSync(given)) {
    const trigger = await readTrigger(db, given)
    if (trigger !== undefined) return trigger
    throw new UserError(`There is no file and no trigger with the name ${JSON.stringify(given)}.`)
  }
  let input: unknown
  try {
    input = JSON.parse(readFileSync(given, 'utf8'))
  } catch (error) {
    throw new UserError(`Could not read ${given} as JSON: ${describeError(error)}.`)
  }
  const parsed = parseTriggerDocument(input, knownChains)
  if ('ok' in parsed) return parsed.ok
  const problems = parsed.problems.map(({ path, message }) => `  ${formatPath(path)}: ${message}`)
  throw new UserError(`The trigger in ${given} has problems:\n${problems.join('\n')}`)
}
