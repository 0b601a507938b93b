import { z } from 'zod'
import { PermanentError } from '../../src/errors.ts'
import {
  optionalField,
  parseJsonObject,
  signedNumber,
  textField,
  textList,
  wholeNumber,
} from './json-fields.ts'

/** The file that a feedback points to. Whole numbers are text: they may have more digits than a double keeps. */
export type FeedbackFile = {
  agentRegistry: string
  agentId: string
  /** CAIP-10, or a bare address in older files; as it is written. */
  clientAddress: string
  createdAt: string
  /** The rating is `value / 10^valueDecimals`. Files from before 18 January 2026 have `score`, 0 to 100, instead. */
  value: string | undefined
  valueDecimals: number | undefined
  score: string | undefined
  tag1: string | undefined
  tag2: string | undefined
  endpoint: string | undefined
  mcp: { tool?: string | undefined; prompt?: string | undefined; resource?: string | undefined } | undefined
  a2a:
    | { skills?: string[] | undefined; contextId?: string | undefined; taskId?: string | undefined }
    | undefined
  oasf: { skills?: string[] | undefined; domains?: string[] | undefined } | undefined
  proofOfPayment:
    | {
        fromAddress?: string | undefined
        toAddress?: string | undefined
        chainId?: string | undefined
        txHash?: string | undefined
      }
    | undefined
  /** Of the drafts: who allowed the feedback, and what it is about. */
  feedbackAuth: string | undefined
  skill: string | undefined
  task: string | undefined
  capability: string | undefined
  /** Optional fields that could not be read, each with its name. */
  problems: string[]
}

const problemsMax = 20

const required = z.object({
  agentRegistry: textField,
  agentId: wholeNumber,
  clientAddress: textField,
  createdAt: textField,
})

const text = textField.nullish().transform((value) => value ?? undefined)
const texts = textList.nullish().transform((value) => value ?? undefined)

/**
 * Reads a feedback file, of the final standard or of its drafts.
 *
 * @throws PermanentError naming every required field that is missing or wrong.
 */
export function parseFeedbackFile(bytes: Uint8Array): FeedbackFile {
  const file = parseJsonObject(bytes, 'feedback file')
  const wrong: string[] = []
  const parsed = required.safeParse(file)
  for (const { path, message } of parsed.error?.issues ?? []) wrong.push(`${path.join('.')}: ${message}`)

  const value = optionalField(file, ['value'], signedNumber, wrong)
  const valueDecimals = optionalField(
    file,
    ['valueDecimals'],
    z.int({ error: 'expected 0 to 18' }).min(0, { error: 'expected 0 to 18' }).max(18, {
      error: 'expected 0 to 18',
    }),
    wrong,
  )
  const score = optionalField(file, ['score'], signedNumber, wrong)
  if (wrong.length === 0 && value === undefined && score === undefined) {
    wrong.push('value: missing (and so is score, its older name)')
  }
  if (wrong.length === 0 && value !== undefined && valueDecimals === undefined) {
    wrong.push('valueDecimals: missing')
  }
  if (!parsed.success || wrong.length > 0) {
    throw new PermanentError(`the feedback file cannot be read. ${wrong.slice(0, problemsMax).join('. ')}`)
  }

  const problems: string[] = []
  const optional = (...names: string[]) => optionalField(file, names, textField, problems)
  const group = <Shape extends z.ZodRawShape>(names: string[], shape: Shape) =>
    optionalField(file, names, z.object(shape, { error: 'expected an object' }), problems)
  return {
    ...parsed.data,
    value,
    valueDecimals,
    score,
    tag1: optional('tag1'),
    tag2: optional('tag2'),
    endpoint: optional('endpoint'),
    mcp: group(['mcp'], { tool: text, prompt: text, resource: text }),
    a2a: group(['a2a'], { skills: texts, contextId: text, taskId: text }),
    oasf: group(['oasf'], { skills: texts, domains: texts }),
    proofOfPayment: group(['proofOfPayment', 'proof_of_payment'], {
      fromAddress: text,
      toAddress: text,
      chainId: wholeNumber.nullish().transform((id) => id ?? undefined),
      txHash: text,
    }),
    feedbackAuth: optional('feedbackAuth'),
    skill: optional('skill'),
    task: optional('task'),
    capability: optional('capability'),
    problems: problems.slice(0, problemsMax),
  }
}
