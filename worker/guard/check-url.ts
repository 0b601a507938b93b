import { PermanentError } from '../../src/errors.ts'

/**
 * Reads the URL of a call. Every spelling of an IPv4 address (decimal, octal, hexadecimal, short) is four decimal parts
 * afterwards, so that what is checked is what is called.
 *
 * @throws PermanentError for anything but http and https, and for a user name or password in the URL.
 */
export function checkUrl(text: string | URL): URL {
  const url = parse(text)
  if (url === undefined) throw new PermanentError('the address to call cannot be read as a URL')
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new PermanentError(`${url.protocol} addresses are not called, only http: and https:`)
  }
  // They would go into logs and to whoever sees the trigger; a header is sealed.
  if (url.username !== '' || url.password !== '') {
    throw new PermanentError(
      `the address of ${url.host} holds a user name or password. Send it in a header (Authorization) instead`,
    )
  }
  return url
}

function parse(text: string | URL): URL | undefined {
  try {
    return new URL(text)
  } catch {
    return undefined
  }
}
