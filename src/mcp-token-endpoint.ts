import ipaddr from 'ipaddr.js'

/**
 * Whether a token that was given for `bound` may be sent to `endpoint`. For a URL without path and query that is any address of
 * its origin, otherwise this one URL: where one host serves several agents, a token of one is not for its neighbour.
 */
export function coversEndpoint(bound: string, endpoint: string): boolean {
  const [allowed, asked] = [withoutFragment(bound), withoutFragment(endpoint)]
  if (allowed.pathname === '/' && allowed.search === '') return allowed.origin === asked.origin
  return allowed.href === asked.href
}

/**
 * Whether a token can go there without being read on the way: by https, or to an address of a private network or this machine,
 * which calls reach only if the operator allows it (OUTBOUND_ALLOW).
 */
export function isPrivateWay(endpoint: string): boolean {
  const { protocol, hostname } = new URL(endpoint)
  if (protocol === 'https:') return true
  const address = hostname.replace(/^\[(.*)\]$/, '$1')
  if (hostname === 'localhost') return true
  return (
    ipaddr.isValid(address) && ['loopback', 'private', 'uniqueLocal'].includes(ipaddr.parse(address).range())
  )
}

function withoutFragment(url: string): URL {
  const parsed = new URL(url)
  parsed.hash = ''
  return parsed
}
