/** A command that a test started: what it printed so far, what it is sent, how it ends. */
import type { ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from './until.ts'

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export class Running {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>
  /** Resolves when the process has ended and both outputs are closed. */
  readonly ended: Promise<Ended>
  stdout = ''
  stderr = ''

  constructor(child: ChildProcessByStdio<Writable, Readable, Readable>) {
    this.child = child
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    // A program may end without reading what it is sent.
    child.stdin.on('error', () => {})
    this.ended = new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code, signal) => resolve({ code, signal, stdout: this.stdout, stderr: this.stderr }))
    })
    this.ended.catch(() => {}) // whoever waits is told; nobody has to wait
  }

  /** Resolves when the text stands in stdout or stderr. */
  async prints(text: string | RegExp, withinMs?: number): Promise<string> {
    const found = () =>
      [this.stdout, this.stderr].find((out) => (typeof text === 'string' ? out.includes(text) : text.test(out)))
    const what = `${text} in the output of ${this.child.spawnargs.slice(-4).join(' ')}`
    const more = () => `stdout:\n${this.stdout.slice(-2000)}\nstderr:\n${this.stderr.slice(-2000)}`
    return await until(found, { what, more, everyMs: 20, ...(withinMs !== undefined && { withinMs }) })
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  /** `ended`, or a failure with all that was printed when it does not end in time. */
  async end(withinMs: number): Promise<Ended> {
    const late = new AbortController()
    const timeout = sleep(withinMs, 'late' as const, { signal: late.signal, ref: false }).catch(() => 'late' as const)
    const first = await Promise.race([this.ended, timeout])
    late.abort()
    if (first !== 'late') return first
    this.kill('SIGKILL')
    const command = this.child.spawnargs.join(' ')
    throw new Error(
      `did not end within ${withinMs / 1000} s: ${command}\nstdout:\n${this.stdout}\nstderr:\n${this.stderr}`
    )
  }
}
