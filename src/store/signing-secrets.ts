import { randomBytes } from 'node:crypto'
import type { Database, Queryable, Transaction } from '../db.ts'
import type { SecretBox } from '../secret-box.ts'
import { query } from './query.ts'

/** What the webhooks of one user to one destination are signed with. */
export type SigningSecrets = {
  destinationId: number
  /** Counts the changes of the destination's secrets. */
  revision: number
  /** Encrypted, the newest first. Only the newest has no end: null. */
  sealed: readonly { secret: string; expires_in_ms: number | null }[]
}

/** What became of a request to rotate: the new secret, which nobody can read again, or why there is none. */
export type Rotation = { signing_secret: string; previous_expires_at: Date | null } | { refused: string }

/** Each of them adds a signature of 48 characters to every request. */
const overlappingMax = 4

/** What the base64 of a secret stands behind, so that people and scanners of leaked secrets know it for one. */
export const secretPrefix = 'whsec_'

const secretBytes = 32

const selectLacking = query<{ destination_id: number; user_id: string }>('manage/lack-signing-secrets')
const insertSecrets = query<{ destination_id: number }>('manage/insert-signing-secrets')
const expireSecrets = query<{ expires_at: Date }>('manage/expire-signing-secrets')
const lockDestination = query<{ id: number; user_id: string; action_type: string; expiring: number }>(
  'manage/lock-destination',
)
const selectSecrets = query<{
  number: number
  destination_id: number
  secrets_revision: number
  secrets: { secret: string; expires_in_ms: number | null }[]
}>('deliver/read-signing-secrets')

/**
 * Gives a secret to each destination of the trigger's rest actions that has none.
 *
 * @returns the new ones, by destination. They cannot be read again.
 */
export async function makeSigningSecrets(
  db: Queryable,
  secrets: SecretBox,
  triggerId: string,
): Promise<ReadonlyMap<number, string>> {
  const lacking = await selectLacking(db, [triggerId])
  if (lacking.length === 0) return new Map()
  const places = lacking.map(({ destination_id: destinationId, user_id: userId }) => ({
    userId,
    destinationId,
  }))
  return insertNew(db, secrets, places)
}

/**
 * Puts a new secret in the place of a destination's newest one, which goes on signing for the overlap. Without an overlap all
 * others end at once. `undefined`: there is no such destination.
 *
 * @param options.userId whose destination it is; not given: anybody's.
 */
export function rotateSigningSecret(
  db: Database,
  secrets: SecretBox,
  { id, userId, overlapMs }: { id: number; userId?: string | undefined; overlapMs: number },
): Promise<Rotation | undefined> {
  const rotate = async (transaction: Transaction): Promise<Rotation | undefined> => {
    const [destination] = await lockDestination(transaction, [String(id), userId])
    if (destination === undefined) return undefined
    if (destination.action_type !== 'rest') {
      return { refused: `Only webhooks are signed: this destination is of type ${destination.action_type}.` }
    }
    if (overlapMs > 0 && destination.expiring >= overlappingMax) {
      return {
        refused: `${destination.expiring} older secrets of this destination sign beside the newest already. Wait until one has expired, or rotate with the overlap "0", which ends them all.`,
      }
    }
    const [previous] = await expireSecrets(transaction, [String(id), String(overlapMs)])
    const place = { userId: destination.user_id, destinationId: id }
    const secret = (await insertNew(transaction, secrets, [place])).get(id)
    if (secret === undefined) throw new Error(`Destination ${id} was locked and got another secret meanwhile`)
    return { signing_secret: secret, previous_expires_at: previous?.expires_at ?? null }
  }
  return db.begin(rotate) as Promise<Rotation | undefined>
}

/**
 * What webhooks to these URLs are signed with, in the same order. A destination that has no secret gets one: triggers can be
 * written by SQL. `undefined`: the user has no such destination.
 */
export async function readSigningSecrets(
  db: Queryable,
  secrets: SecretBox,
  wanted: readonly { userId: string; url: string }[],
): Promise<(SigningSecrets | undefined)[]> {
  const read = async () => {
    const rows = await selectSecrets(db, [wanted.map(({ userId }) => userId), wanted.map(({ url }) => url)])
    return new Map(rows.map((row) => [row.number - 1, row]))
  }
  let rows = await read()
  const lacking = [...rows].flatMap(([index, { destination_id: destinationId, secrets: found }]) => {
    const { userId } = wanted[index] ?? {}
    const isThere = found.some(({ expires_in_ms }) => expires_in_ms === null)
    return userId === undefined || isThere ? [] : [[destinationId, { userId, destinationId }] as const]
  })
  if (lacking.length > 0) {
    await insertNew(db, secrets, [...new Map(lacking).values()])
    rows = await read()
  }
  return wanted.map((_, index) => {
    const row = rows.get(index)
    return row && { destinationId: row.destination_id, revision: row.secrets_revision, sealed: row.secrets }
  })
}

/** What a secret is sealed for: moved to another user or destination, it does not open. */
export function signingSecretContext(place: { userId: string; destinationId: number }): string {
  return `signing-secret:${place.userId}:${place.destinationId}`
}

async function insertNew(
  db: Queryable,
  secrets: SecretBox,
  places: readonly { userId: string; destinationId: number }[],
): Promise<ReadonlyMap<number, string>> {
  const made = new Map(
    places.map((place) => [
      place.destinationId,
      `${secretPrefix}${randomBytes(secretBytes).toString('base64')}`,
    ]),
  )
  const inserted = await insertSecrets(db, [
    places.map(({ destinationId }) => String(destinationId)),
    places.map((place) => secrets.seal(made.get(place.destinationId) ?? '', signingSecretContext(place))),
  ])
  return new Map(
    inserted.flatMap(({ destination_id: id }) => {
      const secret = made.get(id)
      return secret === undefined ? [] : [[id, secret] as const]
    }),
  )
}
