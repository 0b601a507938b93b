import { type ChainProgress, describeDuration, describeProgress } from '../chain-progress.ts'
import { readChainProgress } from '../store/chains.ts'
import { formatTable } from './format-table.ts'
import { print } from './print.ts'
import { withDatabase } from './with-database.ts'

/** `tocsin chains`: how far each chain has been indexed. */
export function chainsCommand(options: { json?: boolean }): Promise<void> {
  return withDatabase('chains', async (db) => {
    const chains = (await readChainProgress(db)).map(describeProgress)
    const titles = ['CHAIN', 'NAME', 'STATE', 'READ', 'BLOCK', 'FINAL', 'HEAD', 'BLOCKS/S', 'LEFT', 'BEHIND']
    print(
      options,
      chains,
      chains.length === 0
        ? ['No chain has been indexed yet. Set RPC_URL_<chain id> and run: tocsin start']
        : formatTable(titles, chains.map(cellsOf)),
    )
  })
}

function cellsOf(chain: ChainProgress): string[] {
  const text = (value: number | null, unit = '') => (value === null ? '–' : `${value}${unit}`)
  return [
    String(chain.chain_id),
    chain.name,
    chain.state,
    text(chain.percent, ' %'),
    text(chain.last_block),
    text(chain.finalized_block),
    text(chain.head_block),
    text(chain.blocks_per_second),
    chain.seconds_left === null ? '–' : describeDuration(chain.seconds_left),
    chain.lag_seconds === null ? '–' : describeDuration(chain.lag_seconds),
  ]
}
