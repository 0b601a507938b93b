/** What the chain says of one log, by which a row is known, and how its row must look. */
export type ExpectedRow = {
  chainId: number
  blockHash: string
  logIndex: number
  /** All columns that follow from the log, each as text that can be compared. */
  content: Readonly<Record<string, string>>
}

/** A row of `events`. */
export type StoredRow = ExpectedRow & {
  id: string
  seq: number
  occurrence: string
  /** Whether events_canonical shows it. */
  canonical: boolean
}

/** What a consumer saw that reads `events` by `seq`, each time what is above the highest it knows. */
export type SeenRow = { id: string; seq: number }

/** Each list names the rows, in words that can be looked for. Empty lists: the store is exact. */
export type Verdict = {
  /** On the chain, and no row. */
  lost: string[]
  /** A log with more than one row, or an event with more than one canonical row, or shown twice to who reads by `seq`. */
  duplicated: string[]
  /** On the chain, has a row, and the row counts as retracted. */
  falseRetractions: string[]
  /** Canonical by our word, and not on the chain. */
  stale: string[]
  /** There, and not what the log says. */
  wrong: string[]
  /**
   * Along a chain, a later log with a lower `seq`: a block is written after its ancestors, whatever forks and crashes. Or a row
   * that appeared below what a reader by `seq` had read already, so that it missed the row.
   */
  outOfOrder: string[]
}

/** Compares what is stored with what the chains say, in the order of each chain. Pure. */
export function judge(
  expected: readonly ExpectedRow[],
  stored: readonly StoredRow[],
  seen: readonly SeenRow[],
): Verdict {
  const verdict: Verdict = {
    lost: [],
    duplicated: [],
    falseRetractions: [],
    stale: [],
    wrong: [],
    outOfOrder: [],
  }
  const rowsOf = groupBy(stored, keyOf)
  for (const [key, rows] of rowsOf) {
    if (rows.length > 1) verdict.duplicated.push(`${key} has ${rows.length} rows`)
  }
  const canonical = stored.filter((row) => row.canonical)
  for (const [occurrence, rows] of groupBy(canonical, (row) => row.occurrence)) {
    if (rows.length > 1) {
      verdict.duplicated.push(`${occurrence} is canonical as ${rows.map(({ id }) => id).join(' and ')}`)
    }
  }

  const onChain = new Set(expected.map(keyOf))
  verdict.stale = canonical.filter((row) => !onChain.has(keyOf(row))).map(({ id }) => id)

  const newest = new Map<number, number>()
  for (const log of expected) {
    const rows = rowsOf.get(keyOf(log)) ?? []
    const row = rows.find((candidate) => candidate.canonical)
    if (row === undefined) {
      const list = rows.length === 0 ? verdict.lost : verdict.falseRetractions
      list.push(rows[0]?.id ?? keyOf(log))
      continue
    }
    if (describeDifference(row, log) !== '') verdict.wrong.push(`${row.id}: ${describeDifference(row, log)}`)
    const before = newest.get(log.chainId) ?? 0
    if (row.seq <= before) verdict.outOfOrder.push(`${row.id} has seq ${row.seq} after ${before}`)
    newest.set(log.chainId, Math.max(row.seq, before))
  }

  const times = groupBy(seen, ({ id }) => id)
  const ids = new Set(stored.map(({ id }) => id))
  for (const id of times.keys()) {
    if (!ids.has(id)) verdict.lost.push(`${id} was shown to a reader, and is gone`)
  }
  for (const { id } of stored) {
    const count = times.get(id)?.length ?? 0
    if (count === 0) verdict.outOfOrder.push(`${id} was never shown to a reader by seq`)
    if (count > 1) verdict.duplicated.push(`${id} was shown ${count} times to a reader by seq`)
  }
  return verdict
}

function keyOf({ chainId, blockHash, logIndex }: ExpectedRow): string {
  return `${chainId} ${blockHash} ${logIndex}`
}

function describeDifference({ content: found }: ExpectedRow, { content: wanted }: ExpectedRow): string {
  return [...new Set([...Object.keys(found), ...Object.keys(wanted)])]
    .filter((column) => found[column] !== wanted[column])
    .map((column) => `${column} is ${found[column]} and not ${wanted[column]}`)
    .join(', ')
}

/** Map.groupBy, which Node 20 does not have. */
function groupBy<Item>(items: readonly Item[], keyOfItem: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>()
  for (const item of items) {
    const key = keyOfItem(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}
