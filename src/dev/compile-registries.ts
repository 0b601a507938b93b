import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'
import type { Abi, Hex } from 'viem'

/** `src/dev/registries/artifacts.json`: what the runtime needs of the contracts, and what it was made from. */
export type Artifacts = { sourcesSha256: string; contracts: Record<string, { abi: Abi; bytecode: Hex }> }

type SolcOutput = {
  errors?: { severity: string; formattedMessage: string }[]
  contracts: Record<string, Record<string, { abi: Abi; evm: { bytecode: { object: string } } }>>
}

const folder = new URL('./registries/', import.meta.url)

/** Compiles the Solidity sources. The same sources and compiler give the same result on every machine. */
export function compileRegistries(): Artifacts {
  const names = readdirSync(folder)
    .filter((name) => name.endsWith('.sol'))
    .sort()
  const sources = Object.fromEntries(
    names.map((name) => [name, { content: readFileSync(new URL(name, folder), 'utf8') }]),
  )
  const input = {
    language: 'Solidity',
    sources,
    settings: {
      evmVersion: 'cancun',
      // NewFeedback has more arguments than the stack has room for.
      viaIR: true,
      optimizer: { enabled: true, runs: 200 },
      // No hash of metadata at the end of the bytecode: comments change nothing.
      metadata: { bytecodeHash: 'none', appendCBOR: false },
      outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } },
    },
  }
  // A development dependency of 8 MB: loaded here only.
  const solc = createRequire(import.meta.url)('solc') as { compile(input: string): string }
  const output = JSON.parse(solc.compile(JSON.stringify(input))) as SolcOutput
  const failures = (output.errors ?? []).filter(({ severity }) => severity === 'error')
  if (failures.length > 0) throw new Error(failures.map((failure) => failure.formattedMessage).join('\n'))

  const contracts = Object.values(output.contracts).flatMap((file) => Object.entries(file))
  return {
    sourcesSha256: createHash('sha256').update(JSON.stringify(sources)).digest('hex'),
    contracts: Object.fromEntries(
      contracts.map(([name, { abi, evm }]) => [name, { abi, bytecode: `0x${evm.bytecode.object}` as Hex }]),
    ),
  }
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL('artifacts.json', folder), `${JSON.stringify(compileRegistries(), null, 1)}\n`)
}
