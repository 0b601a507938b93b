import { parse, stringify } from 'yaml'
import { describeError, UserError } from '../errors.ts'
import { fromDefender } from '../importers/from-defender.ts'
import { fromOpenZeppelinMonitor } from '../importers/from-openzeppelin-monitor.ts'
import type { ImportSource } from '../importers/import-sources.ts'
import { readOne } from './read-trigger-files.ts'

/** `tocsin triggers import`: trigger documents for what another program watches, as far as it has a meaning here. */
export async function importCommand(options: {
  from: ImportSource
  file: string[]
  json?: boolean
}): Promise<void> {
  const files = []
  for (const file of new Set(options.file)) {
    const text = await readOne(file)
    try {
      // JSON is YAML. Unlike in plain YAML, an address is no number.
      const content: unknown = parse(text, {
        customTags: (tags) =>
          tags.filter((tag) => typeof tag !== 'object' || !('format' in tag && tag.format === 'HEX')),
      })
      files.push({ file, content })
    } catch (error) {
      throw new UserError(`Could not read ${file} as YAML or JSON: ${describeError(error)}`)
    }
  }
  const { triggers, skipped } =
    options.from === 'defender' ? fromDefender(files) : fromOpenZeppelinMonitor(files)
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ triggers, skipped })}\n`)
  } else {
    process.stdout.write(triggers.map((trigger) => stringify(trigger, { lineWidth: 110 })).join('---\n'))
    for (const { path, reason } of skipped) process.stderr.write(`✗ ${path}: ${reason}\n`)
    process.stderr.write(`${triggers.length} triggers, ${skipped.length} things left out\n`)
  }
  if (triggers.length === 0) process.exitCode = 1
}
