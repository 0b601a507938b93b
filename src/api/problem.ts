import { STATUS_CODES } from 'node:http'
import type { z } from '@hono/zod-openapi'
import { HTTPException } from 'hono/http-exception'
import type { Problem } from '../conditions/check-conditions.ts'
import { formatPath } from '../trigger-document.ts'
import { nameOfStatus, type ProblemName, problemTypes } from './problem-types.ts'

/** An answer other than success, as RFC 9457 has it. */
export class ProblemError extends Error {
  override name = 'ProblemError'
  readonly status: number
  readonly problems: readonly Problem[]
  readonly headers: Record<string, string>
  /** Which kind of problem; not given: the one that its status stands for. */
  readonly type: ProblemName | undefined

  constructor(
    status: number,
    detail: string,
    options: { type?: ProblemName; problems?: readonly Problem[]; headers?: Record<string, string> } = {},
  ) {
    super(detail)
    this.status = status
    this.type = options.type ?? nameOfStatus(status)
    this.problems = options.problems ?? []
    this.headers = options.headers ?? {}
  }
}

/** A 400 that lists every wrong value. */
export function invalid(what: string, problems: readonly Problem[]): ProblemError {
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`
  return new ProblemError(400, `The ${what} has ${count}.`, { problems })
}

/** What a schema found wrong, with a problem of its own for each unknown key. */
export function toProblems({ issues }: z.core.$ZodError): Problem[] {
  return issues.flatMap((issue) => {
    const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))
    return issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ path: [...path, key], message: issue.message }))
      : [{ path, message: issue.message }]
  })
}

export function notFound(what: string, id: string): ProblemError {
  return new ProblemError(404, `There is no ${what} with the id ${JSON.stringify(id.slice(0, 100))}.`)
}

/** The one place that turns whatever was thrown into an answer. What nobody foresaw is not told: it is in the log, under the same id. */
export function toResponse(error: unknown, requestId: string): Response {
  const { status, type, message: detail, problems, headers } = toProblem(error)
  const body = {
    type: type === undefined ? 'about:blank' : `/problems/${type}`,
    title: type === undefined ? (STATUS_CODES[status] ?? 'Error') : problemTypes[type].title,
    status,
    detail,
    errors: problems.map(({ path, message }) => ({ path: formatPath(path), message })),
    request_id: requestId,
  }
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
  })
}

function toProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error
  if (error instanceof HTTPException) return new ProblemError(error.status, error.message)

  const code = (error as { code?: unknown } | undefined)?.code
  const sqlState = typeof code === 'string' ? code : ''
  // Class 22: a value that Postgres cannot take. What can be checked is checked before; this is the net below.
  if (/^22...$/.test(sqlState)) {
    return new ProblemError(400, 'The database cannot take one of the values.')
  }
  if (isUnavailable(sqlState)) {
    return new ProblemError(503, 'The database does not answer at the moment.', {
      headers: { 'retry-after': '5' },
    })
  }
  return new ProblemError(500, 'Something went wrong on our side. The log has the details.')
}

function isUnavailable(code: string): boolean {
  const codes = ['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTUNREACH']
  // CONNECTION_* and CONNECT_TIMEOUT are the driver's; classes 08, 53 and 57 are Postgres refusing, full, or going down.
  return codes.includes(code) || code.startsWith('CONNECT') || /^(08|53|57)...$/.test(code)
}
