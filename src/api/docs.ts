import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ApiApp } from './app.ts'
import { isKnown } from './etag.ts'
import { ProblemError } from './problem.ts'

const own = fileURLToPath(new URL('./docs-page/', import.meta.url))
const swaggerUi = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))

/** What there is, and nothing else: no path comes from a request. */
const files: Record<string, { file: string; type: string }> = {
  '/docs': { file: join(own, 'index.html'), type: 'text/html; charset=utf-8' },
  '/docs/initialize.js': { file: join(own, 'initialize.js'), type: 'text/javascript; charset=utf-8' },
  '/docs/swagger-ui.css': { file: join(swaggerUi, 'swagger-ui.css'), type: 'text/css; charset=utf-8' },
  '/docs/swagger-ui-bundle.js': {
    file: join(swaggerUi, 'swagger-ui-bundle.js'),
    type: 'text/javascript; charset=utf-8',
  },
  '/docs/favicon-32x32.png': { file: join(swaggerUi, 'favicon-32x32.png'), type: 'image/png' },
}

/** Swagger UI sets styles of its elements and has its icons in its stylesheet; everything else comes from here. */
const policy = [
  "default-src 'self'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Paths of the page, which anybody may see: it holds no data. */
export const docsPaths: readonly string[] = Object.keys(files)

/** The reference page of the API at /docs, from this server alone. */
export function addDocs(app: ApiApp): void {
  const kept = new Map<string, Promise<{ content: Buffer<ArrayBuffer>; tag: string }>>()
  for (const [path, { file, type }] of Object.entries(files)) {
    app.get(path, async (c) => {
      const reading = kept.get(path) ?? readTagged(file)
      kept.set(path, reading)
      const { content, tag } = await reading.catch((error: unknown) => {
        kept.delete(path)
        throw error
      })
      c.header('etag', tag)
      // Asked for each time, and sent only when it has changed: after an update nobody sees half of the old page.
      c.header('cache-control', 'no-cache')
      c.header('content-security-policy', policy)
      c.header('x-content-type-options', 'nosniff')
      if (isKnown(c, tag)) return c.body(null, 304)
      return c.body(content, 200, { 'content-type': type })
    })
  }
}

async function readTagged(file: string): Promise<{ content: Buffer<ArrayBuffer>; tag: string }> {
  const content = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    throw new ProblemError(
      404,
      'The reference page is not installed here. /openapi.json has the description.',
    )
  })
  return { content, tag: `"${createHash('sha256').update(content).digest('base64url').slice(0, 32)}"` }
}
