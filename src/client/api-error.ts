import type { components } from './schema.ts'

/** What the API says when it does not do what it was asked for (RFC 9457). */
export type Problem = components['schemas']['Problem']

/** An answer other than success. */
export class ApiError extends Error {
  override name = 'ApiError'
  readonly status: number
  readonly problem: Problem

  constructor(status: number, problem: Problem) {
    const values = problem.errors.map(({ path, message }) => `${path === '' ? '' : `${path}: `}${message}`)
    super([problem.detail, ...values].join('\n  '))
    this.status = status
    this.problem = problem
  }
}
