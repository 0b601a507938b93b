// Loaded by Ponder's process before Ponder itself. Plain JavaScript, because nothing that reads TypeScript is there yet.
// Ponder never outlives its supervisor, however that one ended. A thread of its own watches for it: when the supervisor is
// gone nobody reads Ponder's output, and its logger then blocks the main thread for good (sonic-boom retries EPIPE).
// SIGKILL, because Ponder's own way out logs. What a kill leaves behind is put right before the next start.
import { isMainThread, Worker } from 'node:worker_threads'

if (isMainThread) {
  const watch = `
    setInterval(() => {
      if (process.ppid !== ${process.ppid}) process.kill(process.pid, 'SIGKILL')
    }, 250)`
  new Worker(watch, { eval: true, execArgv: [], env: {} }).unref()
}
