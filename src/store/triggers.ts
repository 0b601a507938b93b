import { type Problem, remembers } from '../conditions/check-conditions.ts'
import type { TriggerRow } from '../conditions/compile-trigger.ts'
import type { Database, Queryable, Transaction } from '../db.ts'
import type { Registry } from '../event.ts'
import { sealHeader } from '../header-values.ts'
import type { SecretBox } from '../secret-box.ts'
import type { ActionDocument, TriggerDocument } from '../trigger-document.ts'
import { type Page, type PageRequest, toPage } from './page.ts'
import { hideSecrets, type PlacedAction, placeActions, type StoredAction } from './place-actions.ts'
import { query } from './query.ts'
import { makeSigningSecrets } from './signing-secrets.ts'
import { inTransaction } from './transaction.ts'

/** A trigger as it is read back: the document, and what the system knows about it. Header values are hidden. */
export type StoredTrigger = Omit<TriggerDocument, 'actions' | 'description'> & {
  id: string
  version: number
  /** Counts the changes of what the trigger looks at, and its switchings on: what it remembers belongs to one generation. */
  generation: number
  description: string | null
  /** It remembers something: a condition does, or how often it has fired. */
  is_stateful: boolean
  /** When the matcher switched it off because it could not be evaluated, and why. */
  paused_at: Date | null
  paused_reason: string | null
  active_since: Date
  created_at: Date
  updated_at: Date
  actions: StoredTriggerAction[]
}

type StoredTriggerAction = ActionDocument & {
  id: number
  /** null: it depends on the event. */
  destination_id: number | null
  /** What webhooks are signed with; there only when it is new, and never again. */
  signing_secret?: string
}

/** What tells one state of a trigger from the next. */
export type TriggerState = Pick<StoredTrigger, 'id' | 'version' | 'paused_at'>

/** Which trigger, and what has to be so before it is changed. */
export type TriggerTarget = {
  id: string
  /** Whose it has to be; not given: anybody's. */
  userId?: string | undefined
  /** Looks at the trigger once nobody else can change it. What it throws undoes everything. */
  guard?: ((state: TriggerState) => void) | undefined
}

/** What a trigger is to become, made of what it is; `undefined`: it stays so. What it throws undoes everything. */
export type TriggerEdit = (stored: StoredTrigger) => TriggerDocument | undefined

/** A trigger that was written, or why it was not. `tooMany`: the user has as many as one may have. */
export type Written = { trigger: StoredTrigger } | { problems: Problem[] }
export type Created = Written | { tooMany: number }

export type TriggerFilter = {
  /** Whose; not given: anybody's. */
  user_id?: string | undefined
  chain_id?: number | undefined
  registry?: Registry | undefined
  enabled?: boolean | undefined
}

const selectEnabledTriggers = query<TriggerRow>('manage/read-enabled-triggers')
const insertUser = query<{ id: string }>('manage/ensure-user')
const insertTrigger = query<{ id: string }>('manage/insert-trigger')
const lockTrigger = query<TriggerState & { user_id: string; actions: StoredAction[] }>('manage/lock-trigger')
const lockTriggersOfUser = query<never>('manage/lock-triggers-of-user')
const countTriggers = query<{ triggers: number }>('manage/count-triggers')
const updateTrigger = query<never>('manage/update-trigger')
const removeTrigger = query<{ id: string }>('manage/delete-trigger')
const insertConditions = query<never>('manage/insert-conditions')
const deleteConditions = query<never>('manage/delete-conditions')
const insertActions = query<never>('manage/insert-actions')
const updateActions = query<never>('manage/update-actions')
const deleteActions = query<never>('manage/delete-actions')
const selectTriggers = query<StoredTrigger>('manage/read-triggers')
const selectTrigger = query<StoredTrigger>('manage/read-trigger')
const selectTriggerIds = query<{ id: string; page_key: string[] }>('manage/list-trigger-ids')

