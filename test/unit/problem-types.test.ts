import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { nameOfStatus, problemTypes } from '../../src/api/problem-types.ts'

test('docs/api.md has every type of problem, as the API answers with it', () => {
  const page = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8')
  const rows = page.split('\n').filter((line) => line.startsWith('| `/problems/'))
  expect(rows).toEqual(
    Object.entries(problemTypes).map(
      ([name, { status, text }]) => `| \`/problems/${name}\` | ${status} | ${text} |`,
    ),
  )
})

test('a status without more has one type, of this status', () => {
  for (const status of [400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 428, 429, 500, 503]) {
    const name = nameOfStatus(status)
    // A version is all that a 412 is ever about.
    if (status === 412) expect(name).toBeUndefined()
    else expect(name && problemTypes[name].status).toBe(status)
  }
})
