const jsonSchema = { $ref: 'https://json-schema.org/draft/2020-12/schema' }
const text = { type: 'string', minLength: 1 }
const map = (values: object, names?: object) => ({
  type: 'object',
  additionalProperties: values,
  ...(names === undefined ? {} : { propertyNames: names }),
})
const closed = (required: string[], properties: object) => ({
  type: 'object',
  required,
  properties,
  additionalProperties: false,
})
const one = (name: string) => ({ $ref: `#/$defs/${name}` })
const orReference = (name: string) => ({
  if: { type: 'object', required: ['$ref'] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: closed(['$ref'], { $ref: { type: 'string', pattern: '^#/components/' } }),
  else: one(name),
})

/**
 * The structure of an OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1, chapter 4.8), as far as ours uses it: every object
 * is closed, so that a misplaced or misspelled key is found, and schemas are held to the meta-schema of JSON Schema 2020-12.
 */
export const openapiStructure = {
  ...closed(['openapi', 'info', 'paths', 'components', 'servers', 'tags'], {
    openapi: { type: 'string', pattern: '^3\\.1\\.\\d+$' },
    info: closed(['title', 'version', 'description'], {
      title: text,
      version: text,
      description: text,
      license: closed(['name'], { name: text, url: { type: 'string', pattern: '^https://' } }),
    }),
    servers: { type: 'array', minItems: 1, items: closed(['url'], { url: text, description: text }) },
    tags: {
      type: 'array',
      items: closed(['name', 'description'], { name: text, description: text }),
    },
    paths: map(
      closed([], {
        get: one('operation'),
        put: one('operation'),
        post: one('operation'),
        patch: one('operation'),
        delete: one('operation'),
      }),
      { pattern: '^/' },
    ),
    webhooks: map({ not: {} }),
    components: closed(['schemas', 'responses', 'securitySchemes'], {
      schemas: map(jsonSchema, { pattern: '^[A-Za-z\\d._-]+$' }),
      responses: map(one('response')),
      parameters: map(one('parameter')),
      securitySchemes: map(
        closed(['type', 'scheme'], {
          type: { const: 'http' },
          scheme: { const: 'bearer' },
          description: text,
        }),
      ),
    }),
  }),
  $defs: {
    operation: closed(['operationId', 'summary', 'tags', 'security', 'responses'], {
      operationId: text,
      summary: text,
      description: text,
      tags: { type: 'array', items: text },
      security: { type: 'array', items: map({ type: 'array', items: text }, { enum: ['bearer'] }) },
      parameters: { type: 'array', items: one('parameter') },
      requestBody: closed(['content'], {
        required: { type: 'boolean' },
        description: text,
        content: one('content'),
      }),
      responses: {
        ...map(orReference('response'), { pattern: '^([1-5]\\d\\d|default)$' }),
        minProperties: 1,
      },
      deprecated: { type: 'boolean' },
    }),
    parameter: {
      ...closed(['name', 'in', 'schema', 'description'], {
        name: text,
        in: { enum: ['path', 'query', 'header'] },
        required: { type: 'boolean' },
        description: text,
        schema: jsonSchema,
        example: true,
        style: text,
        explode: { type: 'boolean' },
      }),
      // What is in a path is there.
      if: { properties: { in: { const: 'path' } } },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      then: { required: ['required'], properties: { required: { const: true } } },
    },
    response: closed(['description'], {
      description: text,
      content: one('content'),
      headers: map(
        closed(['schema'], { description: text, schema: jsonSchema, required: { type: 'boolean' } }),
      ),
    }),
    content: {
      ...map(
        closed(['schema'], {
          schema: jsonSchema,
          example: true,
          examples: map(closed(['value'], { summary: text, value: true })),
        }),
        { pattern: '^[\\w.+-]+/[\\w.+-]+$' },
      ),
      minProperties: 1,
    },
  },
}
