#!/usr/bin/env node
// TypeScript runs as it is written: tsx strips the types while loading, so there is no build step.
import 'tsx'

const { main } = await import('../src/cli.ts')
await main(process.argv)
// Whatever a library still holds open must not keep a finished command alive.
process.exit()
