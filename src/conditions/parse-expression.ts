import { type ASTNode, Environment, type ParseResult } from '@marcbachmann/cel-js'
import { EventView, optional, type ViewField, viewFields } from './event-view.ts'

export type ParsedExpression = {
  run: ParseResult
  /** The fields that it names. */
  fields: readonly ViewField[]
  /** Those without which it cannot hold. There may be more. */
  required: readonly ViewField[]
}

const lengthMax = 2000
/** Names, values and operators. */
const nodesMax = 300
/** How deep parentheses, lists and calls may nest. */
const depthMax = 32
const listMax = 200

const operators = new Set(['==', '!=', 'in', '+', '-', '*', '/', '%', '<', '<=', '>', '>='])
const others = new Set(['&&', '||', '?:', '!_', '-_', 'list'])

/**
 * What may be called. Nothing that can take long (regular expressions, macros over lists), that depends on the machine (time
 * zones), or that fails for what a stranger wrote (text to number).
 */
const functions = new Set(['has', 'size', 'int', 'double'])
const methods = new Set(['contains', 'startsWith', 'endsWith', 'lowerAscii', 'size'])
const timeMethods = new Set(['getFullYear', 'getMonth', 'getDate', 'getDayOfWeek', 'getHours', 'getMinutes'])

const environment = createEnvironment()

/** Reads an expression and holds it to its limits and types. @returns what is wrong with it, as a sentence without its full stop. */
export function parseExpression(text: string): ParsedExpression | { problem: string } {
  if (text.trim() === '') return { problem: 'the expression is empty' }
  if (text.length > lengthMax) {
    return { problem: `the expression has ${text.length} characters, and may have ${lengthMax}` }
  }
  try {
    const run = environment.parse(text)
    const fields = new Set<ViewField>()
    checkNode(run.ast, fields)
    const { type, error } = run.check()
    if (error !== undefined) throw error
    if (type !== 'bool') {
      return {
        problem: `the expression must be true or false, such as event.score < 70. This is of type ${type}`,
      }
    }
    const required = new Set<ViewField>()
    for (const part of conjuncts(run.ast)) if (isEager(part)) checkNode(part, required)
    return { run, fields: [...fields], required: [...required] }
  } catch (error) {
    return { problem: describe(error, text) }
  }
}

/** Made once: it is expensive. */
function createEnvironment(): Environment {
  const made = new Environment({
    limits: {
      maxAstNodes: nodesMax,
      maxDepth: depthMax,
      maxListElements: listMax,
      maxMapEntries: 0,
      maxCallArguments: 2,
    },
  })
  const fields: Record<string, string> = { ...viewFields }
  for (const name of Object.keys(viewFields) as ViewField[]) fields[optional(name)] = viewFields[name]
  made.registerType('Event', { ctor: EventView, fields })
  made.registerVariable('event', 'Event')
  // CEL compares whole numbers with doubles, but calculates only with two of a kind. Here 5 is as good as 5.0.
  const calculate = {
    '+': (a: number, b: number) => a + b,
    '-': (a: number, b: number) => a - b,
    '*': (a: number, b: number) => a * b,
    '/': (a: number, b: number) => a / b,
    '%': (a: number, b: number) => a % b,
  }
  type Numeric = number | bigint
  // Exact, as == is, for a bigint and a double.
  const isEqual = (a: Numeric, b: Numeric) => a <= b && a >= b
  const isIn = (a: Numeric, list: readonly Numeric[]) => list.some((b) => isEqual(a, b))
  for (const [left, right] of [
    ['double', 'int'],
    ['int', 'double'],
  ] as const) {
    for (const [operator, apply] of Object.entries(calculate)) {
      const handler = (a: Numeric, b: Numeric) => apply(Number(a), Number(b))
      made.registerOperator(`${left} ${operator} ${right}: double`, handler)
    }
    made.registerOperator(`${left} in list<${right}>`, isIn)
  }
  made.registerOperator('double == int', isEqual)
  made.registerOperator('double % double', calculate['%'])
  return made
}

/** Something that cannot be used, where it stands. */
class Refusal extends Error {
  readonly start: number
  readonly hint: string

  constructor(message: string, node: ASTNode, hint = '') {
    super(message)
    this.start = node.pos
    this.hint = hint
  }
}

/** @throws Refusal for what is not allowed; gathers the fields that are named. */
function checkNode(node: ASTNode, fields: Set<ViewField>): void {
  const { op } = node
  if (op === 'value') {
    if (typeof node.args === 'object' && node.args !== null) {
      throw new Refusal('values are numbers, texts, true and false', node)
    }
    if (typeof node.args === 'string' && /^0x([0-9a-f]{40}|[0-9a-f]{64})$/i.test(node.args)) {
      if (node.args === node.args.toLowerCase()) return
      throw new Refusal('addresses and hashes are in lower case', node, 'Write them so')
    }
    return
  }
  if (op === 'id') {
    if (node.args === 'event') {
      throw new Refusal('an event as a whole cannot be used', node, describeFields())
    }
    if (Object.hasOwn(viewFields, node.args)) throw new Refusal(`write event.${node.args}`, node)
    throw new Refusal(`there is no ${node.args}`, node, describeFields())
  }
  if (op === '.') {
    const [owner, name] = node.args
    if (owner.op !== 'id' || owner.args !== 'event')
      throw new Refusal(`.${name} cannot be read of this`, node)
    if (!Object.hasOwn(viewFields, name)) {
      throw new Refusal(`an event has no field ${name}`, node, describeFields())
    }
    fields.add(name as ViewField)
    return
  }
  if (op === 'call' || op === 'rcall') {
    const [name, parts] = op === 'call' ? node.args : [node.args[0], [node.args[1], ...node.args[2]]]
    const isKnown =
      op === 'call' ? functions.has(name) : methods.has(name) || (timeMethods.has(name) && parts.length === 1)
    if (!isKnown) throw new Refusal(`${name}() cannot be used here`, node, describeFunctions())
    if (name === 'has' && parts[0]?.op !== '.') {
      throw new Refusal('has() asks for a field, such as has(event.score)', node)
    }
    if ((name === 'int' || name === 'double') && parts.some(isText)) {
      throw new Refusal(`${name}() cannot read a number from a text`, node)
    }
    for (const part of parts) checkNode(part, fields)
    if (name === 'has') askSoftly(parts[0])
    return
  }
  if (!operators.has(op) && !others.has(op)) {
    throw new Refusal(
      op === 'map' ? 'maps { } cannot be used here' : 'brackets [ ] cannot be used here',
      node,
    )
  }
  const parts = (Array.isArray(node.args) ? node.args : [node.args]) as ASTNode[]
  if (op === '+' && parts.some(isText)) throw new Refusal('texts cannot be joined', node)
  if ((op === '==' || op === '!=') && parts.some((part) => part.op === 'value' && part.args === null)) {
    throw new Refusal('nothing equals null here: has(event.score) asks whether an event has a field', node)
  }
  for (const part of parts) checkNode(part, fields)
}

