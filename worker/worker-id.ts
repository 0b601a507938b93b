import { randomUUID } from 'node:crypto'
import { readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** A name for this process that no other has ever had, and by which others on the same machine can tell whether it is alive. */
export function createWorkerId(): string {
  return `${whereabouts()}/${process.pid}/${randomUUID().slice(0, 8)}`
}

/**
 * Whether the process that made this id is known to be dead. `false` also where that cannot be known from here: another
 * machine, another container, or a process number that somebody else has got since.
 *
 * @param ownId the id of this process.
 */
export function isKnownDead(workerId: string, ownId: string): boolean {
  const [place, pid] = splitId(workerId)
  if (place !== whereabouts() || workerId === ownId) return false
  // A container that starts again often has the same numbers.
  if (pid === process.pid) return true
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return (error as { code?: string }).code === 'ESRCH'
  }
}

function splitId(workerId: string): [place: string, pid: number] {
  const [place = '', pid = ''] = workerId.split('/')
  return [place, Number(pid)]
}

/** The host and, where there are such, the namespace in which process numbers mean something. */
function whereabouts(): string {
  try {
    return `${hostname()}:${readlinkSync('/proc/self/ns/pid').replaceAll(/\D/g, '')}`
  } catch {
    return hostname()
  }
}
