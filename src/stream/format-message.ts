import { encodePosition, type Position } from './position.ts'

/** One server-sent event. JSON has no line breaks, so that `data` is one line. */
export function formatMessage(name: string, position: Position | undefined, data: unknown): string {
  const id = position === undefined ? '' : `id: ${encodePosition(position)}\n`
  return `event: ${name}\n${id}data: ${JSON.stringify(data)}\n\n`
}

/**
 * Keeps the connection open and, by an id without data, moves what the client resumes from. Nothing is dispatched by it. The comment has
 * the id too, for parsers that tell of no id without data.
 */
export function formatHeartbeat(position: Position | undefined): string {
  if (position === undefined) return ': heartbeat\n\n'
  const id = encodePosition(position)
  return `: heartbeat ${id}\nid: ${id}\n\n`
}