/**
 * The enabled triggers of a chain with their conditions in order: what a matcher compiles.
 *
 * @param ids Only these.
 * @param page By id: those after it, and how many at most.
 */
export function readEnabledTriggers(
  db: Queryable,
  chainId: number,
  ids?: readonly string[] | undefined,
  page: { after?: string | undefined; limit?: number } = {},
): Promise<TriggerRow[]> {
  return selectEnabledTriggers(db, [chainId, ids, page.after, page.limit])
}

/** The id of the user with this name, who is made if there is none. */
export async function ensureUser(db: Queryable, username: string): Promise<string> {
  const [user] = await insertUser(db, [username])
  if (user === undefined) throw new Error(`The user ${username} could not be made`)
  return user.id
}

/**
 * Stores a new trigger of the user. Problems: ids or hidden values that only a stored trigger can have.
 *
 * @param options.max how many a user may have; not given, or 0: any number.
 */
export function createTrigger(
  db: Database,
  secrets: SecretBox,
  userId: string,
  document: TriggerDocument,
  { max = 0 }: { max?: number } = {},
): Promise<Created> {
  return inTransaction(db, async (transaction) => {
    const { placed, problems } = placeActions(document.actions, [], headerSealer(secrets, userId))
    if (problems.length > 0) return { problems }
    return insertNew(transaction, secrets, userId, { document, placed, max })
  })
}

/**
 * Stores a copy of a trigger, changed by `edit`, for the same user. Header values go along, as long as the edit leaves where they
 * are sent. `undefined`: there is no such trigger.
 */
export function duplicateTrigger(
  db: Database,
  secrets: SecretBox,
  { id, userId }: TriggerTarget,
  edit: (stored: StoredTrigger) => TriggerDocument,
  { max = 0 }: { max?: number } = {},
): Promise<Created | undefined> {
  return inTransaction(db, async (transaction) => {
    const [stored] = await lockTrigger(transaction, [id, userId])
    if (stored === undefined) return undefined
    const document = edit(await readPresent(transaction, id))
    const { placed, problems } = placeActions(
      document.actions,
      stored.actions,
      headerSealer(secrets, stored.user_id),
    )
    if (problems.length > 0) return { problems }
    const copies = placed.map((action) => ({ ...action, id: undefined }))
    return insertNew(transaction, secrets, stored.user_id, { document, placed: copies, max })
  })
}

/**
 * Puts a document in the place of a stored trigger, which counts as its next version. Actions keep their rows, because
 * deliveries refer to them. `undefined`: there is no such trigger.
 *
 * @param document or what makes it of the one that is stored.
 */
export function replaceTrigger(
  db: Database,
  secrets: SecretBox,
  { id, userId, guard }: TriggerTarget,
  document: TriggerDocument | TriggerEdit,
): Promise<Written | undefined> {
  return inTransaction(db, async (transaction) => {
    const [stored] = await lockTrigger(transaction, [id, userId])
    if (stored === undefined) return undefined
    guard?.(stored)
    const present = typeof document === 'function' ? await readPresent(transaction, id) : undefined
    const wanted = typeof document === 'function' ? present && document(present) : document
    if (wanted === undefined) return present && { trigger: present }
    const { placed, problems } = placeActions(
      wanted.actions,
      stored.actions,
      headerSealer(secrets, stored.user_id),
    )
    if (problems.length > 0) return { problems }
    await updateTrigger(transaction, [id, ...columnsOf(wanted), wanted.conditions])
    await deleteConditions(transaction, [id])
    await deleteActions(transaction, [
      id,
      placed.flatMap(({ id: kept }) => (kept === undefined ? [] : [String(kept)])),
    ])
    await writeParts(transaction, id, wanted, placed)
    return { trigger: await readWritten(transaction, secrets, id) }
  })
}

