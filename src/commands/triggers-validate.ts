import { print } from './print.ts'
import { formatProblem, paint, readTriggerFiles } from './read-trigger-files.ts'

/** `tocsin triggers validate`: whether trigger files are right. Needs neither an API nor a database. */
export async function validateCommand(options: { file: string[]; json?: boolean }): Promise<void> {
  const { triggers, problems } = await readTriggerFiles(options.file)
  const isValid = problems.length === 0
  const valid = triggers.map(({ document: { name }, place: { file, line } }) => ({ name, file, line }))
  const count = (number: number, one: string) => `${number} ${one}${number === 1 ? '' : 's'}`
  print(options, { valid: isValid, triggers: valid, problems }, [
    ...valid.map(({ name, file, line }) => paint('green', `✓ ${JSON.stringify(name)} (${file}:${line})`)),
    ...problems.map((problem) => paint('red', `✗ ${formatProblem(problem)}`)),
    isValid ? `${count(valid.length, 'trigger')}, no problem` : count(problems.length, 'problem'),
  ])
  if (!isValid) process.exitCode = 1
}
