import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { createWorkerId, isKnownDead } from '../../worker/worker-id.ts'

const own = createWorkerId()
const withPid = (pid: number) => own.replace(`/${process.pid}/`, `/${pid}/`)

test('no two ids are the same', () => {
  expect(createWorkerId()).not.toBe(own)
})

test('a process is known dead when it has ended, not while it runs', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  const id = withPid(child.pid ?? 0)
  expect(isKnownDead(id, own)).toBe(false)
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
  expect(isKnownDead(id, own)).toBe(true)
})

test('this process is alive; another one that had its number is dead', () => {
  expect(isKnownDead(own, own)).toBe(false)
  expect(isKnownDead(createWorkerId(), own)).toBe(true)
})

test('nothing is known of other machines, other containers, and ids of other forms', () => {
  expect(isKnownDead(`elsewhere:1/${process.pid}/abc`, own)).toBe(false)
  expect(isKnownDead(`x${own}`, own)).toBe(false)
  expect(isKnownDead('worker-1', own)).toBe(false)
})