/** Deletes a trigger with its conditions and actions. What it did stays readable. `false`: there is no such trigger. */
export function deleteTrigger(db: Database, { id, userId, guard }: TriggerTarget): Promise<boolean> {
  return inTransaction(db, async (transaction) => {
    if (guard !== undefined) {
      const [stored] = await lockTrigger(transaction, [id, userId])
      if (stored === undefined) return false
      guard(stored)
    }
    return (await removeTrigger(transaction, [id, userId])).length > 0
  })
}

/** @param userId whose it has to be; not given: anybody's. */
export async function readTrigger(
  db: Queryable,
  id: string,
  userId?: string,
): Promise<StoredTrigger | undefined> {
  const [trigger] = await selectTrigger(db, [id, userId])
  return trigger && withoutSecrets(trigger)
}

/** A page of triggers, the newest first. */
export async function listTriggers(
  db: Queryable,
  filter: TriggerFilter,
  { after, limit }: PageRequest,
): Promise<Page<StoredTrigger>> {
  const keys = await selectTriggerIds(db, [
    filter.chain_id,
    filter.registry,
    filter.enabled,
    after?.[0],
    after?.[1],
    limit + 1,
    filter.user_id,
  ])
  const { rows, next } = toPage(keys, limit)
  const triggers = await selectTriggers(db, [rows.map(({ id }) => id), filter.user_id])
  return { rows: triggers.map(withoutSecrets), next }
}

function columnsOf(document: TriggerDocument) {
  const { name, description, chain_id, registry, enabled, circuit_breaker, conditions } = document
  const { finality, from_block, warm_up, cooldown, max_fires } = document
  const isStateful = conditions.some(remembers) || cooldown !== null || max_fires !== null
  return [
    ...[name, description, chain_id, registry, enabled, circuit_breaker],
    ...[finality, from_block, warm_up, cooldown, max_fires, isStateful],
  ]
}

async function insertNew(
  transaction: Transaction,
  secrets: SecretBox,
  userId: string,
  { document, placed, max }: { document: TriggerDocument; placed: readonly PlacedAction[]; max: number },
): Promise<Created> {
  if (max > 0) {
    await lockTriggersOfUser(transaction, [userId])
    const [count] = await countTriggers(transaction, [userId, max])
    if ((count?.triggers ?? 0) >= max) return { tooMany: max }
  }
  const [created] = await insertTrigger(transaction, [userId, ...columnsOf(document)])
  if (created === undefined) throw new Error('The trigger was not inserted')
  await writeParts(transaction, created.id, document, placed)
  return { trigger: await readWritten(transaction, secrets, created.id) }
}

async function writeParts(
  transaction: Transaction,
  id: string,
  { conditions }: TriggerDocument,
  actions: readonly PlacedAction[],
): Promise<void> {
  await insertConditions(transaction, [id, conditions])
  await updateActions(transaction, [id, actions.filter((action) => action.id !== undefined)])
  await insertActions(transaction, [id, actions.filter((action) => action.id === undefined)])
}

/** With the signing secrets that its destinations got with it. */
async function readWritten(transaction: Transaction, secrets: SecretBox, id: string): Promise<StoredTrigger> {
  const made = await makeSigningSecrets(transaction, secrets, id)
  const trigger = await readPresent(transaction, id)
  const actions = trigger.actions.map((action) => {
    const secret = action.destination_id === null ? undefined : made.get(action.destination_id)
    return secret === undefined ? action : { ...action, signing_secret: secret }
  })
  return { ...trigger, actions }
}

/** One that this transaction holds. */
async function readPresent(transaction: Transaction, id: string): Promise<StoredTrigger> {
  const trigger = await readTrigger(transaction, id)
  if (trigger === undefined) throw new Error(`The trigger ${id} is held and is not there`)
  return trigger
}

function headerSealer(secrets: SecretBox, userId: string) {
  return (header: { url: string; name: string }, value: string) =>
    sealHeader(secrets, { userId, ...header }, value)
}

function withoutSecrets(trigger: StoredTrigger): StoredTrigger {
  return { ...trigger, actions: trigger.actions.map(hideSecrets) }
}
