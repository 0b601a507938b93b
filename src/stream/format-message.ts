import { encodePosition, type Position } from './position.ts'

/** One server-sent event. JSON has no line breaks, so that `data` is one line. */
export function formatMessage(name: string, position: Position | undefined, data: unknown): string {
  const id = position === undefined ? '' : `id: ${encodePosition(position)}\n`
  return `event: ${name}\n${id}data: ${JSON.stringify(data)}\n\n`
}

/** Keeps the connection open and, by an id without data, moves what the client resumes from. Nothing is dispatched by it. */
export function formatHeartbeat(position: Position | undefined): string {
  return position === undefined ? ': heartbeat\n\n' : `: heartbeat\nid: ${encodePosition(position)}\n\n`
}
