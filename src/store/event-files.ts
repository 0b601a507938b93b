import { createHash } from 'node:crypto'
import type { FileVerdict } from '../conditions/compiled-trigger.ts'
import type { FileNeed } from '../conditions/file-need.ts'
import type { Database, Queryable } from '../db.ts'
import { query } from './query.ts'

/** Notifications: a file is to be fetched (no payload); there is a verdict (the payload is a chain that waits for it). */
export const fileWantedChannel = 'file_wanted'
export const fileReadyChannel = 'file_ready'

export type WantedFile = FileNeed & { key: string }

export type ClaimedFile = { key: string; uri: string; expected_hash: string | null; attempts: number }

export type FetchedContent = {
  status: 'fetched' | 'failed'
  error: string | null
  hash_verdict: string
  /** JSON text. */
  content: string | null
  size_bytes: number | null
}

type FileRow = {
  key: string
  status: 'waiting' | 'fetched' | 'failed'
  error: string | null
  hash_verdict: string
  content: unknown
  has_content: boolean
}

/**
 * The key under which the verdict on a file is kept. What cannot change (an address that is a hash, the content itself, a hash on
 * the chain) is shared by all events that name it. Any other file is read anew for each occurrence, and a block that replaces
 * another reads what the first one did.
 */
export function fileKeyOf({ uri, hash }: FileNeed, occurrence: string): string {
  const cannotChange = hash !== null || /^(ipfs:|data:|\/ipfs\/)/i.test(uri)
  return createHash('sha256')
    .update(JSON.stringify([uri, hash, cannotChange ? null : occurrence]))
    .digest('hex')
}

/** What is known of these files: `waiting` where it was asked for, no entry where it was not. */
export async function readFiles(
  db: Queryable,
  keys: readonly string[],
): Promise<Map<string, FileVerdict | 'waiting'>> {
  if (keys.length === 0) return new Map()
  const rows = await readRows(db, [keys])
  return new Map(rows.map((row) => [row.key, verdictOf(row)]))
}

/** Asks for files, for the matcher of a chain, which is told when there is a verdict. Harmless for those already asked for. */
export async function requestFiles(
  db: Queryable,
  chainId: number,
  files: readonly WantedFile[],
): Promise<void> {
  const rows = new Map(files.map((file) => [file.key, { ...file, host: hostOf(file.uri) }]))
  if (rows.size > 0) await request(db, [chainId, [...rows.values()]])
}

/** Takes files that are due, each for one worker and a time, at most `perHostMax` from one host over all workers. */
export async function claimFiles(
  db: Database,
  wanted: { max: number; perHostMax: number; tries: number; workerId: string; leaseMs: number },
): Promise<ClaimedFile[]> {
  const { max, perHostMax, tries, workerId, leaseMs } = wanted
  const claimed = await db.begin(async (tx) => {
    await takeTurn(tx)
    return claim(tx, [max, perHostMax, tries, workerId, leaseMs])
  })
  return claimed as ClaimedFile[]
}

/** Parameters: key, worker, attempt, status, error, hash verdict, content as JSON text, size. */
export const finishFile = query<Record<string, never>>('files/finish')

/** Parameters: key, worker, attempt, due in ms, what the try said (null: it was not really made). */
export const putBackFile = query<Record<string, never>>('files/put-back')

/** Parameter: tries. */
export const giveUpFiles = query<Record<string, never>>('files/give-up')

export const nextDueFile = query<{ due_in_ms: number | null }>('files/next-due')

const takeTurn = query<Record<string, never>>('files/take-turn')
const claim = query<ClaimedFile>('files/claim')
const readRows = query<FileRow>('files/read')
const request = query<{ requested: number }>('files/request')

function verdictOf({ status, error, hash_verdict, content, has_content }: FileRow): FileVerdict | 'waiting' {
  if (status === 'waiting') return 'waiting'
  return { status, error, hash: hash_verdict, ...(has_content ? { json: content } : {}) }
}

/** Whom fetching it burdens. A scheme without hosts ends in a colon. */
function hostOf(uri: string): string {
  if (/^(ipfs:|\/ipfs\/)/i.test(uri)) return 'ipfs:'
  if (/^data:/i.test(uri)) return 'data:'
  const url = uri.length <= 8192 && URL.canParse(uri) ? new URL(uri) : undefined
  // What has no host fails without being fetched.
  return url === undefined || url.host === '' ? 'none:' : url.host
}
