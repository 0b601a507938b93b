import type { FuzzRequest, Operation } from './requests-of.ts'
import type { World } from './world.ts'

/** A stream that is not asked to end is left after this. */
const streamMs = 300

/**
 * Sends the request. `undefined`: no client can send it, since HTTP has no place for one of its headers.
 *
 * @returns the answer, read to its end, where it went, and what was sent.
 */
export async function send(
  { app, resolve, credentialOf }: World,
  { method, path }: Operation,
  request: FuzzRequest,
): Promise<{ response: Response; pathname: string; sent: string } | undefined> {
  const context = { path, memo: new Map<string, unknown>() }
  let address = path
  for (const [name, given] of Object.entries(request.path)) {
    const value = String(await resolve(given, context))
    // Hostile ones are escaped already, or wrongly so on purpose.
    address = address.replace(`{${name}}`, () => value)
  }
  const query: string[] = []
  for (const [name, given] of request.query) {
    const value = await resolve(given, context)
    query.push(`${escaped(name)}=${escaped(typeof value === 'string' ? value : JSON.stringify(value))}`)
  }
  if (query.length > 0) address += `?${query.join('&')}`

  const body = request.body
  const json =
    body !== undefined && 'json' in body ? JSON.stringify(await resolve(body.json, context)) : undefined
  const bytes =
    json ?? (body !== undefined && 'bytes' in body ? Buffer.from(body.bytes, 'latin1') : undefined)
  const type = body === undefined ? undefined : 'bytes' in body ? body.type : 'application/json'
  const credential = await credentialOf(request.caller)
  let asked: Request
  try {
    asked = new Request(`http://localhost${address}`, {
      method,
      headers: {
        ...(credential === undefined ? {} : { authorization: `Bearer ${credential}` }),
        ...(type === undefined ? {} : { 'content-type': type }),
        ...Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
      },
      ...(bytes === undefined || method === 'GET' ? {} : { body: bytes }),
    })
  } catch {
    return undefined
  }
  const given = await app.request(asked)
  const isStream = given.headers.get('content-type')?.startsWith('text/event-stream') === true
  const text = isStream ? await readSome(given) : await given.text()
  const { status, headers } = given
  const response = new Response([204, 304].includes(status) ? null : text, { status, headers })
  const shown = typeof bytes === 'string' ? bytes : bytes?.toString('latin1')
  const sent = `${method} ${address.slice(0, 500)} as ${request.caller} ${JSON.stringify(request.headers).slice(0, 300)} ${shown?.slice(0, 1000) ?? ''}`
  return { response, pathname: new URL(asked.url).pathname, sent }
}

/** Of a text with half a character, its bytes, as a program would send them that knows no better. */
function escaped(text: string): string {
  return text.isWellFormed() ? encodeURIComponent(text) : text.replaceAll(/[\ud800-\udfff]/g, '%ED%A0%80')
}

async function readSome(response: Response): Promise<string> {
  const reader = response.body?.getReader()
  if (reader === undefined) return ''
  const timer = setTimeout(() => void reader.cancel(), streamMs)
  const chunks: Uint8Array[] = []
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    chunks.push(value)
  }
  clearTimeout(timer)
  return Buffer.concat(chunks).toString('utf8')
}
