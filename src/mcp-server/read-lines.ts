/** The lines of a body, as they come, until the signal is aborted. */
export async function* readLines(response: Response, signal: AbortSignal): AsyncGenerator<string> {
  const reader = response.body?.getReader()
  if (reader === undefined) return
  const stop = () => void reader.cancel().catch(() => {})
  signal.addEventListener('abort', stop, { once: true })
  try {
    const decoder = new TextDecoder()
    let rest = ''
    while (!signal.aborted) {
      const { done, value } = await reader.read()
      const lines = (rest + decoder.decode(value, { stream: !done })).split('\n')
      rest = lines.pop() ?? ''
      yield* lines
      if (done) break
    }
    if (rest !== '') yield rest
  } finally {
    signal.removeEventListener('abort', stop)
    stop()
  }
}
