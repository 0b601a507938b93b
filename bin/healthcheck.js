#!/usr/bin/env node
// For containers: exit 0 while every role that runs here has shown that it lives within the last 20 seconds.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

const ageMaxMs = 20_000
const folder = join(process.env.TOCSIN_HOME ?? '.tocsin', 'alive')

try {
  const ages = readdirSync(folder).map((role) => [role, Date.now() - statSync(join(folder, role)).mtimeMs])
  const silent = ages.filter(([, ageMs]) => ageMs > ageMaxMs).map(([role]) => role)
  if (ages.length === 0) throw new Error('no role is ready yet')
  if (silent.length > 0) throw new Error(`no sign of life for ${ageMaxMs / 1000} s from ${silent.join(', ')}`)
} catch (error) {
  console.error(error.message)
  process.exit(1)
}
