import { CarBlockIterator } from '@ipld/car/iterator'
import type { CID } from 'multiformats/cid'
import { sha256, sha512 } from 'multiformats/hashes/sha2'
import { RetryableError } from '../../src/errors.ts'

/** Blocks that are what their CID says, by {@link blockKey}. */
export type Blocks = Map<string, Uint8Array>

/** An honest file of 1 MiB has 5 to 1,100 blocks. */
const blocksMax = 4096

/**
 * Takes the blocks out of a CAR (version 1) as it comes in, each checked against its CID. The roots that its header names
 * mean nothing (the gateway specification says so too): what matters is which blocks are there.
 *
 * @param blocks is filled while reading: after a failure it holds what came before.
 * @throws RetryableError or what `chunks` throws: somebody else may send it right.
 */
export async function readCar(chunks: AsyncIterable<Uint8Array>, blocks: Blocks): Promise<void> {
  const car = await CarBlockIterator.fromIterable(chunks)
  if (car.version !== 1) throw new RetryableError('the CAR is not of version 1')
  let count = 0
  for await (const { cid, bytes } of car) {
    count += 1
    if (count > blocksMax) throw new RetryableError(`the CAR has more than ${blocksMax} blocks`)
    const key = blockKey(cid)
    if (isInline(cid) || blocks.has(key)) continue
    if (!(await isBlockOf(cid, bytes))) throw new RetryableError('a block is not what its CID says')
    // A copy: the CAR reader hands out views of its larger buffers.
    blocks.set(key, bytes.slice())
  }
}

/** Hash and not codec: the same bytes serve CIDv0 and CIDv1. */
export function blockKey(cid: CID): string {
  return Buffer.from(cid.multihash.bytes).toString('base64')
}

/** A CID that holds its content instead of a hash of it. */
export function isInline(cid: CID): boolean {
  return cid.multihash.code === 0
}

/** Whether bytes are what a CID says. The whole multihash is compared: one that was shortened proves too little. */
export async function isBlockOf(cid: CID, bytes: Uint8Array): Promise<boolean> {
  const digest = await hasherOf(cid)?.digest(bytes)
  return digest !== undefined && Buffer.from(digest.bytes).equals(cid.multihash.bytes)
}

/** Whether blocks of this CID can be checked at all. Practically all of IPFS is sha2-256. */
export function isCheckable(cid: CID): boolean {
  return isInline(cid) || hasherOf(cid) !== undefined
}

function hasherOf(cid: CID) {
  const { code } = cid.multihash
  return code === sha256.code ? sha256 : code === sha512.code ? sha512 : undefined
}
