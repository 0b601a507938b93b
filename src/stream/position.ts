/**
 * A place in the order of changes: transaction, change, and how far within the change. What is told next comes after it.
 * Numbers, since the 64 bits of a transaction's number are not used up beyond 2^53 in practice.
 */
export type Position = readonly [xact: number, change: number, part: number]

export function comparePositions(a: Position, b: Position): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2]
}

/** The `id` of an event of the stream. Clients must not look into it. */
export function encodePosition(position: Position): string {
  return Buffer.from(position.join('.')).toString('base64url')
}

/** `undefined`: the text is no `id` of ours. */
export function decodePosition(text: string): Position | undefined {
  const decoded = Buffer.from(text, 'base64url').toString('latin1')
  const [, xact, change, part] = /^(\d{1,15})\.(\d{1,15})\.(\d{1,15})$/.exec(decoded) ?? []
  return xact === undefined ? undefined : [Number(xact), Number(change), Number(part)]
}
