/** One page of a list: where it begins, and how many rows it has at most. */
export type PageRequest = {
  /** The key of the last row of the page before; `undefined`: the first page. */
  after: readonly string[] | undefined
  limit: number
}

export type Page<Row> = {
  rows: Row[]
  /** What to ask the next page `after`; `undefined`: this is the last one. */
  next: readonly string[] | undefined
}

/** Makes a page of rows that were read with a limit of one more than the page has. */
export function toPage<Row extends { page_key: string[] }>(
  rows: readonly Row[],
  limit: number,
): Page<Omit<Row, 'page_key'>> {
  const shown = rows.slice(0, limit)
  return {
    rows: shown.map(({ page_key: _, ...row }) => row),
    next: rows.length > limit ? shown.at(-1)?.page_key : undefined,
  }
}
