import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { UserError } from '../../src/errors.ts'
import { createSecretBox, isSealed } from '../../src/secret-box.ts'
import { loadSecretKeys, parseSecretKeys, readSecretKeys } from '../../src/secret-keys.ts'

const keyText = (byte: number) => Buffer.alloc(32, byte).toString('base64')

const problemOf = (work: () => unknown) => {
  try {
    work()
  } catch (error) {
    return error instanceof UserError ? error.message : undefined
  }
  return undefined
}

describe('TOCSIN_SECRET_KEYS', () => {
  it('is a list of ids and keys, the newest first', () => {
    const keys = parseSecretKeys(` new:${keyText(1)}, old:${keyText(2)} ,\n`)
    expect(keys.map(({ id }) => id)).toEqual(['new', 'old'])
    expect(keys.map(({ key }) => key[0])).toEqual([1, 2])
  })

  it.each([
    ['an entry without an id', `a:${keyText(1)},${keyText(0xab)}`, 'entry 2'],
    ['a key of 16 bytes', `b:${Buffer.alloc(16, 0xab).toString('base64')}`, 'the key of b'],
    ['a key that is no base64', `b:${keyText(0xab).slice(0, 42)}!=`, 'the key of b'],
    ['an id that is given twice', `b:${keyText(1)},b:${keyText(0xab)}`, 'the id b is given to two keys'],
    ['a key before its id', `${keyText(0xab)}:b`, 'entry 1'],
    ['nothing', ' , ', 'at least one key'],
  ])('refuses %s, and never says a key', (_, text, message) => {
    const problem = problemOf(() => parseSecretKeys(text))
    expect(problem).toContain(message)
    // The base64 of 0xab bytes.
    expect(problem).not.toContain('q6ur')
  })
})

describe('the file of keys', () => {
  let home: string
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'tocsin-keys-'))
  })
  afterEach(() => rm(home, { recursive: true }))

  it('is made once: all who start at the same time get one key, which only the owner can read', async () => {
    const starts = Array.from({ length: 20 }, () => loadSecretKeys({ secretKeys: undefined, home }))
    const loaded = await Promise.all(starts)
    expect(new Set(loaded.map((keys) => JSON.stringify(keys))).size).toBe(1)
    expect(loaded[0]).toHaveLength(1)
    expect(await loadSecretKeys({ secretKeys: undefined, home })).toEqual(loaded[0])
    expect(await readdir(home)).toEqual(['secret-keys'])
    expect((await stat(join(home, 'secret-keys'))).mode & 0o777).toBe(0o600)
  })

  it('is not made for who only looks, nor where keys are configured', async () => {
    expect(await readSecretKeys({ secretKeys: undefined, home })).toBeUndefined()
    const secretKeys = parseSecretKeys(`a:${keyText(1)}`)
    expect(await loadSecretKeys({ secretKeys, home })).toBe(secretKeys)
    expect(await readdir(home)).toEqual([])
  })

  it('takes a newer key on a line above', async () => {
    await loadSecretKeys({ secretKeys: undefined, home })
    const file = join(home, 'secret-keys')
    await writeFile(file, `newer:${keyText(3)}\n${await readFile(file, 'utf8')}`)
    const keys = await loadSecretKeys({ secretKeys: undefined, home })
    expect(keys.map(({ id }) => id)).toEqual(['newer', expect.stringMatching(/^key-[0-9a-f]{8}$/)])
  })

  it('is not replaced when it is broken: what was stored with its keys would be lost', async () => {
    await writeFile(join(home, 'secret-keys'), 'nonsense')
    await expect(loadSecretKeys({ secretKeys: undefined, home })).rejects.toThrow(/restore the file/)
    expect(await readFile(join(home, 'secret-keys'), 'utf8')).toBe('nonsense')
  })
})

describe('a sealed text', () => {
  const old = createSecretBox(parseSecretKeys(`old:${keyText(1)}`))
  const both = createSecretBox(parseSecretKeys(`new:${keyText(2)},old:${keyText(1)}`))

  it('opens with the key it names, in its context, and is never the same twice', () => {
    const sealed = old.seal('geheim 🔒', 'a')
    expect(isSealed(sealed)).toBe(true)
    expect(sealed).not.toContain('geheim')
    expect(both.open(sealed, 'a')).toBe('geheim 🔒')
    expect(old.seal('geheim 🔒', 'a')).not.toBe(sealed)
    expect(both.seal('x', 'a')).toMatch(/^sealed:new:/)
  })

  it('does not open elsewhere, changed, cut off, or without its key, which the error names', () => {
    const sealed = both.seal('geheim', 'user 1')
    const elsewhere = /cannot be decrypted with the key new: it was changed, or copied/
    expect(() => both.open(sealed, 'user 2')).toThrow(elsewhere)
    const changed = sealed.slice(0, 40) + (sealed[40] === 'A' ? 'B' : 'A') + sealed.slice(41)
    expect(() => both.open(changed, 'user 1')).toThrow(elsewhere)
    expect(() => both.open(sealed.slice(0, 20), 'user 1')).toThrow(elsewhere)
    expect(() => old.open(sealed, 'user 1')).toThrow(
      /with the key new, which is not among TOCSIN_SECRET_KEYS/,
    )
    expect(() => both.open('plain', 'user 1')).toThrow('was not encrypted')
  })
})
