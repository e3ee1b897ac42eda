/**
 * One child process: started in a process group of its own, at low priority, its streams on real pipes or on a terminal.
 * Tells its end once it is gone, everything it started is gone, and its streams are empty.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { MeshError } from '../../protocols/errors.ts'
import type { Launch } from './launchers/index.ts'
import { os } from './os/index.ts'
import type { Tree } from './os/index.ts'
import type { TerminalSize } from '../terminal-size.ts'
import { release } from './pipes.ts'
import type { Pipe, Pipes } from './pipes.ts'
import type { OpenPty } from './pty.ts'

/** After the end, a pipe still held by a process nobody could find is given up. */
const DRAIN_MS = 2000

export interface ChildOptions {
  /** Of its processes, and part of `env`. */
  mark: string
  launch: Launch
  cwd: string
  env: Readonly<Record<string, string>>
  stdin: boolean
  /** In a terminal of this size. */
  terminal?: { open: OpenPty; size: TerminalSize } | undefined
  onOutput(stream: 1 | 2, bytes: Buffer): void
}
export interface ChildEnd {
  code: number | null
  signal: string | null
}

/** A program as the OS has started it. */
export interface Started {
  pid: number
  /** Of the process; what it wrote last may still be on its way. */
  exited: Promise<ChildEnd>
  /** stdout and stderr, or all that a terminal shows. */
  outputs: Readable[]
  input: ChildInput | undefined
  /** Of a terminal. */
  resize?(size: TerminalSize): void
}
export interface ChildInput {
  /** Calls queue up in order. Resolves when the system has taken the bytes. Rejects HOST_FAILED when it takes no more. */
  write(bytes: Uint8Array): Promise<void>
  end(): void
  destroy(): void
}

export class Child {
  readonly pid: number
  readonly #tree: Tree
  readonly #started: Started
  readonly #outputs: Readable[]
  /** Resolves once, after the last output. */
  readonly ended: Promise<ChildEnd>
  #exited = false

  private constructor(started: Started, tree: Tree, options: ChildOptions) {
    this.pid = tree.leader
    this.#started = started
    this.#tree = tree
    this.#outputs = started.outputs
    started.outputs.forEach((stream, index) => {
      stream.on('data', (bytes: Buffer) => options.onOutput(index === 0 ? 1 : 2, bytes))
      stream.on('error', () => stream.destroy())
    })
    this.ended = this.#end()
  }

  /** Rejects HOST_FAILED with what the OS said. */
  static async start(options: ChildOptions, pipes: Pipes, mayStart: () => void): Promise<Child> {
    const { terminal } = options
    const { started, forksBefore } =
      terminal === undefined
        ? await startOnPipes(options, pipes, mayStart)
        : startInTerminal(options, terminal, mayStart)
    os.lowerPriority(started.pid)
    const hasTerminal = terminal !== undefined
    return new Child(started, { mark: options.mark, leader: started.pid, hasTerminal, forksBefore }, options)
  }

