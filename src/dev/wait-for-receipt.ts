import { setTimeout as delay } from 'node:timers/promises'
import { type Hex, type PublicClient, type TransactionReceipt, TransactionReceiptNotFoundError } from 'viem'

const receiptMaxMs = 60_000

/**
 * viem's own waitForTransactionReceipt looks again only when there is a new block. On a chain that mines on demand there may
 * never be another one, and a receipt that was not ready at the first look would be waited for without end.
 */
export async function waitForReceipt(client: PublicClient, hash: Hex): Promise<TransactionReceipt> {
  const deadline = performance.now() + receiptMaxMs
  for (;;) {
    try {
      return await client.getTransactionReceipt({ hash })
    } catch (error) {
      if (!(error instanceof TransactionReceiptNotFoundError)) throw error
    }
    if (performance.now() > deadline)
      throw new Error(`Transaction ${hash} was not mined in ${receiptMaxMs} ms`)
    await delay(5)
  }
}
