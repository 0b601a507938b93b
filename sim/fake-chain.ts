import { type Hex, keccak256, stringToHex } from 'viem'
import { bloomOf } from './bloom.ts'

export type FakeLog = { address: Hex; topics: readonly Hex[]; data: Hex }

/** Mined again in another block it keeps its hash and its logs. */
export type FakeTransaction = { hash: Hex; logs: readonly FakeLog[] }

export type FakeBlock = {
  number: number
  hash: Hex
  parent: FakeBlock | undefined
  timestampS: number
  transactions: readonly FakeTransaction[]
  logsBloom: Hex
  /** Order in which the blocks of the chain came into being: who stopped listening knows none above its own. */
  born: number
}

/** A tree of blocks with one branch that is canonical now. Nothing is ever forgotten. */
export type FakeChain = {
  id: number
  head(): FakeBlock
  /** The block at a height on the branch that ends in `tip`. */
  blockAt(number: number, tip?: FakeBlock): FakeBlock | undefined
  blockByHash(hash: string): FakeBlock | undefined
  /** Every block that there ever was at a height. */
  blocksAt(number: number): readonly FakeBlock[]
  /** A child of `parent`; it is not canonical before `setHead`. */
  addBlock(parent: FakeBlock, timestampS: number, transactions: readonly FakeTransaction[]): FakeBlock
  setHead(block: FakeBlock): void
  newTransaction(logs: readonly FakeLog[]): FakeTransaction
  born(): number
}

export function createFakeChain(id: number, seed: number, genesisTimeS: number): FakeChain {
  const byHash = new Map<string, FakeBlock>()
  const byNumber = new Map<number, FakeBlock[]>()
  let transactions = 0
  const keep = (block: FakeBlock) => {
    byHash.set(block.hash, block)
    byNumber.set(block.number, [...(byNumber.get(block.number) ?? []), block])
    return block
  }
  const hashOf = (what: string, count: number) => keccak256(stringToHex(`${seed} ${id} ${what} ${count}`))
  const genesis = keep({
    number: 0,
    hash: hashOf('block', 0),
    parent: undefined,
    timestampS: genesisTimeS,
    transactions: [],
    logsBloom: bloomOf([]),
    born: 0,
  })
  let head = genesis
  return {
    id,
    head: () => head,
    blockAt: (number, tip = head) => {
      let block: FakeBlock | undefined = tip
      while (block !== undefined && block.number > number) block = block.parent
      return block?.number === number ? block : undefined
    },
    blockByHash: (hash) => byHash.get(hash.toLowerCase()),
    blocksAt: (number) => byNumber.get(number) ?? [],
    addBlock: (parent, timestampS, included) =>
      keep({
        number: parent.number + 1,
        hash: hashOf('block', byHash.size),
        parent,
        timestampS,
        transactions: included,
        logsBloom: bloomOf(included.flatMap(({ logs }) => logs)),
        born: byHash.size,
      }),
    setHead: (block) => {
      head = block
    },
    newTransaction: (logs) => {
      transactions += 1
      return { hash: hashOf('transaction', transactions), logs }
    },
    born: () => byHash.size - 1,
  }
}

/** The last block that two branches share. */
export function commonAncestor(one: FakeBlock, two: FakeBlock): FakeBlock {
  let [a, b]: [FakeBlock | undefined, FakeBlock | undefined] = [one, two]
  while (a !== undefined && b !== undefined && a !== b) {
    if (a.number >= b.number) a = a.parent
    else b = b.parent
  }
  if (a === undefined || b === undefined) throw new Error('Two blocks without a common ancestor')
  return a
}
