import { PermanentError } from '../../src/errors.ts'

/** Room for the media type and its parameters before the comma. */
const headLengthMax = 1024

const utf8Names = new Set(['utf-8', 'utf8', 'us-ascii', 'ascii'])

/**
 * The bytes of a `data:` URI: base64 or percent-encoded. What writers of agents' files get wrong is taken as meant: JSON
 * that is not encoded at all (a `#` in it begins no fragment), `;utf8`, base64 of the URL alphabet or without padding.
 *
 * @throws PermanentError when it cannot be read or holds more than `bytesMax` bytes.
 */
export function readDataUri(uri: string, bytesMax: number): Uint8Array {
  const head = /^data:([^,]*),/i.exec(uri.slice(0, headLengthMax))
  if (head === null) {
    throw new PermanentError('the data: URI has no comma between its media type and its content')
  }
  const parameters = (head[1] ?? '')
    .split(';')
    .slice(1)
    .map((parameter) => parameter.trim().toLowerCase())
  const charset = parameters
    .find((parameter) => parameter.startsWith('charset='))
    ?.slice('charset='.length)
    .replaceAll('"', '')
  if (charset !== undefined && !utf8Names.has(charset)) {
    throw new PermanentError(`the data: URI has the charset ${charset.slice(0, 40)}. Files are read as UTF-8`)
  }
  const encoding = parameters.find((parameter) => parameter.startsWith('enc='))
  if (encoding !== undefined) {
    throw new PermanentError(
      `the data: URI is compressed (${encoding.slice(0, 40)}), which is not part of the standard`,
    )
  }

  // A byte takes at most three characters (%7B); beyond that there is no need to look.
  const contentStart = head[0].length
  if (uri.length - contentStart > 3 * bytesMax + 4) throw tooLarge(bytesMax)
  const content = uri.slice(contentStart)
  const bytes = parameters.at(-1) === 'base64' ? decodeBase64(content) : percentDecode(content)
  if (bytes.length > bytesMax) throw tooLarge(bytesMax)
  return bytes
}

function decodeBase64(content: string): Uint8Array {
  const text = (content.includes('%') ? Buffer.from(percentDecode(content)).toString('latin1') : content)
    .replaceAll(/[\t\n\f\r ]/g, '')
    .replaceAll('-', '+')
    .replaceAll('_', '/')
  // Node skips what is not base64; a file that was cut or garbled should not turn into another file.
  const digits = text.replace(/={1,2}$/, '')
  if (!/^[A-Za-z0-9+/]*$/.test(digits) || digits.length % 4 === 1) {
    throw new PermanentError('the data: URI says that it is base64, but it cannot be read as base64')
  }
  return new Uint8Array(Buffer.from(digits, 'base64'))
}

/** `%` without two hex digits after it stands for itself, as in the URL standard. */
function percentDecode(content: string): Uint8Array {
  const encoded = Buffer.from(content, 'utf8')
  const bytes = new Uint8Array(encoded.length)
  let length = 0
  for (let index = 0; index < encoded.length; index += 1) {
    const byte = encoded[index] ?? 0
    const hex = byte === 0x25 ? encoded.toString('latin1', index + 1, index + 3) : ''
    const isEscape = /^[0-9a-f]{2}$/i.test(hex)
    bytes[length] = isEscape ? Number.parseInt(hex, 16) : byte
    length += 1
    if (isEscape) index += 2
  }
  return bytes.slice(0, length)
}

function tooLarge(bytesMax: number): PermanentError {
  return new PermanentError(`the data: URI holds more than ${bytesMax} bytes`)
}
