import { describe, expect, it } from 'vitest'
import { PermanentError } from '../../../src/errors.ts'
import { parseFeedbackFile } from '../../../worker/files/parse-feedback-file.ts'

const parse = (value: unknown) => parseFeedbackFile(Buffer.from(JSON.stringify(value)))
const required = {
  agentRegistry: 'eip155:1:0x8004A169FB4a3325136EB29fA0ceB6D2e539a432',
  agentId: 22,
  clientAddress: 'eip155:1:0x1111111111111111111111111111111111111111',
  createdAt: '2026-02-01T12:00:00Z',
}

describe('parseFeedbackFile', () => {
  it('reads a file of the final standard', () => {
    const file = parse({
      ...required,
      value: -12345,
      valueDecimals: 2,
      tag1: 'starred',
      mcp: { tool: 'search' },
      a2a: { skills: ['x'], taskId: 't' },
      proofOfPayment: { fromAddress: '0x1', chainId: '1', txHash: '0x2' },
    })
    expect(file).toMatchObject({
      agentId: '22',
      value: '-12345',
      valueDecimals: 2,
      tag1: 'starred',
      mcp: { tool: 'search' },
      a2a: { skills: ['x'], taskId: 't' },
      proofOfPayment: { chainId: '1' },
      score: undefined,
      problems: [],
    })
  })

  it('reads a file of the drafts: score, proof_of_payment, skill, task, capability', () => {
    const file = parse({
      ...required,
      agentId: '0',
      feedbackAuth: '0xab',
      score: 100,
      skill: 's',
      task: 't',
      capability: 'tools',
      proof_of_payment: { chainId: 8453 },
    })
    expect(file).toMatchObject({
      agentId: '0',
      score: '100',
      skill: 's',
      proofOfPayment: { chainId: '8453' },
    })
  })

  it('keeps what can be read when an optional field cannot', () => {
    const file = parse({ ...required, score: 1, mcp: 'search', tag1: 7, tag2: null })
    expect(file).toMatchObject({ mcp: undefined, tag1: undefined })
    expect(file.problems).toEqual(['tag1: expected a text', 'mcp: expected an object'])
  })

  it.each([
    [{}, 'agentRegistry: expected a text. agentId: expected a whole number. clientAddress: expected a text'],
    [{ ...required }, 'value: missing (and so is score, its older name)'],
    [{ ...required, value: 5 }, 'valueDecimals: missing'],
    [{ ...required, value: 5, valueDecimals: 19 }, 'valueDecimals: expected 0 to 18'],
    [{ ...required, value: 1.5, valueDecimals: 0 }, 'value: expected a whole number'],
    [{ ...required, value: 2 ** 60, valueDecimals: 0 }, 'value: expected a whole number'],
  ])('names each required field that is missing or wrong: %j', (value, message) => {
    expect(() => parse(value)).toThrow(PermanentError)
    expect(() => parse(value)).toThrow(message)
  })
})
