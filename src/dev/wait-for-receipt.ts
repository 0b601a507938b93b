import { setTimeout as delay } from 'node:timers/promises'
import type { Hex, PublicClient, TransactionReceipt } from 'viem'

const receiptMaxMs = 60_000

/**
 * viem's own waitForTransactionReceipt looks again only when there is a new block. On a chain that mines on demand there may
 * never be another one, and a receipt that was not ready at the first look would be waited for without end.
 */
export async function waitForReceipt(client: PublicClient, hash: Hex): Promise<TransactionReceipt> {
  const deadline = performance.now() + receiptMaxMs
  for (;;) {
    const receipt = await client.getTransactionReceipt({ hash }).catch(() => undefined)
    if (receipt !== undefined) return receipt
    if (performance.now() > deadline)
      throw new Error(`Transaction ${hash} was not mined in ${receiptMaxMs} ms`)
    await delay(5)
  }
}
