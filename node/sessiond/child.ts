/**
 * One child process: started in a process group of its own, at low priority, its streams on real pipes. Tells its end
 * once it is gone, everything it started is gone, and its pipes are empty.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { MeshError } from '../../protocols/errors.ts'
import type { Launch } from './launchers/index.ts'
import { os } from './os/index.ts'
import type { Tree } from './os/index.ts'
import { release } from './pipes.ts'
import type { Pipe, Pipes } from './pipes.ts'

/** After the end, a pipe still held by a process nobody could find is given up. */
const DRAIN_MS = 2000

export interface ChildOptions {
  /** Of its processes, and part of `env`. */
  mark: string
  launch: Launch
  cwd: string
  env: Readonly<Record<string, string>>
  stdin: boolean
  onOutput(stream: 1 | 2, bytes: Buffer): void
}
export interface ChildEnd {
  code: number | null
  signal: string | null
}

export class Child {
  readonly pid: number
  readonly #tree: Tree
  readonly #process: ChildProcess
  readonly #outputs: Readable[]
  #stdin: Writable | undefined
  /** Resolves once, after the last output. */
  readonly ended: Promise<ChildEnd>
  #exited = false

  private constructor(
    child: ChildProcess,
    tree: Tree,
    outputs: Readable[],
    stdin: Writable | undefined,
    options: ChildOptions
  ) {
    this.pid = tree.leader
    this.#process = child
    this.#tree = tree
    this.#outputs = outputs
    this.#stdin = stdin
    stdin?.on('error', () => (this.#stdin = undefined))
    outputs.forEach((stream, index) => {
      stream.on('data', (bytes: Buffer) => options.onOutput(index === 0 ? 1 : 2, bytes))
      stream.on('error', () => stream.destroy())
    })
    this.ended = this.#end()
  }

  /** Rejects HOST_FAILED with what the OS said. */
  static async start(options: ChildOptions, pipes: Pipes, mayStart: () => void): Promise<Child> {
    const taken = await pipes.take(options.stdin ? ['output', 'output', 'input'] : ['output', 'output'])
    try {
      mayStart()
      const forksBefore = os.forks()
      const child = spawnChild(options, taken)
      const pid = await pidOf(child, options.launch.file)
      os.lowerPriority(pid)
      const [stdout, stderr, stdin] = taken?.map((pipe) => pipe.ours) ?? [
        child.stdout!,
        child.stderr!,
        child.stdin ?? undefined
      ]
      return new Child(
        child,
        { mark: options.mark, leader: pid, forksBefore },
        [stdout as Readable, stderr as Readable],
        stdin as Writable | undefined,
        options
      )
    } catch (error) {
      for (const pipe of taken ?? []) pipe.ours.destroy()
      throw error
    } finally {
      for (const pipe of taken ?? []) release(pipe)
    }
  }

  /** Resolves when the bytes are in the pipe. Rejects HOST_FAILED when the program takes no more. */
  async input(bytes: Uint8Array): Promise<void> {
    const stdin = this.#stdin
    if (stdin === undefined || stdin.destroyed)
      throw new MeshError('HOST_FAILED', 'the program takes no input (any more)')
    await new Promise<void>((resolve, reject) =>
      stdin.write(bytes, (error) =>
        error ? reject(new MeshError('HOST_FAILED', `the program takes no more input: ${error.message}`)) : resolve()
      )
    )
  }

  endInput(): void {
    this.#stdin?.end()
  }

  /** The program waits in its next write when its pipes are full: nothing is lost. */
  pauseOutput(paused: boolean): void {
    if (this.#exited) return // what is left fits the pipes
    for (const stream of this.#outputs) paused ? stream.pause() : stream.resume()
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#exited) return
    if (signal === 'SIGKILL') os.signalTree(this.#tree, 'SIGKILL')
    else os.signalGroup(this.pid, signal)
  }

  freeze(): void {
    if (!this.#exited) os.signalTree(this.#tree, os.canFreeze ? 'SIGSTOP' : 'SIGKILL')
  }

  thaw(): void {
    if (!this.#exited) os.signalTree(this.#tree, 'SIGCONT')
  }

  async #end(): Promise<ChildEnd> {
    const [code, signal] = (await once(this.#process, 'exit')) as [number | null, NodeJS.Signals | null]
    this.#exited = true
    os.signalTree(this.#tree, 'SIGKILL')
    this.#stdin?.destroy()
    await this.#drained()
    return { code, signal: signal?.replace(/^SIG/, '') ?? null }
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
