import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { runDoctor } from './commands/doctor.ts'
import { applyCommand, rollbackCommand, statusCommand, verifyCommand } from './commands/migrate.ts'
import { runRoles } from './commands/run-roles.ts'
import { loadEnvironmentFile } from './config.ts'
import { describeError, UserError } from './errors.ts'
import { type RoleName, roleNames } from './supervise.ts'

/** Runs the `tocsin` command. Exit codes: 0 done, 1 something failed or was found wrong, 2 a setting or argument must be mended. */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    loadEnvironmentFile()
    await createProgram().parseAsync(argv)
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 2
    } else if (error instanceof UserError) {
      process.stderr.write(`${error.message}\n`)
      process.exitCode = 2
    } else {
      process.stderr.write(
        `Unexpected: ${describeError(error)}\n${(error as Error | undefined)?.stack ?? ''}\n`,
      )
      process.exitCode = 1
    }
  }
}

function createProgram(): Command {
  const program = new Command('tocsin')
    .description('Watches the ERC-8004 registries of AI agents and acts on what happens there.')
    .exitOverride()
    .showHelpAfterError()

  program
    .command('demo')
    .description('a local chain with agents, triggers and webhooks, to watch everything work')
    .option('--once', 'stop by itself when 50 deliveries have succeeded')
    .option('--json', 'print nothing but one JSON line at the end')
    .option('--seed <number>', 'which economy of agents to play', wholeNumber(0, 2 ** 32 - 1), 1)
    .option('--rate <number>', 'actions a second on the chain', wholeNumber(1, 50), 5)
    .action(async (options) => {
      // Loaded when it is asked for: production images do not have what it needs.
      const { runDemo } = await import('./commands/demo.ts')
      await runDemo(options)
    })

  program
    .command('start')
    .description('run all roles: indexer, matcher, worker, api')
    .action(() => runRoles(roleNames))

  const about: Record<RoleName, string> = {
    indexer: 'chains to events',
    matcher: 'events to deliveries',
    worker: 'deliveries to results',
    api: 'the REST API',
  }
  for (const role of roleNames) {
    program
      .command(role)
      .description(`run one role: ${about[role]}`)
      .action(() => runRoles([role]))
  }

  const migrate = program.command('migrate').description('the database schema')
  migrate.command('apply').description('apply what is missing').option('--json').action(applyCommand)
  migrate
    .command('status')
    .description('what is applied and what is not')
    .option('--json')
    .action(statusCommand)
  migrate
    .command('verify')
    .description('compare the database with what it should be')
    .option('--json')
    .action(verifyCommand)
  migrate
    .command('rollback')
    .description('take back the newest migrations, with the data of their tables')
    .option('--count <number>', 'how many', wholeNumber(1, 10_000), 1)
    .option('--json')
    .action(rollbackCommand)

  program
    .command('doctor')
    .description('check everything that Tocsin needs, and say what to do about what is wrong')
    .option('--json')
    .action(runDoctor)

  return program
}

function wholeNumber(min: number, max: number) {
  return (text: string): number => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`)
    }
    return value
  }
}