  /** Resolves when the bytes are in the pipe. Rejects HOST_FAILED when the program takes no more. */
  async input(bytes: Uint8Array): Promise<void> {
    const { input } = this.#started
    if (input === undefined || this.#exited) throw new MeshError('HOST_FAILED', 'the program takes no input (any more)')
    await input.write(bytes)
  }

  endInput(): void {
    this.#started.input?.end()
  }

  resize(size: TerminalSize): void {
    if (!this.#exited) this.#started.resize?.(size)
  }

  /** The program waits in its next write when its pipes are full: nothing is lost. */
  pauseOutput(paused: boolean): void {
    if (this.#exited) return // what is left fits the pipes
    for (const stream of this.#outputs) paused ? stream.pause() : stream.resume()
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#exited) return
    if (signal === 'SIGKILL') return void os.signalTree(this.#tree, 'SIGKILL')
    os.signalGroup(this.pid, signal)
    // A shell at a terminal is deaf to TERM, and ends its jobs and itself when the terminal hangs up.
    if (signal === 'SIGTERM' && this.#started.resize !== undefined) os.signalGroup(this.pid, 'SIGHUP')
  }

  freeze(): void {
    if (!this.#exited) os.signalTree(this.#tree, os.canFreeze ? 'SIGSTOP' : 'SIGKILL')
  }

  thaw(): void {
    if (!this.#exited) os.signalTree(this.#tree, 'SIGCONT')
  }

  async #end(): Promise<ChildEnd> {
    const end = await this.#started.exited
    this.#exited = true
    os.signalTree(this.#tree, 'SIGKILL')
    this.#started.input?.destroy()
    await this.#drained()
    return end
  }

  async #drained(): Promise<void> {
    const ends = this.#outputs.map((stream) => {
      stream.resume()
      return stream.readableEnded || stream.destroyed ? Promise.resolve() : once(stream, 'close').then(() => {})
    })
    let timer: NodeJS.Timeout | undefined
    const givenUp = new Promise<void>((resolve) => (timer = setTimeout(resolve, DRAIN_MS)))
    await Promise.race([Promise.allSettled(ends), givenUp])
    clearTimeout(timer)
    for (const stream of this.#outputs) stream.destroy()
  }
}

interface Start {
  started: Started
  forksBefore: number | undefined
}

function startInTerminal(
  { launch, cwd, env }: ChildOptions,
  { open, size }: NonNullable<ChildOptions['terminal']>,
  mayStart: () => void
): Start {
  mayStart()
  const forksBefore = os.forks()
  try {
    return { started: open({ launch, cwd, env, size }), forksBefore }
  } catch (error) {
    throw startError(launch.file, error as Error)
  }
}

async function startOnPipes(options: ChildOptions, pipes: Pipes, mayStart: () => void): Promise<Start> {
  const taken = await pipes.take(options.stdin ? ['output', 'output', 'input'] : ['output', 'output'])
  try {
    mayStart()
    const forksBefore = os.forks()
    const child = spawnChild(options, taken)
    const pid = await pidOf(child, options.launch.file)
    const [stdout, stderr, stdin] = taken?.map((pipe) => pipe.ours) ?? [child.stdout!, child.stderr!, child.stdin]
    const started = {
      pid,
      exited: exitOf(child),
      outputs: [stdout as Readable, stderr as Readable],
      input: stdin ? pipeInput(stdin as Writable) : undefined
    }
    return { started, forksBefore }
  } catch (error) {
    for (const pipe of taken ?? []) pipe.ours.destroy()
    throw error
  } finally {
    for (const pipe of taken ?? []) release(pipe)
  }
}

async function exitOf(child: ChildProcess): Promise<ChildEnd> {
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
  return { code, signal: signal?.replace(/^SIG/, '') ?? null }
}

function pipeInput(stdin: Writable): ChildInput {
  let broken: Error | undefined
  stdin.on('error', (error) => (broken = error))
  return {
    async write(bytes) {
      if (broken !== undefined || stdin.destroyed)
        throw new MeshError('HOST_FAILED', 'the program takes no input (any more)')
      await new Promise<void>((resolve, reject) =>
        stdin.write(bytes, (error) =>
          error ? reject(new MeshError('HOST_FAILED', `the program takes no more input: ${error.message}`)) : resolve()
        )
      )
    },
    end: () => void stdin.end(),
    destroy: () => void stdin.destroy()
  }
}

function spawnChild({ launch, cwd, env, stdin }: ChildOptions, pipes: readonly Pipe[] | undefined): ChildProcess {
  const [out, err, input] = pipes ?? []
  try {
    return spawn(launch.file, [...launch.args], {
      cwd,
      env: { ...env },
      detached: true,
      windowsHide: true,
      windowsVerbatimArguments: launch.verbatim ?? false,
      ...(launch.argv0 === undefined ? {} : { argv0: launch.argv0 }),
      stdio: [input?.child ?? (stdin ? 'pipe' : 'ignore'), out?.child ?? 'pipe', err?.child ?? 'pipe']
    })
  } catch (error) {
    throw startError(launch.file, error as Error)
  }
}

async function pidOf(child: ChildProcess, file: string): Promise<number> {
  if (child.pid !== undefined) {
    child.on('error', () => {}) // a signal that came too late
    return child.pid
  }
  const [error] = (await once(child, 'error').catch((thrown: Error) => [thrown])) as [Error]
  throw startError(file, error)
}

function startError(file: string, error: Error): MeshError {
  return new MeshError('HOST_FAILED', `cannot start ${file}: ${error.message}`, { cause: error })
}
