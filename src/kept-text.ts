import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Writes a file that is made once and read by its owner only, unless it is there already. Processes that do so at the same time
 * all get the text of the first one.
 *
 * @returns what the file holds.
 */
export async function keepText(file: string, text: string): Promise<string> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  // Written under another name and linked to its own: the file is whole as soon as it is there, and only the first one counts.
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`
  try {
    const handle = await open(draft, 'wx', 0o600)
    try {
      await handle.writeFile(text)
      // Whatever depends on it must not outlive it in a power failure.
      await handle.sync()
    } finally {
      await handle.close()
    }
    await link(draft, file)
    return text
  } catch (error) {
    const kept = (error as { code?: string }).code === 'EEXIST' ? await readText(file) : undefined
    if (kept === undefined) throw error
    return kept
  } finally {
    await rm(draft, { force: true })
  }
}

/** What the file holds; `undefined`: there is none. */
export async function readText(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}
