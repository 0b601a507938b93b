import { CID } from 'multiformats/cid'
import { describeError, PermanentError } from '../../src/errors.ts'

export type IpfsAddress = {
  cid: CID
  /** Names from the CID's directory to the file, decoded. Empty: the CID is the file. */
  path: readonly string[]
}

const segmentsMax = 32

/**
 * Reads `ipfs://<cid>[/path]`, also as `ipfs://ipfs/<cid>`, `ipfs:/ipfs/<cid>`, `ipfs:<cid>` and `/ipfs/<cid>`, which are
 * found on chains. Not with the URL class: it lower-cases the host, and a CIDv0 is case-sensitive.
 *
 * @returns undefined for what is no IPFS address at all.
 * @throws PermanentError for one that cannot be right.
 */
export function parseIpfsUri(uri: string): IpfsAddress | undefined {
  const rest = /^(?:ipfs:\/{0,2}(?:ipfs\/)?|\/ipfs\/)(.*)$/is.exec(uri)?.[1]
  if (rest === undefined) return undefined
  const [root = '', ...names] = rest.replace(/[?#].*$/s, '').split('/')
  if (root === '') throw new PermanentError(`${uri.slice(0, 100)} names no CID`)
  const path = names.filter((name) => name !== '').map(decodeSegment)
  if (path.length > segmentsMax) {
    throw new PermanentError(`the IPFS address has a path of more than ${segmentsMax} names`)
  }
  return { cid: parseCid(root), path }
}

function parseCid(text: string): CID {
  try {
    return CID.parse(text)
  } catch (error) {
    throw new PermanentError(`${text.slice(0, 100)} is not a CID: ${describeError(error)}`)
  }
}

function decodeSegment(name: string): string {
  let decoded: string
  try {
    decoded = decodeURIComponent(name)
  } catch {
    // A % that begins no escape stands for itself.
    decoded = name
  }
  if (decoded === '.' || decoded === '..' || decoded.includes('/') || decoded.includes('\0')) {
    throw new PermanentError(`the IPFS address has the name ${JSON.stringify(decoded)} in its path`)
  }
  return decoded
}
