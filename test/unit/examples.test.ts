import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { knownChains } from '../../src/chains.ts'
import { parseTriggerFile } from '../../src/trigger-files/parse-trigger-file.ts'

const folder = new URL('../../examples/', import.meta.url)
const files = readdirSync(folder)

test('there are examples', () => {
  expect(files.length).toBeGreaterThanOrEqual(4)
})

test.each(files)('examples/%s is a trigger file as it should be', (file) => {
  const { triggers, problems } = parseTriggerFile(
    file,
    readFileSync(new URL(file, folder), 'utf8'),
    knownChains,
  )
  expect(problems).toEqual([])
  expect(triggers.length).toBeGreaterThan(0)
})
