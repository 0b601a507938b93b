import { Ajv2020 } from 'ajv/dist/2020.js'

type Content = Record<string, { schema: object }>
type Answer = { $ref?: string; content?: Content }
type Description = {
  paths: Record<string, Record<string, { responses: Record<string, Answer> }>>
  components: { responses: Record<string, Answer> }
}

/**
 * Holds answers to the description of the API.
 *
 * @returns a function that says what is wrong with an answer of the route `path` (as the description has it, with `{id}`): nothing,
 * if its status and type are described and its body fits the schema. JSON lines are held to nothing but their type.
 */
export function createAnswerCheck(description: object) {
  const { paths, components } = description as Description
  const ajv = createDescriptionAjv(components)
  const compiled = new Map<object, ReturnType<typeof ajv.compile>>()

  return async (method: string, path: string, response: Response): Promise<string[]> => {
    const responses = paths[path]?.[method.toLowerCase()]?.responses
    if (responses === undefined) return [`${method} ${path} is not described`]
    const status = String(response.status)
    const key = status in responses ? status : 'default'
    const given = responses[key]
    if (given === undefined) return [`${status} is not described`]
    const described =
      given.$ref === undefined ? given : components.responses[given.$ref.split('/').at(-1) ?? '']
    const text = await response.clone().text()
    if (described?.content === undefined)
      return text === '' ? [] : [`${status} has a body: ${text.slice(0, 200)}`]
    const type = (response.headers.get('content-type') ?? '').split(';')[0]?.trim() ?? ''
    const content = described.content[type]
    if (content === undefined) return [`${status} is ${type || 'of no type'}, which is not described`]
    if (!type.endsWith('json') || type.endsWith('ndjson')) return []
    const isValid = compiled.get(content.schema) ?? ajv.compile(content.schema)
    compiled.set(content.schema, isValid)
    if (isValid(JSON.parse(text))) return []
    return (isValid.errors ?? []).map(
      ({ instancePath, message, params }) => `${status} ${instancePath} ${message} ${JSON.stringify(params)}`,
    )
  }
}

/** Compiles schemas of the description, strictly: a keyword or format that means nothing is an error. */
export function createDescriptionAjv(components: object): Ajv2020 {
  const ajv = new Ajv2020({ strict: true, strictRequired: false, allowUnionTypes: true, allErrors: true })
  for (const keyword of ['example', 'components']) ajv.addKeyword(keyword)
  ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/)
  ajv.addFormat('uuid', /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i)
  ajv.addFormat('uri', { validate: (text: string) => URL.canParse(text) })
  // References begin at the root of the document.
  ajv.addSchema({ $id: 'https://tocsin.example/', components })
  const { compile } = ajv
  ajv.compile = ((schema: object) => {
    const whole = JSON.parse(
      JSON.stringify(schema).replaceAll('"#/components/', '"https://tocsin.example/#/components/'),
    )
    return compile.call(ajv, whole)
  }) as typeof compile
  return ajv
}
