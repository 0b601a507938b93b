import { outputBytesMax, tooLarge } from './limits.ts'
import { isJsonText, isOutput, textOf, unwrap } from './output.ts'

/** How what a template outputs is kept from breaking out of what its author wrote around it. */
export type Escape = 'none' | 'html' | 'markdown_v2' | 'json'

/** Where Liquid writes to. It is given the author's text as text, and data wrapped as an output. */
export type Emitter = { buffer: string; write(part: unknown): void }

/** How many characters all strings of one template have made so far. */
export type Budget = { used: number }

/**
 * An emitter for one string of a template.
 *
 * @throws PermanentError from `write` when the strings of the budget get larger than anything that is sent.
 */
export function createEmitter(mode: Escape, budget: Budget): Emitter {
  const emitter = mode === 'json' ? jsonEmitter() : textEmitter(mode)
  const { write } = emitter
  emitter.write = (part) => {
    const before = emitter.buffer.length
    write(part)
    budget.used += emitter.buffer.length - before
    if (budget.used > outputBytesMax) throw tooLarge()
  }
  return emitter
}

function textEmitter(mode: Exclude<Escape, 'json'>): Emitter {
  const escapeText = escapes[mode]
  const emitter: Emitter = {
    buffer: '',
    write: (part) => {
      if (!isOutput(part)) {
        emitter.buffer += textOf(part)
        return
      }
      // A backslash just before would make an escape of ours its own, and free the character after it.
      if (mode === 'markdown_v2' && endsInBackslash(emitter.buffer)) emitter.buffer += '\\'
      const text = escapeText(textOf(unwrap(part)))
      // Nothing between two of the author's _ would make them one __, which is another mark: an empty pair keeps them apart.
      const separates = mode === 'markdown_v2' && text === '' && emitter.buffer.endsWith('_')
      emitter.buffer += separates ? '**' : text
    },
  }
  return emitter
}

/** Text of the data as the text of a document of this kind. JSON depends on where it stands: see {@link createEmitter}. */
export const escapes: Record<Exclude<Escape, 'json'>, (text: string) => string> = {
  none: (text) => text,
  html: (text) => text.replaceAll(/[&<>"']/g, (character) => htmlEntities[character] ?? ''),
  // Every character that has a meaning somewhere, the line break that ends a quotation among them; Telegram lets any of them be
  // escaped anywhere, also in code and links.
  markdown_v2: (text) => text.replaceAll(/[_*[\]()~`>#+\-=|{}.!\\\n]/g, '\\$&'),
}

// The four names that Telegram knows are among these; of the numbers it knows all.
const htmlEntities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const jsonNumber = /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/

/**
 * Reads the author's JSON as far as strings go. Inside a string data becomes more of that string; outside, it becomes a whole
 * value: numbers stay numbers with all their digits, JSON stays what it is, and all other text gets its quotes.
 */
function jsonEmitter(): Emitter {
  let inString = false
  let afterBackslash = false
  const emitter: Emitter = {
    buffer: '',
    write: (part) => {
      if (isOutput(part)) {
        const value = unwrap(part)
        if (inString) {
          const text = JSON.stringify(textOf(value)).slice(1, -1)
          // The author's lone backslash would make our first character part of an escape.
          emitter.buffer += afterBackslash ? `\\${text}` : text
          afterBackslash = false
        } else emitter.buffer += toJson(value)
        return
      }
      const text = textOf(part)
      for (let index = 0; index < text.length; index++) {
        const code = text.charCodeAt(index)
        if (!inString) inString = code === 34
        else if (afterBackslash) afterBackslash = false
        else if (code === 92) afterBackslash = true
        else if (code === 34) inString = false
      }
      emitter.buffer += text
    },
  }
  return emitter
}

function toJson(value: unknown): string {
  if (isJsonText(value)) return value.toString()
  if (typeof value === 'string' && jsonNumber.test(value)) return value
  const plain = typeof value === 'string' ? value.toWellFormed() : value
  return JSON.stringify(plain) ?? 'null'
}

function endsInBackslash(text: string): boolean {
  let count = 0
  while (text.charCodeAt(text.length - 1 - count) === 92) count++
  return count % 2 === 1
}
