import { createHash } from 'node:crypto'

const lengthMax = 200
const prefix = 'sha256:'

/**
 * The text itself, or its hash if it is longer than 200 characters: tags can be a megabyte. What looks like a hash is hashed, too, so
 * that nobody can write a tag that stands for another one.
 */
export function shortKey(text: string): string {
  if (text.length <= lengthMax && !text.startsWith(prefix)) return text
  return prefix + createHash('sha256').update(text).digest('hex')
}