/** The library reads what has() asks for as any field. This is the name under which it may be missing. */
function askSoftly(field: ASTNode | undefined): void {
  if (field?.op === '.') field.args[1] = optional(field.args[1] as ViewField)
}

function isText(node: ASTNode): boolean {
  if (node.op === 'value') return typeof node.args === 'string'
  if (node.op === '.') return viewFields[node.args[1] as ViewField] === 'string'
  if (node.op === '?:') return isText(node.args[1])
  return node.op === 'rcall' && node.args[0] === 'lowerAscii'
}

function conjuncts(node: ASTNode): ASTNode[] {
  return node.op === '&&' ? node.args.flatMap(conjuncts) : [node]
}

/** Whether all that the node names is read, whatever it is. */
function isEager(node: ASTNode): boolean {
  const { op, args } = node
  if (op === '&&' || op === '||' || op === '?:') return false
  if (op === 'value' || op === '.') return true
  if (op === 'call') return args[0] !== 'has' && args[1].every(isEager)
  if (op === 'rcall') return isEager(args[1]) && args[2].every(isEager)
  return ((Array.isArray(args) ? args : [args]) as ASTNode[]).every(isEager)
}

const limitNames: Readonly<Record<string, string>> = {
  maxAstNodes: `it has more than ${nodesMax} names, values and operators`,
  maxDepth: `it nests more than ${depthMax} deep`,
  maxListElements: `a list has more than ${listMax} values`,
  maxMapEntries: 'maps { } cannot be used here',
  maxCallArguments: 'a function has too many arguments',
}

const tokenNames: Readonly<Record<string, string>> = {
  EOF: 'the end',
  LPAREN: '(',
  RPAREN: ')',
  LBRACKET: '[',
  RBRACKET: ']',
  LBRACE: '{',
  RBRACE: '}',
  NUMBER: 'a number',
  STRING: 'a text',
  BYTES: 'bytes',
  IDENTIFIER: 'a name',
  COMMA: 'a comma',
  COLON: ':',
  QUESTION: '?',
  DOT: 'a full stop',
}

type LibraryError = { code?: string; summary?: string; range?: { start: number } }

/** What an error says, with the place, on one line. */
function describe(error: unknown, text: string): string {
  if (error instanceof Refusal) {
    return `${error.message}${place(error.start, text)}${error.hint && '. '}${error.hint}`
  }
  const { code, summary, range } = error as LibraryError
  if (summary === undefined) {
    if (error instanceof RangeError) return 'the expression nests too deep'
    throw error
  }
  if (code === 'limit_exceeded') {
    return `${limitNames[/max\w+/.exec(summary)?.[0] ?? ''] ?? summary}${place(range?.start, text)}`
  }
  return explain(summary, place(range?.start, text))
}

const typeNames: Readonly<Record<string, string>> = {
  int: 'a whole number',
  double: 'a number',
  string: 'a text',
  bool: 'true or false',
  null: 'null',
  Event: 'the event itself',
  'google.protobuf.Timestamp': 'a time',
  'google.protobuf.Duration': 'a length of time',
}

function explain(summary: string, at: string): string {
  const overload = /^no such overload: (.+?) (==|!=|in|[-+*/%]|[<>]=?) (.+)$/.exec(summary)
  if (overload !== null) {
    const [, left = '', operator, right = ''] = overload
    const hint = [left, right].includes('string') ? '. Numbers are written without quotes' : ''
    return `${operator} does not go with ${typeNames[left] ?? left} and ${typeNames[right] ?? right}${at}${hint}`
  }
  if (summary.startsWith('List elements')) {
    return `the values of a list must be of one type${at}. Beside 2.5, write 1.0 for 1`
  }
  return summary.replaceAll(/\b[A-Z]{3,}\b/g, (name) => tokenNames[name] ?? name) + at
}

function place(start: number | undefined, text: string): string {
  if (start === undefined) return ''
  const rest = text.slice(start, start + 20).replaceAll(/\s+/g, ' ')
  return rest === '' ? ', at the end' : `, at character ${start + 1}: ${JSON.stringify(rest)}`
}

function describeFields(): string {
  return `There are ${Object.keys(viewFields)
    .map((name) => `event.${name}`)
    .join(', ')}`
}

function describeFunctions(): string {
  return `There are ${[...functions, ...methods, ...timeMethods].map((name) => `${name}()`).join(', ')}`
}
