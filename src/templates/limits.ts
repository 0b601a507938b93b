import { PermanentError } from '../errors.ts'

/** Characters of one template. */
export const templateLengthMax = 65_536

/** Of everything that one action sends. */
export const outputBytesMax = 1_048_576

/** For all strings of one template together. An honest one takes well under a millisecond; a busy machine may pause it. */
export const renderTimeMs = 1000

/** Characters and list items that the filters and loops of one string may make. */
export const renderMemory = 4_194_304

export function tooLarge(): PermanentError {
  return new PermanentError(`The template makes a body of more than ${outputBytesMax} bytes`)
}
