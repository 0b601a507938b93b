import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseAllDocuments,
  visit,
} from 'yaml'
import { formatPath, type TriggerDocument } from '../trigger-document.ts'
import { readDocument } from './read-document.ts'

/** Where something is in a file. Lines and columns count from 1. */
export type Place = { file: string; line: number; column: number }

/** A trigger as a file has it. */
export type FileTrigger = {
  /** Of the stored trigger that it is, where the file says so. Otherwise its name says which one it is. */
  id: string | undefined
  document: TriggerDocument
  place: Place
}

export type FileProblem = Place & {
  /** Which value of the trigger, as in `conditions[2].value`; empty for the whole of it. */
  path: string
  message: string
}

type Path = readonly (string | number)[]

/**
 * Reads a file with trigger documents: YAML or JSON, one trigger or a list of them, in one document or several.
 *
 * Unlike in plain YAML, `0x…` is a text (an address), and so is a whole number that a JSON number cannot hold (an agent id).
 *
 * @param chains The chains that a trigger can be for.
 * @returns the triggers that are right, and every problem of the others with its place.
 */
export function parseTriggerFile(
  file: string,
  text: string,
  chains: readonly { id: number }[],
): { triggers: FileTrigger[]; problems: FileProblem[] } {
  const lines = new LineCounter()
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const triggers: FileTrigger[] = []
  const problems: FileProblem[] = []
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    prettyErrors: false,
    merge: true,
    customTags: (tags) => tags.filter((tag) => typeof tag !== 'object' || !isIntegerOfOtherBase(tag)),
  })

  for (const parsed of Array.isArray(documents) ? documents : []) {
    for (const { pos, message } of parsed.errors) {
      problems.push({ ...placeAt(pos[0]), path: '', message: `this is no YAML: ${message}` })
    }
    if (parsed.errors.length > 0 || isEmpty(parsed.contents)) continue
    keepDigits(parsed)
    let value: unknown
    try {
      value = parsed.toJS({ maxAliasCount: 100 })
    } catch (error) {
      problems.push({
        ...placeAt(parsed.contents?.range?.[0] ?? 0),
        path: '',
        message: String((error as Error).message),
      })
      continue
    }
    // Only what a JSON document can say: what YAML can say besides is not sent.
    const roots: [Path, unknown][] = Array.isArray(value)
      ? value.map((item, index) => [[index], item])
      : [[[], value]]
    for (const [root, item] of roots) {
      const at = (path: Path, of: 'key' | 'value' = 'value') =>
        placeAt(offsetOf(parsed, [...root, ...path], of))
      const { id, rest, idProblem } = takeId(item)
      const result = readDocument(rest, chains)
      const found = 'problems' in result ? result.problems : []
      if (idProblem !== undefined) problems.push({ ...at(['id']), path: 'id', message: idProblem })
      for (const { path, message } of found) {
        const of = message.startsWith('unknown;') ? 'key' : 'value'
        problems.push({ ...at(path, of), path: formatPath(path), message: dropFound(message) })
      }
      if ('ok' in result && idProblem === undefined) triggers.push({ id, document: result.ok, place: at([]) })
    }
  }
  return { triggers, problems: problems.toSorted((a, b) => a.line - b.line || a.column - b.column) }
}

/** The id is not of the document, and is the one other thing that a file can say. */
function takeId(item: unknown): { id: string | undefined; rest: unknown; idProblem?: string } {
  if (typeof item !== 'object' || item === null || Array.isArray(item) || !('id' in item)) {
    return { id: undefined, rest: item }
  }
  const { id, ...rest } = item
  if (typeof id === 'string' && id !== '' && id.length <= 200) return { id, rest }
  return { id: undefined, rest, idProblem: 'expected the id of a stored trigger, as text' }
}

/** What was found is in the line that the message points at. */
function dropFound(message: string): string {
  return message.length > 300 ? message.replace(/; found .*$/s, '') : message
}

function isIntegerOfOtherBase(tag: object): boolean {
  return 'format' in tag && (tag.format === 'HEX' || tag.format === 'OCT' || tag.format === 'BIN')
}

function isEmpty(contents: ParsedNode | null): boolean {
  return contents === null || (isScalar(contents) && contents.value === null)
}

/** Numbers that would lose digits stay texts. */
function keepDigits(document: Document.Parsed): void {
  visit(document, {
    Scalar: (_key, scalar) => {
      const { value, source } = scalar
      if (typeof value !== 'number' || source === undefined || !/^[-+]?\d+$/.test(source)) return
      if (!Number.isSafeInteger(value)) scalar.value = source
    },
  })
}

/**
 * Where a value is: itself, or its key if the key is what is wrong; for one that is missing, what it is missing in.
 */
function offsetOf(document: Document.Parsed, path: Path, of: 'key' | 'value'): number {
  let node: Node | null = document.contents
  let offset = node?.range?.[0] ?? 0
  for (const [index, part] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document) ?? null
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => (isScalar(key) ? key.value : key) === part)
      if (pair === undefined) return offset
      const key = isNode(pair.key) ? pair.key.range?.[0] : undefined
      const value = isNode(pair.value) ? pair.value : null
      const isLast = of === 'value' && index === path.length - 1
      // A collection begins a line below its key.
      offset = (isLast && isScalar(value) ? value.range?.[0] : undefined) ?? key ?? offset
      node = value
    } else if (isSeq(node) && typeof part === 'number') {
      const item: unknown = node.items[part]
      if (!isNode(item)) return offset
      offset = item.range?.[0] ?? offset
      node = item
    } else return offset
  }
  return offset
}
