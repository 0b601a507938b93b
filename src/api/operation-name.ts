/**
 * The operationId of a route, made of its method and path, so that it changes only when these do: `listTriggers`,
 * `readTrigger`, `retryDelivery`, `rotateDestinationSecret`. Generated clients take their names from it.
 */
export function operationName(method: string, path: string): string {
  const segments = path.split('/').filter((segment) => segment !== '' && !/^v\d+$/.test(segment))
  const nouns = segments.flatMap((segment, index) => {
    if (segment.startsWith('{')) return []
    // What is followed by an id is one of many.
    return [segments[index + 1]?.startsWith('{') === true ? singular(segment) : segment]
  })
  const last = nouns.at(-1) ?? ''
  const isOne = segments.at(-1)?.startsWith('{') === true
  const isMany = !isOne && last.endsWith('s')
  if (method === 'post' && !isOne && !isMany) return camel([last, ...nouns.slice(0, -1)])
  if (method === 'post') return camel(['create', ...nouns.slice(0, -1), singular(last)])
  const verbs: Record<string, string> = { put: 'replace', patch: 'change', delete: 'delete' }
  return camel([verbs[method] ?? (isMany ? 'list' : 'read'), ...nouns])
}

function singular(noun: string): string {
  return noun.endsWith('ies') ? `${noun.slice(0, -3)}y` : noun.replace(/s$/, '')
}

function camel(words: readonly string[]): string {
  const parts = words.join('-').split(/[^\dA-Za-z]+/)
  return parts
    .filter((part) => part !== '')
    .map((part, index) => (index === 0 ? part : `${part.charAt(0).toUpperCase()}${part.slice(1)}`))
    .join('')
}
