import { type Hex, numberToHex, type RpcLog } from 'viem'
import type { FakeBlock, FakeChain } from './fake-chain.ts'

const sender = '0x00000000000000000000000000000000000000aa'
const zero32 = numberToHex(0, { size: 32 })

/** A block as nodes give it: with whole transactions, with their hashes, or as the header that a subscription gets. */
export function blockJson(_chain: FakeChain, block: FakeBlock, detail: 'full' | 'hashes' | 'header') {
  const transactions =
    detail === 'hashes'
      ? block.transactions.map(({ hash }) => hash)
      : block.transactions.map(({ hash }, index) => ({
          hash,
          transactionIndex: numberToHex(index),
          blockHash: block.hash,
          blockNumber: numberToHex(block.number),
          from: sender,
          to: sender,
          input: '0x',
          value: '0x0',
          nonce: '0x0',
          gas: '0x5208',
          type: '0x0',
          gasPrice: '0x1',
          ...{ r: zero32, s: zero32, v: '0x1b' },
        }))
  return {
    number: numberToHex(block.number),
    hash: block.hash,
    parentHash: block.parent?.hash ?? zero32,
    timestamp: numberToHex(block.timestampS),
    logsBloom: block.logsBloom,
    miner: sender,
    gasUsed: '0x0',
    gasLimit: '0x1c9c380',
    baseFeePerGas: '0x1',
    nonce: '0x0000000000000000',
    mixHash: zero32,
    stateRoot: zero32,
    receiptsRoot: zero32,
    transactionsRoot: zero32,
    sha3Uncles: zero32,
    size: '0x100',
    difficulty: '0x0',
    totalDifficulty: '0x0',
    extraData: '0x',
    ...(detail === 'header' ? {} : { transactions, uncles: [] }),
  }
}

/** All logs of a block, in its order. */
export function logsOf(block: FakeBlock): RpcLog[] {
  const place = {
    blockHash: block.hash,
    blockNumber: numberToHex(block.number),
    blockTimestamp: numberToHex(block.timestampS),
    removed: false,
  }
  return block.transactions
    .flatMap(({ hash, logs }, index) =>
      logs.map((log) => ({ ...log, transactionHash: hash, transactionIndex: numberToHex(index) })),
    )
    .map((log, index) => ({
      ...place,
      ...log,
      topics: [...log.topics] as [Hex],
      logIndex: numberToHex(index),
    }))
}
