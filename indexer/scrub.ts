export type Scrub = <T>(value: T) => T

/**
 * Makes a function that takes secrets out of anything that is to be logged: strings, and strings inside arrays and objects.
 * Of every URL only scheme and host stay, whoever's it is; the paths, queries and passwords of the given URLs go wherever they stand.
 */
export function createScrub(secretUrls: readonly string[]): Scrub {
  const secrets = [...new Set(secretUrls.flatMap(secretParts))].sort((a, b) => b.length - a.length)

  const scrubText = (text: string) =>
    secrets.reduce((scrubbed, secret) => scrubbed.replaceAll(secret, '***'), shortenUrls(text))

  const scrub = (value: unknown): unknown => {
    if (typeof value === 'string') return scrubText(value)
    if (Array.isArray(value)) return value.map(scrub)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [scrubText(key), scrub(item)]))
  }
  return scrub as Scrub
}

/** `https://user:password@host:8545/v2/key?x=y` becomes `https://host:8545/***`. */
function shortenUrls(text: string): string {
  return text.replaceAll(
    /\b((?:https?|wss?|postgres(?:ql)?|rediss?):\/\/)(?:[^\s"'<>\\/?#]*@)?([^\s"'<>\\/?#]*)([^\s"'<>\\]*)/gi,
    (_url, scheme: string, host: string, rest: string) =>
      `${scheme}${host}${rest === '' || rest === '/' ? rest : '/***'}`,
  )
}

/** What of a URL must not be seen: as it is written, and decoded. Short parts are no secrets, and hiding them would garble the rest. */
function secretParts(secretUrl: string): string[] {
  const url = new URL(secretUrl)
  const both = (part: string) => [part, decode(part)]
  const passwords = both(url.password).filter((part) => part !== '')
  // A database's URL names the user and the database; an RPC endpoint's can hold its key in any place.
  const others = /^postgres/.test(url.protocol)
    ? []
    : [
        url.username,
        url.pathname,
        ...url.pathname.split('/'),
        url.search.slice(1),
        ...url.search.split(/[?&=]/),
      ]
  return [...passwords, ...others.flatMap(both).filter((part) => part.length >= 8)]
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
