// Runs the program named by its arguments and ends it when the process that forked this one is gone, however it went.
// A native program has no way to notice that by itself.
import { spawn } from 'node:child_process'

const [, , program, ...args] = process.argv
const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] })

const end = () => child.kill('SIGKILL')
process.on('disconnect', end)
process.on('SIGTERM', end)
child.on('error', (error) => {
  console.error(error.message)
  process.exit(1)
})
child.on('exit', (code) => process.exit(code ?? 0))
// Whoever forked us may be gone already: then 'disconnect' has been, and to send would throw.
if (process.connected) process.send({ pid: child.pid }, (error) => error && end())
else end()
