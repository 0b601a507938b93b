import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cleanEnvironment, startCli } from '../support/run-cli.ts'
import { until } from '../support/until.ts'

type Command = { text: string; prints: string[] }

const root = fileURLToPath(new URL('../../', import.meta.url))
const readme = readFileSync(join(root, 'README.md'), 'utf8')

let folder: string
let demo: ReturnType<typeof startCli>
let shell: ChildProcess

// As after a clone and `npm ci`, but for what running leaves in the folder: that is the reader's own.
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tocsin-tour-'))
  for (const name of readdirSync(root)) {
    if (name !== '.tocsin' && name !== '.env') symlinkSync(join(root, name), join(folder, name))
  }
})

afterAll(async () => {
  shell?.kill()
  if (demo !== undefined && demo.child.exitCode === null) {
    demo.child.kill('SIGTERM')
    await demo.exited
  }
  rmSync(folder, { recursive: true, force: true })
})

/** The commands of a section, each with the lines that it prints by what the README says: `# → …`, where `…` stands for anything. */
function readCommands(markdown: string, section: string): Command[] {
  const [, body = ''] = markdown.split(`\n## ${section}\n`)
  const [text = ''] = body.split('\n## ')
  const commands: Command[] = []
  for (const [, block = ''] of text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)) {
    for (const line of block.split('\n').filter((line) => line !== '')) {
      const last = commands.at(-1)
      if (line.startsWith('# → ')) last?.prints.push(line.slice(4))
      else if (last?.text.endsWith('\\')) last.text += `\n${line}`
      else commands.push({ text: line, prints: [] })
    }
  }
  return commands
}

/** One shell for all commands, as at a terminal: what one sets, the next one has. What is typed is for whoever asks. */
function openShell(typed: string): { run(command: string): Promise<{ code: number; output: string }> } {
  const input = join(folder, 'typed')
  const outputFile = join(folder, 'printed')
  writeFileSync(input, typed)
  shell = spawn('bash', ['--noprofile', '--norc', '-o', 'pipefail'], {
    cwd: folder,
    env: cleanEnvironment(),
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let told = ''
  shell.stdout?.on('data', (chunk) => {
    told += chunk
  })
  const isOver = once(shell, 'close').then(() => undefined)
  let count = 0
  return {
    run: async (command) => {
      count += 1
      shell.stdin?.write(`{ ${command}\n} < '${input}' > '${outputFile}' 2>&1; echo "done ${count} $?"\n`)
      const done = new RegExp(`^done ${count} (\\d+)$`, 'm')
      const told60 = until(`the end of: ${command}`, () => done.exec(told)?.[1], 60_000)
      const code = await Promise.race([told60, isOver]).catch(() => undefined)
      const output = existsSync(outputFile) ? readFileSync(outputFile, 'utf8') : ''
      if (code === undefined) throw new Error(`This did not end, or ended the shell: ${command}\n${output}`)
      return { code: Number(code), output }
    },
  }
}

/** `undefined`: each command succeeded, and printed what it should. Otherwise the first one that did not. */
async function takeTour(commands: readonly Command[], typed: string) {
  const { run } = openShell(typed)
  try {
    for (const { text, prints } of commands) {
      const { code, output } = await run(text)
      const missing = missingFrom(output, prints)
      if (code !== 0 || missing.length > 0) return { text, code, missing, output }
    }
    return undefined
  } finally {
    shell.stdin?.end()
  }
}

/** Those of the lines that were not printed, in this order. */
function missingFrom(output: string, lines: readonly string[]): string[] {
  const printed = output.split('\n')
  return lines.filter((line) => {
    const pattern = line.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&').replaceAll('…', '.*')
    const index = printed.findIndex((candidate) => new RegExp(`^${pattern}$`).test(candidate))
    if (index >= 0) printed.splice(0, index + 1)
    return index < 0
  })
}

test('README.md begins with what a newcomer does first', () => {
  expect(readCommands(readme, 'Try it').map(({ text }) => text)).toEqual([
    'npm ci && npm run demo',
    'npm ci && npm test',
  ])
})

test('the tour of README.md does what it says, command by command', { timeout: 300_000 }, async () => {
  const commands = readCommands(readme, 'A tour')
  expect(commands.length).toBeGreaterThan(6)
  for (const word of ['register', 'triggers apply -f', 'stream', 'explain', 'retry']) {
    expect(
      commands.some(({ text }) => text.includes(word)),
      word,
    ).toBe(true)
  }

  demo = startCli(['demo'], {}, folder)
  const begin = until(
    'the demo says how the tour begins',
    () => /It begins with: (.+)/.exec(demo.output.stdout)?.[1],
    100_000,
  )
  expect(await begin).toBe(commands[0]?.text)
  expect(await takeTour(commands, 'a long pass phrase\n')).toBeUndefined()

  demo.child.kill('SIGINT')
  expect((await demo.exited).code).toBe(0)
})

test('a tour with a command that fails, or prints something else, is found out', async () => {
  const tour = (text: string) =>
    takeTour(readCommands(`\n## A tour\n\n\`\`\`sh\n${text}\n\`\`\`\n`, 'A tour'), 'typed\n')
  const fine = 'export A=$(cat)\necho "a $A 1"; echo b\n# → a typed …\n# → b'
  expect(await tour(fine)).toBeUndefined()
  expect(await tour('npx tocsin deliveries lst')).toMatchObject({ code: 2, missing: [] })
  expect(await tour('false | cat')).toMatchObject({ code: 1 })
  expect(await tour(`${fine}\n# → c`)).toMatchObject({ code: 0, missing: ['c'] })
  expect(await tour('echo "a b"\n# → a')).toMatchObject({ missing: ['a'] })
  expect(await tour('echo b; echo a\n# → a\n# → b')).toMatchObject({ missing: ['b'] })
})
