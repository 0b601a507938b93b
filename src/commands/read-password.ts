import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'

/** At a terminal it is asked for and not shown; otherwise stdin has it, in one line. Never an argument: others could read it there. */
export async function readPassword(): Promise<string> {
  const { stdin } = process
  if (!stdin.isTTY) {
    const chunks: Buffer[] = []
    for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Uint8Array))
    return Buffer.concat(chunks)
      .toString('utf8')
      .replace(/\r?\n$/, '')
  }
  process.stderr.write('Password: ')
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: stdin, output: silent, terminal: true })
  try {
    return await lines.question('')
  } finally {
    lines.close()
    process.stderr.write('\n')
  }
}
