import { pino } from 'pino'
import pretty from 'pino-pretty'
import type { Config } from './config.ts'

export type Log = {
  child(bindings: Record<string, unknown>): Log
  debug(bindings: Record<string, unknown>, message: string): void
  info(bindings: Record<string, unknown>, message: string): void
  warn(bindings: Record<string, unknown>, message: string): void
  error(bindings: Record<string, unknown>, message: string): void
}

/** One logger for a process. It writes to stderr: stdout belongs to what a command was asked for. */
export function createLog({ level, format }: Config['log'], role: string): Log {
  const readable = format === 'pretty' || (format === 'auto' && process.stderr.isTTY)
  const options = { level, base: { role }, timestamp: pino.stdTimeFunctions.isoTime }
  return readable
    ? pino(
        options,
        pretty({
          destination: 2,
          sync: true,
          translateTime: 'SYS:HH:MM:ss.l',
          messageFormat: '{role}: {msg}',
          // What the line says already, in numbers for machines.
          ignore: 'pid,hostname,role,progress',
        }),
      )
    : pino(options, pino.destination({ dest: 2, sync: true }))
}
