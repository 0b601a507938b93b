import { readFileSync } from 'node:fs'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { streamCommand, streamParameters } from './commands/stream.ts'
import { loadEnvironmentFile } from './config.ts'
import { expectedDestination, expectedTime, parseDestination, parseTime } from './delivery-filter.ts'
import { describeError, UserError } from './errors.ts'
import { eventTypes, registries } from './event.ts'
import { importSources } from './importers/import-sources.ts'
import { parseBound } from './parse-bound.ts'
import { deadStates } from './store/dead-letters.ts'
import { deliveryStates } from './store/deliveries-read.ts'
import { actionTypes, breakerStates } from './store/destinations.ts'
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

/** An action that is loaded when it is asked for: all of them together take longer to load than most take to run. */
function late<Given extends unknown[]>(load: () => Promise<(...given: Given) => unknown>) {
  return async (...given: Given): Promise<void> => {
    const run = await load()
    await run(...given)
  }
}

function createProgram(): Command {
  const program = new Command('tocsin')
    .description('Watches the ERC-8004 registries of AI agents and acts on what happens there.')
    .version(readVersion(), '-v, --version')
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
    .description('run all roles: indexer, matcher, worker, api; and bot if TELEGRAM_BOT_TOKEN is set')
    .action(async () => (await import('./commands/run-roles.ts')).runRoles('all'))

  const about: Record<RoleName, string> = {
    indexer: 'chains to events',
    matcher: 'events to deliveries',
    worker: 'deliveries to results',
    api: 'the REST API',
    bot: 'the Telegram bot',
  }
  for (const role of roleNames) {
    program
      .command(role)
      .description(`run one role: ${about[role]}`)
      .action(async () => (await import('./commands/run-roles.ts')).runRoles([role]))
  }

  const migrate = program.command('migrate').description('the database schema')
  migrate
    .command('apply')
    .description('apply what is missing')
    .option('--json')
    .action(late(async () => (await import('./commands/migrate.ts')).applyCommand))
  migrate
    .command('status')
    .description('what is applied and what is not')
    .option('--json')
    .action(late(async () => (await import('./commands/migrate.ts')).statusCommand))
  migrate
    .command('verify')
    .description('compare the database with what it should be')
    .option('--json')
    .action(late(async () => (await import('./commands/migrate.ts')).verifyCommand))
  migrate
    .command('rollback')
    .description('take back the newest migrations, with the data of their tables')
    .option('--count <number>', 'how many', wholeNumber(1, 10_000), 1)
    .option('--json')
    .action(late(async () => (await import('./commands/migrate.ts')).rollbackCommand))

  program
    .command('chains')
    .description('how far each chain has been indexed')
    .option('--json')
    .action(late(async () => (await import('./commands/chains.ts')).chainsCommand))

  addDeliveries(program.command('deliveries').description('what was sent, what failed, and sending it again'))

  addDestinations(program.command('destinations').description('where deliveries go, and how it is'))

  addStream(program.command('stream'))

  program
    .command('audit')
    .description('who changed what, the newest first')
    .option('--actor <user>', 'by the user with this id')
    .option('--action <action>', 'only this, such as trigger.update')
    .option('--target <id>', 'of the thing with this id')
    .addOption(
      new Option('--since <time>', 'since then: 2026-11-20, or 2026-11-20T08:30:00Z').argParser(
        reader(parseTime, expectedTime),
      ),
    )
    .option('--limit <number>', 'how many at most', wholeNumber(1, 100_000), 50)
    .addOption(apiOption())
    .option('--json')
    .action(late(async () => (await import('./commands/audit.ts')).auditCommand))

  program
    .command('secrets')
    .description('what is stored encrypted')
    .command('rotate')
    .description('encrypt everything with the newest of TOCSIN_SECRET_KEYS')
    .option('--json')
    .action(late(async () => (await import('./commands/secrets.ts')).rotateCommand))

  program
    .command('users')
    .description('who may use the API')
    .command('create-admin')
    .argument('<name>', 'to sign in with')
    .description(
      'make an administrator, or make one of a user; asks for the password, or reads it from stdin',
    )
    .option('--json')
    .action(late(async () => (await import('./commands/users.ts')).createAdminCommand))

  for (const [how, description] of [
    ['register', 'make an account'],
    ['login', 'sign in to an account'],
  ] as const) {
    program
      .command(how)
      .argument('<name>', 'of the account')
      .description(
        `${description}, and print an API key of it; asks for the password, or reads it from stdin`,
      )
      .addOption(apiOption())
      .option('--json')
      .action(async (name, options) =>
        (await import('./commands/sign-in.ts')).signInCommand(how, name, options),
      )
  }

  const triggers = program.command('triggers').description('what to watch for, and what to do then')
  triggers
    .command('explain <trigger> <event>')
    .description('what a trigger decides about an event, and why')
    .addOption(apiOption())
    .option('--json')
    .action(late(async () => (await import('./commands/explain.ts')).explainCommand))
  triggers
    .command('test <id>')
    .description('run the actions of a trigger once, for a stored event or a sample')
    .addOption(new Option('--event <id>', 'a stored event').conflicts('type'))
    .addOption(
      new Option('--type <type>', 'a sample of this type').choices(
        registries.flatMap((registry) => eventTypes[registry]),
      ),
    )
    .option('--action <id...>', 'only these actions', (text: string, before: number[] = []) => [
      ...before,
      wholeNumber(1, Number.MAX_SAFE_INTEGER)(text),
    ])
    .option('--wait <seconds>', 'for how long to wait for the first attempts', wholeNumber(0, 600), 30)
    .option('--json')
    .action(late(async () => (await import('./commands/triggers.ts')).testCommand))

  addTriggerFiles(triggers)
  addTriggerImport(triggers)

  const bound = reader(parseBound, 'expected the number of a block, or a time such as 2026-11-20T08:30:00Z')
  program
    .command('backtest <trigger>')
    .description('run a trigger over history and send nothing: a JSON file, or the id of a stored trigger')
    .option('--from <block or time>', 'the last 30 days unless given', bound)
    .option('--to <block or time>', 'a block itself, or before a time', bound)
    .option('--limit <number>', 'how many matches to show', wholeNumber(0, 100_000), 10)
    .option('--render', 'show what the actions would send')
    .option('--json')
    .action(late(async () => (await import('./commands/backtest.ts')).backtestCommand))

  program
    .command('doctor')
    .description('check everything that Tocsin needs, and say what to do about what is wrong')
    .option('--json')
    .action(late(async () => (await import('./commands/doctor.ts')).runDoctor))

  return program
}

