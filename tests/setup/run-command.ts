/**
 * Runs one command of a test stage in a process group of its own, with a limit. A hung one is ended, the group whole, and
 * its output is there to be shown.
 */
import { spawn } from 'node:child_process'
import { delimiter, join } from 'node:path'

export const root = join(import.meta.dirname, '..', '..')
/** Kept for showing when a quiet command fails. */
const OUTPUT_MAX = 200_000
const GRACE_MS = 5_000

export interface Ran {
  code: number
  output: string
  timedOut: boolean
  seconds: number
}
interface RunOptions {
  limitMs: number
  /** Show the output as it comes instead of keeping it for a failure. */
  live?: boolean
  env?: Record<string, string>
}

const running = new Set<() => void>()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    for (const kill of running) kill()
    process.exitCode = 130
  })
}

export function runCommand(argv: string[], options: RunOptions): Promise<Ran> {
  const startedAt = performance.now()
  const [program = '', ...args] = argv
  const path = join(root, 'node_modules', '.bin') + delimiter + (process.env.PATH ?? '')
  const colour = process.stdout.isTTY ? { FORCE_COLOR: '1' } : { NO_COLOR: '1' }
  const env = { ...process.env, ...colour, ...options.env, PATH: path }
  const child = spawn(program, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let output = ''
  let timedOut = false
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      if (options.live) process.stdout.write(text)
      output = (output + text).slice(-OUTPUT_MAX)
    })
  }
  const kill = () => {
    killGroup(child.pid, 'SIGTERM')
    setTimeout(() => killGroup(child.pid, 'SIGKILL'), GRACE_MS).unref()
  }
  running.add(kill)
  const limit = setTimeout(() => {
    timedOut = true
    kill()
  }, options.limitMs)

  return new Promise((resolve) => {
    const finish = (code: number) => {
      clearTimeout(limit)
      running.delete(kill)
      resolve({ code, output, timedOut, seconds: (performance.now() - startedAt) / 1000 })
    }
    child.on('error', (error) => {
      output += `${program}: ${error.message}\n`
      finish(127)
    })
    // 'exit' and not 'close': something the command left behind may hold its output open for ever.
    child.on('exit', (code) => setTimeout(() => finish(code ?? 1), 50))
  })
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // The group has ended by itself.
  }
}
