// Loaded by Ponder's process before Ponder itself. Plain JavaScript, because nothing that reads TypeScript is there yet.
// Ponder never outlives its supervisor: the channel closes however that one ends, kill -9 included.
process.on('disconnect', () => {
  process.kill(process.pid, 'SIGTERM')
  setTimeout(() => process.exit(1), 4000).unref()
})
// Listening alone would keep a process alive that has nothing else to do.
process.channel?.unref()
