import { describe, expect, test } from 'vitest'
import { createDescribedApp } from '../../src/dev/generate-client.ts'

const app = createDescribedApp()
const ask = (path: string, headers: Record<string, string> = {}) => app.request(path, { headers })

/** What a page or a stylesheet makes a browser load. */
function addressesIn(text: string): string[] {
  return [...text.matchAll(/(?:\b(?:src|href)\s*=\s*|url\(|@import\s+)["']?([^"')\s>]+)/g)].map(
    ([, found = '']) => found,
  )
}

describe('the reference page at /docs', () => {
  test('is there for anybody, with everything that it loads, all of it from here', async () => {
    const page = await ask('/docs')
    expect(page.status).toBe(200)
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
    const html = await page.text()
    const loaded = addressesIn(html)
    expect(loaded).toHaveLength(4)
    for (const address of loaded) {
      const { origin, pathname } = new URL(address, 'http://tocsin.example/docs')
      expect(origin, address).toBe('http://tocsin.example')
      const asset = await ask(pathname)
      expect(asset.status, address).toBe(200)
      expect((await asset.arrayBuffer()).byteLength).toBeGreaterThan(100)
      if (pathname.endsWith('.css')) {
        for (const inner of addressesIn(await (await ask(pathname)).text())) expect(inner).toMatch(/^data:/)
      }
    }
    // No script and no style in the page itself: the policy would not let them run.
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\son\w+=/)
    const script = await (await ask('/docs/initialize.js')).text()
    expect(script).toContain('validatorUrl: null')
    expect(script).not.toMatch(/https?:/)
  })

  test('lets the browser load, run and ask nothing from elsewhere', async () => {
    const policy = (await ask('/docs')).headers.get('content-security-policy') ?? ''
    const directives = Object.fromEntries(
      policy.split('; ').map((directive) => [directive.split(' ')[0], directive.split(' ').slice(1)]),
    )
    expect(directives['default-src']).toEqual(["'self'"])
    expect(directives['script-src']).toEqual(["'self'"])
    expect(directives['frame-ancestors']).toEqual(["'none'"])
    expect(policy).not.toMatch(/https?:|\*/)
  })

  test('is sent again only when it has changed', async () => {
    for (const path of ['/docs', '/docs/swagger-ui-bundle.js', '/openapi.json']) {
      const first = await ask(path)
      const tag = first.headers.get('etag') ?? ''
      expect(tag).toMatch(/^"[\w-]{32}"$/)
      expect(first.headers.get('cache-control')).toBe('no-cache')
      const again = await ask(path, { 'if-none-match': tag })
      expect([path, again.status, await again.text()]).toEqual([path, 304, ''])
      expect((await ask(path, { 'if-none-match': '"another"' })).status).toBe(200)
    }
  })

  test('has no way to other files', async () => {
    for (const path of [
      '/docs/../package.json',
      '/docs/package.json',
      '/docs/%2e%2e/package.json',
      '/docs/swagger-ui.js.map',
    ]) {
      expect([path, (await ask(path)).status]).toEqual([path, 401])
    }
  })
})
