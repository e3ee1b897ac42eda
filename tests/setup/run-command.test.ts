import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { until } from '../mesh/harness/until.ts'
import { runCommand } from './run-command.ts'

test('a command that ends gives its code and both of its outputs', async () => {
  const ran = await runCommand(['sh', '-c', 'echo out; echo err >&2; exit 3'], { limitMs: 60_000 })
  expect(ran).toMatchObject({ code: 3, timedOut: false })
  expect(ran.output.split('\n').filter(Boolean).sort()).toEqual(['err', 'out'])
})

test('a command that hangs is ended with what it started, and its output is kept', async () => {
  const ran = await runCommand(['sh', '-c', 'sleep 600 & echo "child $!"; wait'], { limitMs: 300 })
  expect(ran.timedOut).toBe(true)
  const child = Number(/child (\d+)/.exec(ran.output)?.[1])
  expect(child).toBeGreaterThan(0)
  await until(() => !isRunning(child), { what: `end of process ${child}` })
})

test('a program that does not exist is a failure that names it', async () => {
  const ran = await runCommand(['no-such-program-here'], { limitMs: 60_000 })
  expect(ran).toMatchObject({ code: 127, timedOut: false })
  expect(ran.output).toContain('no-such-program-here')
})

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  // A zombie that nobody collects has ended all the same.
  const status = `/proc/${pid}/status`
  return !existsSync(status) || !/^State:\s*Z/m.test(readFileSync(status, 'utf8'))
}
