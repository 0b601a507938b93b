import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { knownChains } from '../chains.ts'
import { describeError, UserError } from '../errors.ts'
import { type FileProblem, type FileTrigger, parseTriggerFile } from '../trigger-files/parse-trigger-file.ts'

const bytesMax = 16 * 1024 * 1024

/**
 * Reads trigger files. `-` is stdin.
 *
 * @throws UserError when one cannot be read.
 */
export async function readTriggerFiles(
  files: readonly string[],
): Promise<{ triggers: FileTrigger[]; problems: FileProblem[] }> {
  const parsed = []
  for (const file of new Set(files)) {
    parsed.push(parseTriggerFile(file === '-' ? 'stdin' : file, await readOne(file), knownChains))
  }
  return {
    triggers: parsed.flatMap(({ triggers }) => triggers),
    problems: parsed.flatMap(({ problems }) => problems),
  }
}

/** A problem as editors and terminals understand it: `file:line:column: …`. */
export function formatProblem({ file, line, column, path, message }: FileProblem): string {
  return `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}`
}

/** Whether colours can be seen. NO_COLOR and FORCE_COLOR are respected by the stream itself. */
export function paint(color: 'green' | 'red' | 'yellow' | 'gray', line: string): string {
  const codes = { green: 32, red: 31, yellow: 33, gray: 90 }
  const isSeen = process.stdout.isTTY === true && process.stdout.hasColors()
  return isSeen ? `\x1b[${codes[color]}m${line}\x1b[39m` : line
}

/** Also for what is imported. */
export async function readOne(file: string): Promise<string> {
  const content = await (file === '-' ? text(process.stdin) : readFile(file, 'utf8')).catch(
    (error: unknown) => {
      throw new UserError(`Could not read ${file}: ${describeError(error)}.`)
    },
  )
  if (content.length > bytesMax) throw new UserError(`${file} is larger than ${bytesMax} bytes.`)
  return content.replace(/^\uFEFF/, '')
}
