/** An answer other than success to a request. `text` is the beginning of its body. */
export class McpHttpError extends Error {
  override name = 'McpHttpError'
  readonly status: number
  readonly text: string
  readonly retryAfterMs: number | undefined

  constructor(status: number, text: string, retryAfterMs?: number) {
    super(`HTTP ${status}${text === '' ? '' : `: ${text}`}`)
    this.status = status
    this.text = text
    this.retryAfterMs = retryAfterMs
  }
}
