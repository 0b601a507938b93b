import bcrypt from 'bcrypt'

const cost = 12
const lengthMin = 12
/** bcrypt looks at no more. A longer one is refused, so that no part of a password means nothing. */
const bytesMax = 72

/** A hash that no password has, for names without a user: comparing takes the same time. */
const nobodysHash = '$2b$12$lDPj7MZPgwVOJpA5VUbI1utEU1df4hZrxHWUkeArj194A9DgeU7i'

/** bcrypt takes a thread of four for a quarter of a second or more. Two of them are left to everything else. */
const runningMax = 2
const waitingMax = 64

/** More sign-ins at once than there is time for. */
export class BusyError extends Error {
  override name = 'BusyError'
}

/** What is wrong with a password that somebody wants to have; `undefined`: nothing. */
export function describePasswordProblem(password: string): string | undefined {
  if (!password.isWellFormed() || password.includes('\0')) return 'expected a text without NUL characters'
  const text = password.normalize('NFC')
  if ([...text].length < lengthMin) return `expected at least ${lengthMin} characters`
  const bytes = Buffer.byteLength(text)
  if (bytes > bytesMax) return `expected at most ${bytesMax} bytes of UTF-8; it has ${bytes}`
  return undefined
}

export function hashPassword(password: string): Promise<string> {
  return inTurn(() => bcrypt.hash(password.normalize('NFC'), cost))
}

/**
 * Whether this is the password. Takes the same time where there is none to compare with.
 *
 * @throws BusyError when too many ask at once.
 */
export async function verifyPassword(password: string, hash: string | null | undefined): Promise<boolean> {
  const text = password.normalize('NFC')
  const fits = Buffer.byteLength(text) <= bytesMax && !text.includes('\0')
  const same = await inTurn(() => bcrypt.compare(fits ? text : '', hash ?? nobodysHash))
  return same && fits && hash !== null && hash !== undefined
}

let running = 0
const waiting: (() => void)[] = []

async function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
  if (running >= runningMax) {
    if (waiting.length >= waitingMax) throw new BusyError('Too many passwords are being checked at once.')
    // The place of the one that ended: `running` stays as it is.
    await new Promise<void>((resolve) => waiting.push(resolve))
  } else {
    running += 1
  }
  try {
    return await work()
  } finally {
    const next = waiting.shift()
    if (next === undefined) running -= 1
    else next()
  }
}
