/** What a command was asked for: one JSON line for machines, or lines for people. */
export function print({ json }: { json?: boolean }, value: unknown, lines: readonly string[]): void {
  process.stdout.write(json ? `${JSON.stringify(value)}\n` : `${lines.join('\n')}\n`)
}

export function formatTime(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`
}