function addStream(stream: Command): void {
  const parameters = Object.entries(streamParameters).map(([name, about]) => {
    const flag = name === 'trigger_id' ? 'trigger' : name.replaceAll('_', '-')
    return { name, option: new Option(`--${flag} <value>`, about) }
  })
  stream.description(
    'what happens as it happens, until Ctrl-C; goes on where it was when the connection breaks',
  )
  for (const { option } of parameters) stream.addOption(option)
  stream
    .option('--no-follow', 'end when everything up to now has been told')
    .option('--count <number>', 'end after so many', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .option('--last-event-id <id>', 'go on after it: an id that --json has shown')
    .addOption(apiOption())
    .option('--json', 'one JSON line each')
    .action((options) => {
      const given = parameters
        .map(({ name, option }) => [name, options[option.attributeName()]] as const)
        .filter(([, value]) => value !== undefined)
      return streamCommand({ ...options, parameters: Object.fromEntries(given) })
    })
}

function addTriggerFiles(triggers: Command): void {
  const files = () =>
    new Option(
      '-f, --file <file...>',
      'YAML or JSON, with one trigger or several; - is stdin',
    ).makeOptionMandatory()
  const api = apiOption()
  triggers
    .command('validate')
    .description('check trigger files; needs no server')
    .addOption(files())
    .option('--json')
    .action(late(async () => (await import('./commands/triggers-validate.ts')).validateCommand))
  triggers
    .command('apply')
    .description('make the stored triggers be those of the files, and show what differs')
    .addOption(files())
    .option('--dry-run', 'only show it')
    .option('--exit-code', 'with --dry-run: exit with 3 if there is something to do')
    .option('--prune', 'delete those of your triggers that are in none of the files')
    .option('--secrets', 'write header values also where nothing else differs: they cannot be compared')
    .addOption(api)
    .option('--json')
    .action(late(async () => (await import('./commands/triggers-apply.ts')).applyCommand))
  triggers
    .command('export [id...]')
    .description('stored triggers as a file for apply, without secrets; all of yours unless ids are given')
    .addOption(new Option('--format <format>').choices(['yaml', 'json']).default('yaml'))
    .addOption(api)
    .action(late(async () => (await import('./commands/triggers-export.ts')).exportCommand))
}

function addTriggerImport(triggers: Command): void {
  triggers
    .command('import')
    .description('trigger documents for what another program watches; says what has no meaning here')
    .addOption(new Option('--from <program>').choices(importSources).makeOptionMandatory())
    .addOption(
      new Option('-f, --file <file...>', 'its configuration, JSON or YAML; - is stdin').makeOptionMandatory(),
    )
    .option('--json', 'one line with triggers and skipped')
    .action(late(async () => (await import('./commands/triggers-import.ts')).importCommand))
}

function apiOption(): Option {
  return new Option(
    '--api <url>',
    'where the API is, TOCSIN_API_URL unless given; TOCSIN_API_TOKEN is the credential',
  ).argParser(reader(parseApiUrl, 'expected a URL such as https://tocsin.example.com'))
}

function parseApiUrl(text: string): string | undefined {
  return /^https?:\/\//i.test(text) && URL.canParse(text) ? text : undefined
}

function addDeliveries(deliveries: Command): void {
  const trigger = new Option('--trigger <id>', 'of this trigger')
  const destination = new Option(
    '--destination <host>',
    'to this host, such as example.com or example.com:8443',
  ).argParser(reader(parseDestination, expectedDestination))
  const since = new Option(
    '--since <time>',
    'ended since then, or made since then if it has not ended: 2026-11-20, or 2026-11-20T08:30:00Z',
  ).argParser(reader(parseTime, expectedTime))

  deliveries
    .command('list')
    .description('deliveries, the newest first')
    .addOption(new Option('--state <state>', 'in this state').choices(deliveryStates))
    .addOption(trigger)
    .addOption(destination)
    .addOption(since)
    .option('--limit <number>', 'how many at most', wholeNumber(1, 100_000), 50)
    .option('-q, --quiet', 'only their ids')
    .addOption(apiOption())
    .option('--json')
    .action(late(async () => (await import('./commands/deliveries.ts')).listCommand))
  deliveries
    .command('show <id>')
    .description('one delivery with every attempt at it')
    .addOption(apiOption())
    .option('--json')
    .action(late(async () => (await import('./commands/deliveries.ts')).showCommand))
  deliveries
    .command('explain <id>')
    .description('why there is a delivery: what each condition of its trigger said')
    .addOption(apiOption())
    .option('--json')
    .action(late(async () => (await import('./commands/deliveries.ts')).explainDeliveryCommand))
  deliveries
    .command('retry [id]')
    .description(
      'send one again, or all failed and unknown ones that fit, each with a new schedule of attempts',
    )
    .addOption(new Option('--state <state>', 'only these').choices(deadStates))
    .addOption(trigger)
    .addOption(destination)
    .addOption(since)
    .addOption(apiOption())
    .option('--json')
    .action(late(async () => (await import('./commands/deliveries.ts')).retryCommand))
  deliveries
    .command('cancel <id>')
    .description('do not send one that is still pending or enqueued')
    .addOption(apiOption())
    .option('--json')
    .action(late(async () => (await import('./commands/deliveries.ts')).cancelCommand))
}

function addDestinations(destinations: Command): void {
  const id = wholeNumber(1, Number.MAX_SAFE_INTEGER)
  destinations
    .command('list')
    .description('destinations, the newest first')
    .addOption(new Option('--type <type>', 'of actions of this type').choices(actionTypes))
    .addOption(new Option('--breaker <state>', 'whose breaker is in this state').choices(breakerStates))
    .option('--disabled', 'only those that nothing is sent to')
    .option('--limit <number>', 'how many at most', wholeNumber(1, 100_000), 50)
    .option('--json')
    .action(late(async () => (await import('./commands/destinations.ts')).listCommand))
  destinations
    .command('show')
    .argument('<id>', 'as the list shows it', id)
    .description('one destination')
    .option('--json')
    .action(late(async () => (await import('./commands/destinations.ts')).showCommand))
  destinations
    .command('reset')
    .argument('<id>', 'as the list shows it', id)
    .description('close its breaker, and use it again if it was disabled')
    .option('--json')
    .action(late(async () => (await import('./commands/destinations.ts')).resetCommand))
}

function reader<Value>(parse: (text: string) => Value | undefined, expected: string) {
  return (text: string): Value => {
    const value = parse(text)
    if (value === undefined) throw new InvalidArgumentError(`E${expected.slice(1)}.`)
    return value
  }
}

function readVersion(): string {
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
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
