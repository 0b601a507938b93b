import { BlockNotFoundError } from 'viem'
import { getBlock } from 'viem/actions'
import type { ConfiguredChain } from '../src/config.ts'
import type { Database } from '../src/db.ts'
import { UserError } from '../src/errors.ts'
import { raiseChainAlert } from '../src/store/chains.ts'
import { readNewestFinalizedEvents } from '../src/store/ingest.ts'
import { connectRpc } from './check-rpc.ts'

/**
 * Makes sure that each endpoint still has the newest finalized block from which there are events. Ponder never looks back
 * behind finality: on a local chain that began anew, or after a reorganisation deeper than that, it would go on as if nothing
 * had happened, with events that no chain has.
 *
 * An alert says so too, for those who do not see how the role ends.
 *
 * @throws UserError that names the variable and the block.
 */
export async function checkHistory(db: Database, chains: readonly ConfiguredChain[]): Promise<void> {
  const rows = await readNewestFinalizedEvents(db, [chains.map((chain) => chain.id)])
  for (const { chain_id, block_number, block_hash } of rows) {
    const chain = chains.find(({ id }) => id === chain_id)
    if (chain === undefined) continue
    const block = await getBlock(connectRpc(chain.rpcUrl, 8000), { blockNumber: BigInt(block_number) }).catch(
      (error) => {
        if (error instanceof BlockNotFoundError) return undefined
        throw new Error(`The endpoint of chain ${chain_id} did not give block ${block_number}`)
      },
    )
    if (block?.hash === block_hash) continue
    const { host } = new URL(chain.rpcUrl)
    if (block !== undefined) {
      const message = `${chain.name}: block ${block_number}, from which this database has finalized events, is another one now (${block_hash} before, ${block.hash} now). The chain began anew, or went back further than finality allows: index it into a new database.`
      const detail = { block: block_number, hash: block_hash, common_block: null }
      await raiseChainAlert(db, ['deep_reorg', chain_id, message, detail])
    }
    throw new UserError(
      block === undefined
        ? `RPC_URL_${chain_id}: ${host} does not have block ${block_number} yet, from which this database has finalized events. Wait until it has caught up, or use another endpoint; a chain that began anew needs a new database.`
        : `RPC_URL_${chain_id}: block ${block_number} of ${host} is not the one from which this database has finalized events. If the chain began anew, or went back further than finality allows, index it into a new database.`,
    )
  }
}
