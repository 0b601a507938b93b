import { CarWriter } from '@ipld/car/writer'
import { importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { sha256 } from 'multiformats/hashes/sha2'
import type { Blocks } from '../../../worker/files/read-car.ts'
import { blockKey } from '../../../worker/files/read-car.ts'

/** Blocks as a node of IPFS would keep them. The keys of `blocks` are those of the code under test; `cids` are in order of making. */
export type Dag = { root: CID; cids: CID[]; blocks: Blocks }

/** What IPFS makes of files: chunks of `chunkSize` bytes, `children` links a node. */
export async function importFiles(
  files: readonly { path: string; content: Uint8Array }[],
  options: {
    chunkSize?: number
    children?: number
    cidVersion?: 0 | 1
    rawLeaves?: boolean
    shards?: boolean
  } = {},
): Promise<Dag> {
  const { chunkSize = 262_144, children = 174, cidVersion = 1, rawLeaves = true, shards = false } = options
  const dag: Omit<Dag, 'root'> = { cids: [], blocks: new Map() }
  const store = {
    put: async (cid: CID, bytes: Uint8Array) => {
      dag.cids.push(cid)
      dag.blocks.set(blockKey(cid), bytes)
      return cid
    },
    get: async function* (cid: CID) {
      yield blockOf(dag, cid)
    },
  }
  let root: CID | undefined
  for await (const entry of importer(
    files,
    store as never,
    {
      cidVersion,
      rawLeaves,
      wrapWithDirectory: files.length > 1,
      chunker: fixedSize({ chunkSize }),
      layout: balanced({ maxChildrenPerNode: children }),
      ...(shards ? { shardSplitThresholdBytes: 1 } : {}),
    } as never,
  )) {
    root = entry.cid
  }
  if (root === undefined) throw new Error('nothing was imported')
  return { root, ...dag }
}

export function blockOf(dag: Pick<Dag, 'blocks'>, cid: CID): Uint8Array {
  const bytes = dag.blocks.get(blockKey(cid))
  if (bytes === undefined) throw new Error(`no block ${cid}`)
  return bytes
}

export async function carOf(
  roots: CID[],
  blocks: readonly { cid: CID; bytes: Uint8Array }[],
): Promise<Buffer> {
  const { writer, out } = CarWriter.create(roots)
  const chunks: Uint8Array[] = []
  const collected = (async () => {
    for await (const chunk of out) chunks.push(chunk)
  })()
  for (const block of blocks) await writer.put(block)
  await writer.close()
  await collected
  return Buffer.concat(chunks)
}

/** The CAR that an honest gateway sends for the whole DAG: the root first. */
export function carOfDag(dag: Dag): Promise<Buffer> {
  const cids = [...new Map(dag.cids.toReversed().map((cid) => [cid.toString(), cid])).values()]
  return carOf(
    [dag.root],
    cids.map((cid) => ({ cid, bytes: blockOf(dag, cid) })),
  )
}

export async function* inPieces(bytes: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** Nodes as no importer would write them. A link with a `cid` that is `inline` holds its content. */
export async function craftNode(
  node: {
    type?: 'raw' | 'directory' | 'file' | 'symlink' | 'shard'
    data?: Uint8Array
    fanout?: number
    fileSize?: number
    blockSizes?: readonly number[]
    links?: readonly { cid: CID; name?: string }[]
  },
  into: Dag | undefined = undefined,
): Promise<{ cid: CID; bytes: Uint8Array }> {
  const types = { raw: 0, directory: 1, file: 2, symlink: 4, shard: 5 }
  const unixfs = Buffer.concat([
    field(1, types[node.type ?? 'file']),
    ...(node.data === undefined ? [] : [field(2, node.data)]),
    ...(node.fileSize === undefined ? [] : [field(3, node.fileSize)]),
    ...(node.blockSizes ?? []).map((size) => field(4, size)),
    ...(node.fanout === undefined ? [] : [field(5, 0x22), field(6, node.fanout)]),
  ])
  const links = (node.links ?? []).map(({ cid, name = '' }) =>
    field(2, Buffer.concat([field(1, cid.bytes), field(2, Buffer.from(name)), field(3, 1)])),
  )
  const bytes = new Uint8Array(Buffer.concat([...links, field(1, unixfs)]))
  const cid = CID.createV1(0x70, await sha256.digest(bytes))
  into?.cids.push(cid)
  into?.blocks.set(blockKey(cid), bytes)
  return { cid, bytes }
}

export function inlineCid(content: Uint8Array, code = 0x55): CID {
  return CID.createV1(code, createDigest(0, content))
}

export async function rawCid(content: Uint8Array, code = 0x55): Promise<CID> {
  return CID.createV1(code, await sha256.digest(content))
}

function field(number: number, value: number | Uint8Array): Buffer {
  return typeof value === 'number'
    ? Buffer.concat([varint(number << 3), varint(value)])
    : Buffer.concat([varint((number << 3) | 2), varint(value.length), value])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  while (rest > 127) {
    bytes.push((rest % 128) | 128)
    rest = Math.floor(rest / 128)
  }
  return Buffer.from([...bytes, rest])
}
