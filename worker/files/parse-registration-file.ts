import { z } from 'zod'
import { PermanentError } from '../../src/errors.ts'
import { entriesOf, optionalField, parseJsonObject, textField, textList, wholeNumber } from './json-fields.ts'

/** What an agent says about itself. Fields that the file leaves out, or writes in a way that cannot be read, are undefined. */
export type RegistrationFile = {
  type: string | undefined
  name: string | undefined
  description: string | undefined
  image: string | undefined
  /** `services`, or `endpoints` in older files. */
  services: Service[]
  /** The endpoints of the services named MCP, in any case and as they are written. */
  mcpEndpoints: string[]
  active: boolean | undefined
  x402Support: boolean | undefined
  /** Which agents on which chains the file says that it belongs to. */
  registrations: Registration[]
  supportedTrust: string[]
  /** What could not be read, each with the name of its field: `services[2].endpoint: expected a text`. */
  problems: string[]
}

export type Service = {
  name: string
  endpoint: string
  version?: string | undefined
  skills?: unknown
  domains?: unknown
}

/** `agentId` is undefined where the file was written before the agent had one. `registryAddress` is in lower case. */
export type Registration = { agentId: string | undefined; chainId: string; registryAddress: string }

const problemsMax = 20
const endpointLengthMax = 2048

const serviceSchema = z.object(
  {
    name: textField,
    endpoint: textField,
    // Written as text by the standard, and as a number by hand.
    version: z
      .union([z.string(), z.number().transform(String)])
      .optional()
      .catch(undefined),
    skills: z.unknown().optional(),
    domains: z.unknown().optional(),
  },
  { error: 'expected an object' },
)

const registrationSchema = z
  .object(
    {
      agentId: wholeNumber.nullish().transform((id) => id ?? undefined),
      agentRegistry: z
        .string({ error: 'expected a text such as eip155:1:0x…' })
        .regex(/^eip155:\d{1,20}:0x[0-9a-f]{40}$/i, { error: 'expected eip155:<chain id>:<address>' }),
    },
    { error: 'expected an object' },
  )
  .transform(({ agentId, agentRegistry }): Registration => {
    const [, chainId = '', registryAddress = ''] = agentRegistry.toLowerCase().split(':')
    return { agentId, chainId: BigInt(chainId).toString(), registryAddress }
  })

/**
 * Reads a registration file, of the final standard or of its drafts.
 *
 * @throws PermanentError when it is not a JSON object. Anything less is in `problems`: what else the file says still holds.
 */
export function parseRegistrationFile(bytes: Uint8Array): RegistrationFile {
  const file = parseJsonObject(bytes, 'registration file')
  const problems: string[] = []
  const services = entriesOf(file, ['services', 'endpoints'], serviceSchema, problems)
  return {
    type: optionalField(file, ['type'], textField, problems),
    name: optionalField(file, ['name'], textField, problems),
    description: optionalField(file, ['description'], textField, problems),
    image: optionalField(file, ['image'], textField, problems),
    services,
    mcpEndpoints: services
      .filter(({ name }) => name.trim().toLowerCase() === 'mcp')
      .map(({ endpoint }) => endpoint.trim()),
    active: optionalField(file, ['active'], z.boolean({ error: 'expected true or false' }), problems),
    x402Support: optionalField(
      file,
      ['x402Support', 'x402support'],
      z.boolean({ error: 'expected true or false' }),
      problems,
    ),
    registrations: entriesOf(file, ['registrations'], registrationSchema, problems),
    supportedTrust: optionalField(file, ['supportedTrust', 'supportedTrusts'], textList, problems) ?? [],
    problems: problems.slice(0, problemsMax),
  }
}

/**
 * The address of an agent's MCP server: the first service named MCP that has a URL for it.
 *
 * @throws PermanentError that says what there is instead.
 */
export function pickMcpEndpoint(file: RegistrationFile): string {
  const usable = file.mcpEndpoints.find((endpoint) => {
    if (endpoint.length > endpointLengthMax) return false
    const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined
    return url?.protocol === 'https:' || url?.protocol === 'http:'
  })
  if (usable !== undefined) return usable
  const [other] = file.mcpEndpoints
  if (other !== undefined) {
    throw new PermanentError(
      `the agent's MCP endpoint ${JSON.stringify(other.slice(0, 100))} is not an https:// or http:// URL of at most ${endpointLengthMax} characters`,
    )
  }
  const names = [...new Set(file.services.map(({ name }) => name.slice(0, 40)))].slice(0, 10)
  const there = names.length === 0 ? 'it lists none' : `it lists ${names.join(', ')}`
  const unread = file.problems.find((problem) => /^(services|endpoints)\b/.test(problem))
  throw new PermanentError(
    `the agent's registration file has no service named MCP (${[there, unread].filter(Boolean).join('; ')})`,
  )
}
