import type { Queryable } from '../db.ts'
import { type Page, type PageRequest, toPage } from './page.ts'
import { query } from './query.ts'

/** One change, who made it, and how it was before and after. */
export type AuditRow = {
  id: number
  at: Date
  /** Whose thing it is. */
  user_id: string | null
  actor_kind: 'operator' | 'session' | 'key' | 'anonymous' | 'process'
  actor_user_id: string | null
  actor_key_id: string | null
  /** Of a process of our own. */
  actor_name: string | null
  action: string
  target_kind: string
  target_id: string | null
  before: unknown
  after: unknown
  address: string | null
  request_id: string | null
  reason: string | null
}

export type AuditFilter = {
  actor?: string | undefined
  action?: string | undefined
  target_kind?: string | undefined
  target_id?: string | undefined
  from?: Date | undefined
  to?: Date | undefined
}

const selectAudit = query<AuditRow & { page_key: string[] }>('manage/list-audit', { prepare: false })
const insertAudit = query<{ id: number }>('manage/write-audit')

/**
 * A page of the audit log, the newest first.
 *
 * @param of.userId of whose things; not given: of everybody's.
 * @param of.reader who reads. Not given: who runs the installation, and sees everything.
 */
export async function listAudit(
  db: Queryable,
  of: { userId?: string | undefined; reader?: string | undefined },
  filter: AuditFilter,
  { after, limit }: PageRequest,
): Promise<Page<AuditRow>> {
  const { actor, action, target_kind, target_id, from, to } = filter
  const narrow = [actor, action, target_kind, target_id, from, to]
  return toPage(await selectAudit(db, [of.userId, of.reader, ...narrow, after?.[0], limit + 1]), limit)
}

/** Notes what changes no table: a password that was wrong. @param userId whose it would have been; not given: there is no such user. */
export async function noteWrongPassword(db: Queryable, userId: string | undefined): Promise<void> {
  await insertAudit(db, [userId, 'login.failed', 'user', userId])
}
