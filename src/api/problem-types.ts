import { STATUS_CODES } from 'node:http'

/** A kind of problem: its status, and what one does about it. The name is the end of its `type`, and stays as it is. */
type ProblemType = { status: number; title: string; text: string }

/** Every kind of problem that the API answers with. docs/api.md has the same table, and a test holds it to this one. */
export const problemTypes = {
  'invalid-request': kind(400, 'Something in the request is wrong. `errors` names each value that is.'),
  'invalid-json': kind(400, 'The body is not UTF-8, is no JSON, or is nested too deep.', 'Invalid JSON'),
  'invalid-idempotency-key': kind(
    400,
    'An Idempotency-Key is 1 to 255 visible ASCII characters.',
    'Invalid Idempotency-Key',
  ),
  unauthorized: kind(401, 'There is no credential, or one that is not right, or not any more.'),
  forbidden: kind(403, 'The credential may not do this.'),
  'not-found': kind(404, 'There is nothing with this id or at this address, or it is not yours.'),
  'method-not-allowed': kind(405, 'The address has other methods: `Allow` names them.'),
  conflict: kind(409, 'It is not in the state in which this is possible.'),
  'limit-reached': kind(409, 'There are as many as there may be. Delete one first.', 'Limit Reached'),
  'request-under-way': kind(
    409,
    'A request with the same Idempotency-Key is being answered. Ask again after `Retry-After`.',
    'Request Under Way',
  ),
  'version-mismatch': kind(
    412,
    'It was changed since it was read. Read it again, and send the `ETag` of that answer as `If-Match`.',
    'Version Mismatch',
  ),
  'body-too-large': kind(413, 'The body is larger than is read.'),
  'unsupported-media-type': kind(415, 'The body is not application/json.'),
  unfit: kind(422, 'The request is well-formed and does not fit what is stored. `errors` says where.'),
  'idempotency-key-reused': kind(
    422,
    'The Idempotency-Key was used for another request. Each request needs a key of its own.',
    'Idempotency-Key Reused',
  ),
  'precondition-required': kind(428, 'The request needs a header that says what it changes.'),
  'too-many-requests': kind(429, 'Too much at once. Come again after `Retry-After`.'),
  'internal-error': kind(500, 'Something went wrong on the side of the server. Its log has the details.'),
  unavailable: kind(503, 'The database, or what else is needed, does not answer at the moment.'),
} as const satisfies Record<string, ProblemType>

export type ProblemName = keyof typeof problemTypes

/** What a status means where nobody says more. */
export function nameOfStatus(status: number): ProblemName | undefined {
  const found = Object.entries(problemTypes).find(([, type]) => type.status === status && !type.isSpecial)
  return found?.[0] as ProblemName | undefined
}

function kind(status: number, text: string, title?: string) {
  return { status, text, title: title ?? STATUS_CODES[status] ?? 'Error', isSpecial: title !== undefined }
}
