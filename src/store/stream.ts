import type { Database, Queryable } from '../db.ts'
import type { Change, StreamKind } from '../stream/change.ts'
import { comparePositions, type Position } from '../stream/position.ts'
import { query } from './query.ts'

type Horizon = { horizon: number; oldest: number; oldest_at: Date; mark: number | null }
type ChangeRow = {
  horizon: number
  xact: number | null
  id: number
  kind: StreamKind
  change: Change['change']
  user_id: string | null
  size: number
}
type Hydrated = {
  xact: number
  change_id: number
  part: number
  change: string
  at: Date
  reason?: string | null
}

// Planned anew each time: what was planned while the tables were empty reads all of them when they are not.
const selectHorizon = query<Horizon>('stream/read-horizon', { prepare: false })
const selectChanges = query<ChangeRow>('stream/read-changes', { prepare: false })
const selectEvents = query<Hydrated>('stream/read-events', { prepare: false })
const selectEventChanges = query<Hydrated>('stream/read-event-changes', { prepare: false })
const selectMatches = query<Hydrated>('stream/read-matches', { prepare: false })
const selectDeliveries = query<Hydrated>('stream/read-deliveries', { prepare: false })

/** For how long a transaction that is still at work has held the stream back, and which one, where that may be seen. */
export const readStreamLag = query<{ seconds: number; held_by: string | null }>('stream/read-lag', {
  prepare: false,
})

/** Rows of changes that are looked at in one step, and about how many events, matches and deliveries it reads. */
const changesMax = 1000
const elementsMax = 500

/** Where the order of changes begins and ends now; `mark`: where to begin for what has happened since a time. As the owner. */
export async function readHorizon(
  db: Queryable,
  since?: Date,
): Promise<{ now: Position; oldest: Position; oldestAt: Date; mark: Position | undefined }> {
  const [row] = await selectHorizon(db, [since])
  if (row === undefined)
    throw new Error('stream_marks is empty: migration 0023 puts a row there, and it stays')
  const begin = (xact: number): Position => [xact, 0, 0]
  return {
    now: begin(row.horizon),
    oldest: begin(row.oldest),
    oldestAt: row.oldest_at,
    mark: row.mark === null ? undefined : begin(row.mark),
  }
}

/**
 * The changes after a position, in their order.
 *
 * @param options.feed reads the changes: the owner, or as one user.
 * @param options.asUser reads what they are about, as the user whose it is.
 * @param options.users of whom, besides what is everybody's.
 * @returns the position up to which these are all; `more`: there are more already.
 */
export async function readStream(options: {
  feed: Database
  asUser: (userId: string) => Database
  after: Position
  kinds: readonly StreamKind[]
  users: readonly string[]
  since?: Date | undefined
}): Promise<{ changes: Change[]; position: Position; more: boolean }> {
  const { feed, after, kinds, users, since } = options
  const answer = await selectChanges(feed, [
    String(after[0]),
    String(after[1]),
    kinds,
    users,
    since,
    changesMax,
  ])
  const found = answer.filter((row): row is ChangeRow & { xact: number } => row.xact !== null)
  const horizon = answer[0]?.horizon ?? after[0]

  // As many as are not too much; a single one that is too much is read in parts.
  let elements = 0
  const taken = found.filter(({ size }, index) => {
    elements += size
    return index === 0 || elements <= elementsMax
  })
  const [first] = taken
  const inParts = first !== undefined && first.size > elementsMax
  const rows = inParts ? [first] : taken

  const changes = await hydrate(rows, options)
  const last = rows.at(-1)
  if (inParts && changes.length >= elementsMax) {
    const end = changes.at(-1)
    if (end !== undefined) return { changes, position: end.position, more: true }
  }
  const more = rows.length < found.length || found.length === changesMax
  const position: Position = more && last !== undefined ? [last.xact, last.id + 1, 0] : [horizon, 0, 0]
  // With what a snapshot of before could see, never back.
  return { changes, position: comparePositions(position, after) < 0 ? after : position, more }
}

async function hydrate(
  rows: readonly (ChangeRow & { xact: number })[],
  { feed, asUser, after }: Parameters<typeof readStream>[0],
): Promise<Change[]> {
  const parameters = (of: typeof rows) => [
    of.map(({ xact }) => String(xact)),
    of.map(({ id }) => String(id)),
    of.map(({ xact, id }) => String(xact === after[0] && id === after[1] ? after[2] : 0)),
    elementsMax,
  ]
  const ask = async (
    select: typeof selectEvents,
    db: Database,
    of: typeof rows,
    make: (position: Position, row: Hydrated, subject: never) => object,
    more: string[] = [],
  ): Promise<Change[]> => {
    if (of.length === 0) return []
    const read = await select(db, [...parameters(of), ...more])
    return read.map(({ xact, change_id, part, change, at, ...subject }) => {
      const { reason = null, ...bare } = subject
      const row = { xact, change_id, part, change, at, reason }
      return make([xact, change_id, part], row, bare as never) as Change
    })
  }
  const events = rows.filter(({ kind }) => kind === 'event')
  const owned = groupByUser(rows)
  const asked = [
    ask(
      selectEvents,
      feed,
      events.filter(({ change }) => change === 'arrived'),
      toEvent,
    ),
    ask(
      selectEventChanges,
      feed,
      events.filter(({ change }) => change !== 'arrived'),
      toEvent,
    ),
    ...[...owned].flatMap(([userId, own]) => {
      const db = asUser(userId)
      const of = (kind: StreamKind) => own.filter((row) => row.kind === kind)
      return [
        ask(
          selectMatches,
          db,
          of('match'),
          (position, { change, at }, match) => ({ kind: 'match', position, change, at, userId, match }),
          [userId],
        ),
        ask(
          selectDeliveries,
          db,
          of('delivery'),
          (position, { change, at }, delivery) => ({
            kind: 'delivery',
            position,
            change,
            at,
            userId,
            delivery,
          }),
          [userId],
        ),
      ]
    }),
  ]
  const all = (await Promise.all(asked)).flat()
  return all.sort((a, b) => comparePositions(a.position, b.position))
}

function toEvent(position: Position, { change, at, reason }: Hydrated, event: never): object {
  return { kind: 'event', position, change, at, reason: reason ?? null, event }
}

function groupByUser<Row extends { user_id: string | null }>(rows: readonly Row[]): Map<string, Row[]> {
  const groups = new Map<string, Row[]>()
  for (const row of rows) {
    if (row.user_id === null) continue
    const group = groups.get(row.user_id)
    if (group === undefined) groups.set(row.user_id, [row])
    else group.push(row)
  }
  return groups
}
