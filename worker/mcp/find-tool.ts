import { z } from 'zod'
import { PermanentError } from '../../src/errors.ts'
import type { Session } from './open-session.ts'

/** What a call has to know of a tool. `schemaProblem`: why its input schema cannot be used. */
export type Tool = { name: string; schemaText: string; schemaProblem: string | undefined; needsTask: boolean }

/** Of one input schema as JSON. Those of honest servers have a few KiB. */
const schemaBytesMax = 128 * 1024

const pagesMax = 20
const namesShownMax = 20

/** Only what is needed: a mistake in the description of one tool must not keep others from being called. */
const pageSchema = z.looseObject({
  tools: z.array(
    z.looseObject({
      name: z.string(),
      inputSchema: z.unknown(),
      execution: z.looseObject({ taskSupport: z.unknown() }).optional().catch(undefined),
    }),
  ),
  nextCursor: z.string().min(1).optional().catch(undefined),
})

/**
 * Asks a server for its tools, page after page, until the one with this name has come.
 *
 * @throws PermanentError when there is none, with the names of those there are.
 */
export async function findTool(session: Session, name: string, signal: AbortSignal): Promise<Tool> {
  const names: string[] = []
  let cursor: string | undefined
  for (let page = 0; page < pagesMax; page += 1) {
    const params = cursor === undefined ? {} : { cursor }
    const { tools, nextCursor } = await session.request({ method: 'tools/list', params }, pageSchema, signal)
    const found = tools.find((tool) => tool.name === name)
    if (found !== undefined) {
      const schemaText = JSON.stringify(found.inputSchema ?? { type: 'object' })
      const sizeBytes = Buffer.byteLength(schemaText)
      const tooLarge = sizeBytes > schemaBytesMax
      return {
        name,
        schemaText: tooLarge ? '' : schemaText,
        schemaProblem: tooLarge ? `it has ${sizeBytes} bytes, more than ${schemaBytesMax}` : undefined,
        needsTask: found.execution?.taskSupport === 'required',
      }
    }
    names.push(...tools.map((tool) => tool.name))
    if (nextCursor === undefined) throw missing(name, names, '')
    cursor = nextCursor
  }
  throw missing(name, names, ` (its list goes on after ${pagesMax} pages)`)
}

function missing(name: string, names: readonly string[], note: string): PermanentError {
  const shown = names.slice(0, namesShownMax).map((other) => other.slice(0, 128))
  const more = names.length > shown.length ? ` and ${names.length - shown.length} more` : ''
  const there = names.length === 0 ? 'no tools' : `${shown.join(', ')}${more}`
  return new PermanentError(`the server has no tool ${name}${note}. It has ${there}`)
}
