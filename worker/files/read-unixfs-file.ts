import { setImmediate } from 'node:timers/promises'
import { exporter, type UnixFSEntry } from 'ipfs-unixfs-exporter'
import type { CID } from 'multiformats/cid'
import { describeError, PermanentError, RetryableError } from '../../src/errors.ts'
import { type Blocks, blockKey, isInline } from './read-car.ts'

/** An honest file of 1 MiB takes 5 to 1,100 reads, and reads each byte once. */
const readsMax = 2048
/** Directories on the way, and the lists of links inside files. */
const readBytesOverhead = 2_097_152

/**
 * The file at a path below a CID, put together from verified blocks.
 *
 * `ipfs-unixfs-exporter` decodes each node; the walk is ours, since the library's own must not see a stranger's DAG: a block
 * that is missing deep inside a file is an unhandled rejection there, which ends the process, and two names with one murmur
 * hash in a sharded directory an endless loop. Here every step counts against a limit.
 *
 * @throws RetryableError when blocks are missing; PermanentError when the blocks prove that there is no such file.
 */
export async function readUnixfsFile(
  address: { cid: CID; path: readonly string[] },
  blocks: Blocks,
  bytesMax: number,
): Promise<Uint8Array> {
  const read = createReader(blocks, bytesMax)
  let entry = await read(address.cid)
  for (const name of address.path) {
    entry = await read(await findLink(entry, name, read))
  }
  return readContent(entry, read, bytesMax)
}

type ReadEntry = (cid: CID) => Promise<UnixFSEntry>

function createReader(blocks: Blocks, bytesMax: number): ReadEntry {
  let reads = 0
  let readBytes = 0
  const store = {
    get: function* (cid: CID): Generator<Uint8Array> {
      const block = isInline(cid) ? cid.multihash.digest : blocks.get(blockKey(cid))
      if (block === undefined) throw new RetryableError(`block ${cid} is missing`)
      reads += 1
      readBytes += block.length
      // The same block may be linked a million times: reading is what is bounded, not the number of blocks.
      if (reads > readsMax || readBytes > bytesMax + readBytesOverhead) {
        throw new PermanentError(`the file takes more than ${readsMax} blocks or ${bytesMax} bytes to read`)
      }
      yield block
    },
  }
  return async (cid) => {
    // Decoding waits for nothing, and would keep everything else waiting for as long as it goes on.
    if (reads % 64 === 63) await setImmediate()
    try {
      return await exporter(cid, store)
    } catch (error) {
      if (error instanceof PermanentError || error instanceof RetryableError) throw error
      // Its bytes are what its CID says: whoever made it made it so.
      throw new PermanentError(`${cid} is not a file that can be read: ${describeError(error)}`)
    }
  }
}

/** Looks for a name in a directory, also in the shards of a large one. */
async function findLink(directory: UnixFSEntry, name: string, read: ReadEntry): Promise<CID> {
  if (directory.type !== 'directory') {
    throw new PermanentError(`${directory.cid} is no directory, so there is no ${JSON.stringify(name)} in it`)
  }
  if (directory.unixfs.type === 'directory') {
    const link = directory.node.Links.find((candidate) => candidate.Name === name)
    if (link !== undefined) return link.Hash
    throw noSuchName(directory.cid, name)
  }

  // A gateway sends the shards on the way to the name only, so those that are missing are passed by. That the name belongs
  // into another shard by its hash is not checked: directory and shards are one author's, and the links prove that.
  const prefixLength = (Number(directory.unixfs.fanout) - 1).toString(16).length
  const shards = [directory]
  let missing: RetryableError | undefined
  for (let shard = shards.pop(); shard !== undefined; shard = shards.pop()) {
    for (const link of shard.node.Links) {
      if (link.Name?.slice(prefixLength) === name && link.Name.length > prefixLength) return link.Hash
      if (link.Name?.length !== prefixLength) continue
      try {
        const child = await read(link.Hash)
        if (child.type === 'directory') shards.push(child)
      } catch (error) {
        if (!(error instanceof RetryableError)) throw error
        missing = error
      }
    }
  }
  throw missing ?? noSuchName(directory.cid, name)
}

async function readContent(root: UnixFSEntry, read: ReadEntry, bytesMax: number): Promise<Uint8Array> {
  if (root.type === 'directory') {
    throw new PermanentError(`${root.cid} is a directory: the address must go on to a file in it`)
  }
  if (root.type === 'object') return bounded(root.node, bytesMax)

  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  // The next node to read is the last one.
  const pending: (UnixFSEntry | CID)[] = [root]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const entry = 'type' in next ? next : await read(next)
    let data: Uint8Array | undefined
    if (entry.type === 'raw') data = entry.node
    else if (entry.type === 'file' && (entry.unixfs.type === 'file' || entry.unixfs.type === 'raw')) {
      // What the root itself says, as early as it can be known: the gateway need not send the rest for that.
      if (entry.unixfs.fileSize() > BigInt(bytesMax)) throw tooLarge(bytesMax)
      data = entry.unixfs.data
      for (const link of entry.node.Links.toReversed()) pending.push(link.Hash)
    } else {
      const kind = entry.type === 'file' ? entry.unixfs.type : entry.type
      throw new PermanentError(`${entry.cid} is a ${kind}, not a file`)
    }
    if (data === undefined) continue
    sizeBytes += data.length
    if (sizeBytes > bytesMax) throw tooLarge(bytesMax)
    chunks.push(data)
  }
  if (root.type === 'file' && root.unixfs.fileSize() !== BigInt(sizeBytes)) {
    throw new PermanentError(`${root.cid} says that it has another size than it has`)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

function bounded(bytes: Uint8Array, bytesMax: number): Uint8Array {
  if (bytes.length > bytesMax) throw tooLarge(bytesMax)
  return bytes
}

function noSuchName(cid: CID, name: string): PermanentError {
  return new PermanentError(`there is no ${JSON.stringify(name)} in the directory ${cid}`)
}

function tooLarge(bytesMax: number): PermanentError {
  return new PermanentError(`the file is larger than ${bytesMax} bytes`)
}
