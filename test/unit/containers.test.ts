import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { knownVariables } from '../../src/config.ts'

type Service = {
  image?: string
  command?: string | string[]
  environment?: Record<string, string>
  depends_on?: Record<string, { condition: string }>
  healthcheck?: { test: string[] }
}

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
const composeText = read('docker-compose.yml')
const { services } = parse(composeText, { merge: true }) as { services: Record<string, Service> }
const roles = ['indexer', 'matcher', 'worker', 'api', 'bot']

const isKnown = (name: string) =>
  knownVariables.fixed.includes(name) || knownVariables.perChain.some((prefix) => name.startsWith(prefix))

describe('docker-compose.yml', () => {
  it('has one service a role beside TimescaleDB and Redis', () => {
    expect(Object.keys(services).sort()).toEqual([...roles, 'redis', 'timescaledb'].sort())
    for (const role of roles) expect(services[role]?.command).toEqual([role])
  })

  it.each(roles)('sets only variables that the configuration knows: %s', (role) => {
    const names = Object.keys(services[role]?.environment ?? {})
    expect(names).toContain('DATABASE_URL')
    expect(names.filter((name) => !isKnown(name))).toEqual([])
  })

  it('has no default for a secret: compose refuses to start without it', () => {
    for (const secret of ['POSTGRES_PASSWORD', 'REDIS_PASSWORD', 'TOCSIN_API_TOKEN', 'TOCSIN_SECRET_KEYS']) {
      const uses = [...composeText.matchAll(new RegExp(`(?<!\\$)\\$\\{${secret}(.*?)\\}`, 'g'))].map(
        (match) => match[1],
      )
      expect(uses.length).toBeGreaterThan(0)
      for (const use of uses) expect(use).toMatch(/^:\?/)
    }
  })

  it('starts roles only after a healthy database and queue', () => {
    for (const role of roles) {
      expect(services[role]?.depends_on).toEqual({
        timescaledb: { condition: 'service_healthy' },
        redis: { condition: 'service_healthy' },
      })
    }
    expect(services.timescaledb?.healthcheck).toBeDefined()
    expect(services.redis?.healthcheck).toBeDefined()
  })

  it('keeps a queue that loses nothing: Redis neither evicts nor forgets', () => {
    expect([services.redis?.command].flat().join(' ')).toMatch(
      /--maxmemory-policy noeviction --appendonly yes/,
    )
  })
})

describe('.env.example', () => {
  it('names every variable of the configuration, and no other', () => {
    const composeOnly = ['POSTGRES_PASSWORD', 'REDIS_PASSWORD']
    const named = [...read('.env.example').matchAll(/^#? ?([A-Z][A-Z0-9_]+)=/gm)].map(
      (match) => match[1] ?? '',
    )
    expect(named.filter((name) => !isKnown(name) && !composeOnly.includes(name))).toEqual([])
    expect(knownVariables.fixed.filter((name) => !named.includes(name))).toEqual([])
    for (const prefix of knownVariables.perChain)
      expect(named.some((name) => name.startsWith(prefix))).toBe(true)
  })
})

describe('Dockerfile', () => {
  const lines = read('Dockerfile').split('\n')

  it('copies only what exists', () => {
    const sources = lines
      .filter((line) => line.startsWith('COPY ') && !line.includes('--from'))
      .flatMap((line) => line.split(' ').slice(1, -1))
    expect(sources).toContain('src')
    for (const source of sources) {
      expect(() => read(source), source).not.toThrow(/ENOENT/)
    }
  })

  it('does not run as root and has a health check', () => {
    expect(lines).toContain('USER node')
    expect(lines.some((line) => line.startsWith('HEALTHCHECK'))).toBe(true)
  })
})
