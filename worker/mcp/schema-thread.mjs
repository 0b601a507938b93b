// Checks arguments against schemas that strangers wrote, in a thread of its own: a schema can take for ever to compile or to
// check (references that multiply, a regular expression that backtracks), and then the thread is ended from outside.
import { parentPort } from 'node:worker_threads'
import { Ajv } from 'ajv'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { Ajv2020 } from 'ajv/dist/2020.js'

const compiledMax = 200
const depthMax = 64
const problemsMax = 3
const expectationMax = 200

/** Without `$schema`, MCP means 2020-12. */
const dialects = [
  [/^https?:\/\/json-schema\.org\/draft-0[3-7]\/schema/, Ajv],
  [/^https?:\/\/json-schema\.org\/draft\/2019-09\//, Ajv2019],
  [/./, Ajv2020],
]

const options = {
  // Unknown keywords and formats are what schemas in the field have, and JSON Schema says to pass over them.
  strict: false,
  validateFormats: false,
  allErrors: false,
  verbose: true,
  logger: false,
  // Copies of a definition at every reference to it would multiply.
  inlineRefs: false,
  ownProperties: true,
  code: { regExp: Object.assign(toRegExp, { code: 'toRegExp' }) },
}

/** One a dialect, for the schemas themselves. */
const metaCheckers = new Map()

/** By the schema's text, the one used last at the end. */
const compiled = new Map()

function toRegExp(pattern) {
  try {
    return new RegExp(pattern, 'u')
  } catch {
    // Python's and others' escapes, such as \_, are no mistake without the flag.
    return new RegExp(pattern)
  }
}

function compile(schemaText) {
  const schema = JSON.parse(schemaText)
  if (typeof schema !== 'object' || schema === null) throw new Error('it is no object')
  if (isDeeperThan(depthMax, schema)) throw new Error(`it is nested deeper than ${depthMax} levels`)
  const { $schema: dialect = '', ...rest } = schema
  const [, Dialect] = dialects.find(([pattern]) => pattern.test(`${dialect} `))
  if (!metaCheckers.has(Dialect)) metaCheckers.set(Dialect, new Dialect(options))
  const meta = metaCheckers.get(Dialect)
  if (!meta.validateSchema(rest)) throw new Error(describe(meta.errors, 'schema'))
  // Of its own, because schemas may have the same $id. Nothing is ever fetched: a reference to elsewhere does not compile.
  return new Dialect({ ...options, meta: false, validateSchema: false }).compile(rest)
}

function isDeeperThan(levels, value) {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((part) => isDeeperThan(levels - 1, part))
}

function validatorOf(schemaText) {
  let found = compiled.get(schemaText)
  if (found === undefined) {
    try {
      found = { validate: compile(schemaText) }
    } catch (error) {
      found = { problem: String(error?.message ?? error).slice(0, 500) }
    }
  }
  compiled.delete(schemaText)
  compiled.set(schemaText, found)
  if (compiled.size > compiledMax) compiled.delete(compiled.keys().next().value)
  return found
}

function describe(errors, root) {
  return errors
    .slice(0, problemsMax)
    .map((error) => describeOne(error, root))
    .join('; ')
}

function describeOne({ instancePath, keyword, message, params, schema }, root) {
  const path = instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((text, part) => (/^\d+$/.test(part) ? `${text}[${part}]` : `${text}.${part}`), root)
  if (keyword === 'additionalProperties')
    return `${path} must not have ${JSON.stringify(params.additionalProperty)}`
  if (keyword === 'enum' || keyword === 'const')
    return `${path} ${message}: ${shorten(JSON.stringify(schema))}`
  return `${path} ${message}`
}

function shorten(text, lengthMax = expectationMax) {
  return text.length > lengthMax ? `${text.slice(0, lengthMax)}…` : text
}

function check({ schemaText, argumentsText }) {
  const { validate, problem } = validatorOf(schemaText)
  if (validate === undefined) return { schemaProblem: problem }
  let fits
  try {
    fits = validate(JSON.parse(argumentsText))
  } catch (error) {
    // References in a circle, among others.
    return { schemaProblem: String(error?.message ?? error).slice(0, 500) }
  }
  // A schema that says to be asynchronous makes a promise.
  if (typeof fits !== 'boolean') return { schemaProblem: 'it is asynchronous' }
  return fits ? {} : { argumentsProblem: shorten(describe(validate.errors, 'arguments'), 4 * expectationMax) }
}

parentPort.on('message', (message) => parentPort.postMessage(check(message)))
parentPort.postMessage('ready')
