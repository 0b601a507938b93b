/** Lines of a table for people: columns as wide as they have to be, the last one open. Control characters become spaces. */
export function formatTable(titles: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const lines = [titles, ...rows].map((cells) => cells.map((cell) => cell.replaceAll(/\p{Cc}+/gu, ' ')))
  const widths = titles.map((_, column) =>
    lines.reduce((widest, cells) => Math.max(widest, cells[column]?.length ?? 0), 0),
  )
  return lines.map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
