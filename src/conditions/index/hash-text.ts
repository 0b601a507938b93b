/** What no text has for a hash. */
export const noHash = -1

/** So much of a text is looked at: longer than an address or a hash. A tag can have a megabyte. */
const charactersMax = 80

/**
 * A number from 0 to 2^30 - 1 for a text (FNV-1a). The index compares and looks up these rather than the texts, which lie elsewhere in
 * memory: two texts with one hash make a candidate too many, and a candidate is evaluated.
 */
export function hashText(text: string): number {
  const end = Math.min(text.length, charactersMax)
  let hash = 0x811c9dc5 ^ text.length
  for (let place = 0; place < end; place += 1) hash = Math.imul(hash ^ text.charCodeAt(place), 0x01000193)
  // The high bits of a product depend on all of the text.
  return (hash ^ (hash >>> 15)) & 0x3fffffff
}
