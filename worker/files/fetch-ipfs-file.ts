import { describeError, PermanentError, RetryableError } from '../../src/errors.ts'
import type { FetchedFile, FileTools } from './fetch-file.ts'
import type { IpfsAddress } from './parse-ipfs-uri.ts'
import { bodyChunks, type FetchLimits, type FileHttp, readBody } from './read-body.ts'
import { type Blocks, isBlockOf, isCheckable, isInline, readCar } from './read-car.ts'
import { readUnixfsFile } from './read-unixfs-file.ts'

const dagPbCode = 0x70
/** Codecs whose single block is the file: raw, json, dag-json. */
const singleBlockCodes = new Set([0x55, 0x0200, 0x0129])
/** IPFS hands on no block that is larger. */
const blockBytesMax = 2_097_152
/** Headers of a CAR, directories on the path, links inside the file. */
const carOverheadBytes = 1_048_576

/**
 * Fetches a file from IPFS through gateways, which need not be trusted: what comes is blocks, and each is checked against
 * its CID. A gateway that fails, lies or hangs is passed over for the next one.
 *
 * @throws RetryableError that says what was wrong with each gateway; PermanentError when the content itself cannot be right.
 */
export async function fetchIpfsFile(
  address: IpfsAddress,
  { http, gateways }: FileTools,
  limits: FetchLimits,
): Promise<FetchedFile> {
  const { cid, path } = address
  const isSingleBlock = singleBlockCodes.has(cid.code) && path.length === 0
  if (!isSingleBlock && cid.code !== dagPbCode) {
    const code = `0x${cid.code.toString(16)}`
    throw new PermanentError(`the CID ${cid} is neither a file nor a directory (its codec is ${code})`)
  }
  if (!isCheckable(cid)) {
    const code = `0x${cid.multihash.code.toString(16)}`
    throw new PermanentError(
      `the CID ${cid} cannot be checked: its hash is ${code}, not sha2-256 or sha2-512`,
    )
  }
  if (isInline(cid)) {
    return { bytes: await readInline(address, limits.bytesMax), via: 'cid', cid: cid.toString() }
  }
  if (gateways.length === 0) throw new PermanentError('no IPFS gateway is configured: set IPFS_GATEWAYS')

  const startedMs = performance.now()
  const failures: string[] = []
  for (const [index, gateway] of gateways.entries()) {
    // Each gets its share of what is left, so that one that hangs leaves time for the others.
    const leftMs = limits.timeoutMs - (performance.now() - startedMs)
    const timeoutMs = Math.max(1, Math.floor(leftMs / (gateways.length - index)))
    const own = { ...limits, timeoutMs }
    try {
      const fetched = isSingleBlock
        ? fetchBlock(address, gateway, http, own)
        : fetchDag(address, gateway, http, own)
      return { bytes: await fetched, via: new URL(gateway).origin, cid: cid.toString() }
    } catch (error) {
      // Only verified blocks lead to this one.
      if (error instanceof ContentError) throw new PermanentError(`ipfs://${cid}: ${error.message}`)
      failures.push(`${new URL(gateway).host}: ${describeError(error)}`)
      if (limits.signal?.aborted) break
    }
  }
  throw new RetryableError(`ipfs://${cid} could be had from no gateway. ${failures.join('. ')}`)
}

/** What is wrong with the content itself, whichever gateway it comes from. */
class ContentError extends Error {
  override name = 'ContentError'
}

/** @throws PermanentError also when it links to blocks elsewhere: nobody makes such a file. */
async function readInline(address: IpfsAddress, bytesMax: number): Promise<Uint8Array> {
  if (address.cid.code !== dagPbCode) return address.cid.multihash.digest
  try {
    return await readUnixfsFile(address, new Map(), bytesMax)
  } catch (error) {
    throw error instanceof RetryableError ? new PermanentError(error.message) : error
  }
}

async function fetchBlock(
  { cid }: IpfsAddress,
  gateway: string,
  http: FileHttp,
  limits: FetchLimits,
): Promise<Uint8Array> {
  const url = `${gateway}/ipfs/${cid}?format=raw`
  const bytesMax = Math.max(limits.bytesMax, blockBytesMax)
  const response = await askGateway(url, 'application/vnd.ipld.raw', http, { ...limits, bytesMax })
  // To be sure that it is the file that is too large, and not the gateway that sends too much, it is read whole.
  const bytes = await readBody(response, bytesMax)
  if (!(await isBlockOf(cid, bytes))) throw new RetryableError('it sent something else than the CID says')
  if (bytes.length > limits.bytesMax)
    throw new ContentError(`the file is larger than ${limits.bytesMax} bytes`)
  return bytes
}

async function fetchDag(
  address: IpfsAddress,
  gateway: string,
  http: FileHttp,
  limits: FetchLimits,
): Promise<Uint8Array> {
  const path = [address.cid.toString(), ...address.path.map(encodeURIComponent)].join('/')
  const url = `${gateway}/ipfs/${path}?format=car&dag-scope=entity`
  const bytesMax = limits.bytesMax + carOverheadBytes
  const accept = 'application/vnd.ipld.car;version=1;order=dfs;dups=n'
  // Bounded below, and not by what the gateway announces: the first blocks of a CAR that is too large prove that it has to be.
  const response = await askGateway(url, accept, http, { ...limits, bytesMax: Number.POSITIVE_INFINITY })

  const blocks: Blocks = new Map()
  const chunks = bodyChunks(response, bytesMax)
  let failure: unknown
  try {
    await readCar(chunks, blocks)
  } catch (error) {
    failure = error
  } finally {
    // The CAR reader leaves the stream open where it stops.
    await chunks.return(undefined)
  }
  limits.signal?.throwIfAborted()
  try {
    const bytes = await oneAtATime(() => readUnixfsFile(address, blocks, limits.bytesMax))
    if (failure === undefined) return bytes
  } catch (error) {
    // Proven by blocks that came before whatever else went wrong: for example that the file is too large to be sent.
    if (error instanceof PermanentError) throw new ContentError(error.message)
    failure ??= error
  }
  throw failure
}

async function askGateway(
  url: string,
  accept: string,
  http: FileHttp,
  limits: FetchLimits,
): Promise<Response> {
  const response = await http.fetch(url, { headers: { accept }, ...limits })
  if (response.ok) return response
  await response.body?.cancel()
  throw new RetryableError(`HTTP ${response.status}`)
}

let last: Promise<unknown> = Promise.resolve()

/**
 * A hostile block of 0.8 MB took 58 MB of heap for a moment (60,000 links, read once). It is work of the processor alone, so that
 * doing one at a time costs nothing, and holds the memory of one.
 */
function oneAtATime<Result>(work: () => Promise<Result>): Promise<Result> {
  const result = last.then(work)
  last = result.catch(() => {})
  return result
}
