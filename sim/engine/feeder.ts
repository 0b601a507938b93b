import type { Database, Transaction } from '../../src/db.ts'
import type { Random } from '../../src/dev/random.ts'
import { readRawLog } from '../../test/support/read-raw-log.ts'
import { commonAncestor, type FakeBlock } from '../fake-chain.ts'
import type { WorldChain } from '../world.ts'

/** Stands for Ponder: writes to its tables what it would, transaction by transaction, and our own ingest functions do the rest. */
export type Feeder = {
  /** Commits the next transaction on the way to the head of the chain. False: it is there. */
  next(): Promise<boolean>
  /** Ponder was killed, and starts again: everything that is not final goes, and comes once more. */
  restart(): Promise<void>
  /** Blocks become final. `all`: up to where it is. */
  finalize(all?: boolean): Promise<void>
  isAtHead(): boolean
}

const schema = 'ponder_sim'

/** Ponder's tables as its 0.16 makes them, and our triggers on them. */
export async function createPonderSchema(db: Database): Promise<void> {
  await db.unsafe(`
    create schema ${schema};
    create table ${schema}._ponder_checkpoint (
      chain_name text primary key, chain_id bigint not null, safe_checkpoint varchar(75) not null,
      latest_checkpoint varchar(75) not null, finalized_checkpoint varchar(75) not null);
    create table ${schema}.registry_event (
      id text primary key, chain_id bigint not null, block_number bigint not null, block_hash text not null,
      block_timestamp bigint not null, transaction_hash text not null, transaction_index integer not null,
      log_index integer not null, contract_address text not null, registry text not null, event_type text not null,
      agent_id numeric, owner text, previous_owner text, token_uri text, updated_by text, metadata_key text,
      metadata_value text, client_address text, feedback_index numeric, value numeric, value_decimals smallint,
      score numeric, tag1 text, tag2 text, endpoint text, file_uri text, file_hash text, responder text,
      validator_address text, request_uri text, request_hash text, response smallint, response_uri text,
      response_hash text, tag text, args jsonb not null, topics text[] not null, data text not null);
    select attach_ingest('${schema}');
  `)
}

/** @param deepest no block so far below the highest ever is replaced any more: those are what can be final. */
export function createFeeder(
  db: Database,
  { chain, highest }: WorldChain,
  deepest: number,
  random: Random,
): Feeder {
  let fed = chain.blockAt(0) ?? chain.head()
  let finalized = fed
  const finalAt = (tip: FakeBlock) =>
    chain.blockAt(Math.min(Math.max(highest() - deepest, finalized.number), tip.number), tip) ?? finalized

  const writeCheckpoint = (tx: Transaction, latest: FakeBlock, final: FakeBlock) => tx`
    insert into ${tx(schema)}._ponder_checkpoint
    values (${`chain ${chain.id}`}, ${chain.id}, ${encode(final)}, ${encode(latest)}, ${encode(final)})
    on conflict (chain_name) do update set safe_checkpoint = excluded.safe_checkpoint,
      latest_checkpoint = excluded.latest_checkpoint, finalized_checkpoint = excluded.finalized_checkpoint`
  const encode = ({ number, timestampS }: FakeBlock) =>
    `${digits(timestampS, 10)}${digits(chain.id, 16)}${digits(number, 16)}${'9'.repeat(33)}`
  const deleteAfter = (tx: Transaction, number: number) =>
    tx`delete from ${tx(schema)}.registry_event where chain_id = ${chain.id} and block_number > ${number}`
  const insertRows = async (tx: Transaction, blocks: readonly FakeBlock[]) => {
    const rows = blocks.flatMap((block) => rowsOf(chain.id, block))
    for (let at = 0; at < rows.length; at += 200) {
      const values = rows.slice(at, at + 200).map((row) => ({ ...row, args: tx.json(row.args as never) }))
      await tx`insert into ${tx(schema)}.registry_event ${tx(values as never)}`
    }
  }
  /** The blocks after `from` on the way to `tip`, so many. */
  const path = (from: FakeBlock, tip: FakeBlock, max: number) =>
    Array.from({ length: Math.min(max, tip.number - from.number) }, (_, index) =>
      chain.blockAt(from.number + 1 + index, tip),
    ).flatMap((block) => block ?? [])

  const feeder: Feeder = {
    next: async () => {
      const head = chain.head()
      if (fed === head) return false
      const shared = commonAncestor(fed, head)
      if (shared !== fed) {
        // As Ponder does it: rows go, the checkpoint stays until the next block.
        await db.begin((tx) => deleteAfter(tx, shared.number))
        fed = shared
        return true
      }
      const blocks = path(fed, head, random.pick([1, 1, 1, 1, 3]))
      const last = blocks.at(-1) ?? fed
      await db.begin(async (tx) => {
        for (const block of blocks) {
          await insertRows(tx, [block])
          await writeCheckpoint(tx, block, finalized)
        }
      })
      fed = last
      return true
    },
    restart: async () => {
      const head = chain.head()
      const from = finalized
      await db.begin((tx) => deleteAfter(tx, from.number))
      // What is final by now is read as history, in one go: all checkpoints are one.
      const final = finalAt(head)
      await db.begin(async (tx) => {
        await insertRows(tx, path(from, final, final.number))
        await writeCheckpoint(tx, final, final)
      })
      finalized = final
      fed = final
    },
    finalize: async (all = false) => {
      // A branch that the chain has left does not become final, however far behind Ponder is.
      const final = all ? fed : finalAt(commonAncestor(fed, chain.head()))
      if (final.number <= finalized.number || final.number > fed.number) return
      finalized = final
      // At the head itself the two would be one, which means something else: the block before is enough there.
      const named = final === fed ? (final.parent ?? final) : final
      finalized = named
      await db`
        update ${db(schema)}._ponder_checkpoint set safe_checkpoint = ${encode(named)}, finalized_checkpoint = ${encode(named)}
        where chain_id = ${chain.id}`
    },
    isAtHead: () => fed === chain.head(),
  }
  return feeder
}

function digits(value: number, length: number): string {
  return String(value).padStart(length, '0')
}

const rowsCache = new WeakMap<FakeBlock, ReturnType<typeof readRows>>()

function rowsOf(chainId: number, block: FakeBlock) {
  const known = rowsCache.get(block)
  if (known !== undefined) return known
  const rows = readRows(chainId, block)
  rowsCache.set(block, rows)
  return rows
}

function readRows(chainId: number, block: FakeBlock) {
  let logIndex = -1
  return block.transactions.flatMap((transaction, transactionIndex) =>
    transaction.logs.flatMap((log) => {
      logIndex += 1
      return (
        readRawLog({
          chainId,
          block: { number: BigInt(block.number), hash: block.hash, timestamp: BigInt(block.timestampS) },
          transaction: { hash: transaction.hash, transactionIndex },
          log: { ...log, logIndex },
        }) ?? []
      )
    }),
  )
}
