import { type JsonValue, query } from 'jsonpath-rfc9535'
import parse from 'jsonpath-rfc9535/parser'

const lengthMax = 500
const filtersMax = 3
/** Of `&&`, `||` and comparisons. */
const comparisonsMax = 10
const selectorsMax = 10

/** @returns what is wrong with a JSON path (RFC 9535), as a sentence without its full stop. */
export function checkJsonPath(text: string): string | undefined {
  if (text.length > lengthMax) return `the path has ${text.length} characters, and may have ${lengthMax}`
  let path: unknown
  try {
    path = parse(text)
  } catch (error) {
    return describeSyntax(error, text)
  }
  const found = { descents: 0, lists: 0, filters: 0, comparisons: 0 }
  return findProblem(path, found, false)
}

/** The values at a path that {@link checkJsonPath} allows. */
export function readJsonPath(json: unknown, path: string): unknown[] {
  return query(json as JsonValue, path)
}

type Found = { descents: number; lists: number; filters: number; comparisons: number }

/** What makes a path read a file again and again is refused: the time it takes must not grow faster than the file. */
function findProblem(node: unknown, found: Found, inFilter: boolean): string | undefined {
  if (Array.isArray(node)) {
    for (const part of node) {
      const problem = findProblem(part, found, inFilter)
      if (problem !== undefined) return problem
    }
    return undefined
  }
  if (typeof node !== 'object' || node === null) return undefined
  const { type, name, selectors } = node as { type?: string; name?: string; selectors?: unknown[] }
  const isFilter = type === 'FilterSelector'
  if (type === 'DescendantSegment') {
    if (inFilter) return 'two dots (..) cannot be used in a filter'
    if (++found.descents > 1) return 'two dots (..) can be used once'
  } else if (type === 'BracketedSelection' && selectors !== undefined && selectors.length > 1) {
    if (selectors.length > selectorsMax) return `brackets may have ${selectorsMax} selectors`
    if (inFilter || ++found.lists > 1) return 'brackets with several selectors can be used once'
  } else if (isFilter) {
    if (inFilter) return 'a filter cannot have a filter in it'
    if (++found.filters > filtersMax) return `a path may have ${filtersMax} filters`
  } else if (type === 'FunctionExpr' && (name === 'match' || name === 'search')) {
    return `${name}() cannot be used: regular expressions can take very long`
  } else if (inFilter && (type === 'JsonPathQuery' || type === 'AbsSingularQuery')) {
    return '$ cannot be used in a filter: @ is what is filtered'
  } else if (type === 'ComparisonExpr' || type === 'TestExpr') {
    if (++found.comparisons > comparisonsMax) return `a path may have ${comparisonsMax} comparisons`
  }
  for (const [key, part] of Object.entries(node)) {
    // What stands in a literal is no part of the path.
    if (key === 'type' || type === 'Literal') continue
    const problem = findProblem(part, found, inFilter || isFilter)
    if (problem !== undefined) return problem
  }
  return undefined
}

function describeSyntax(error: unknown, text: string): string {
  const offset = (error as { location?: { start?: { offset?: number } } }).location?.start?.offset
  const place =
    offset === undefined
      ? ''
      : offset >= text.length
        ? ': it ends too early'
        : ` at character ${offset + 1}: ${JSON.stringify(text.slice(offset, offset + 20))}`
  return `expected a JSON path such as $.services[0].endpoint; this one cannot be read${place}`
}
