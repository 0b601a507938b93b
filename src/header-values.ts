import { isSealed, type SecretBox } from './secret-box.ts'

/** What stands for a header's value wherever it is shown. Written again, it means: keep what is stored. */
export const hiddenValue = '***'

/** Where a header's value may be sent, and by whom. */
export type HeaderPlace = { userId: string; url: string; name: string }

/** Encrypts a header's value for storage. It opens for this user, this origin and this header only. */
export function sealHeader(secrets: SecretBox, place: HeaderPlace, value: string): string {
  return secrets.seal(value, headerContext(place))
}

/**
 * The header values of an action as they are to be sent. Those that were stored before there was encryption are plain.
 *
 * @throws Error that names the header when it was stored for another user or origin, or its key is missing.
 */
export function openHeaders(
  secrets: SecretBox,
  { userId, url }: Omit<HeaderPlace, 'name'>,
  headers: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, stored]) => [
      name,
      openHeader(secrets, { userId, url, name }, stored),
    ]),
  )
}

/** What a value is sealed for. A row that is copied to another user, or whose URL is changed by hand, does not give it away. */
export function headerContext({ userId, url, name }: HeaderPlace): string {
  return `header:${JSON.stringify([userId, originOf(url), name.toLowerCase()])}`
}

/** Scheme, host and port. What is no URL (a row that was written by SQL) is a place of its own. */
export function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : url
}

function openHeader(secrets: SecretBox, place: HeaderPlace, stored: string): string {
  if (!isSealed(stored)) return stored
  try {
    return secrets.open(stored, headerContext(place))
  } catch (error) {
    throw new Error(`headers.${place.name}`, { cause: error })
  }
}
