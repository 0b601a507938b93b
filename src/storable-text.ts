/**
 * Text from outside in a form that Postgres can keep: it has no NUL characters and no halves of UTF-16 characters.
 * Each becomes U+FFFD, the sign for "something was here".
 */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\ufffd')
}
