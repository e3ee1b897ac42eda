/**
 * Real pipes for the standard streams of children. Node gives a child sockets, which programs cannot open again: there
 * `tee /dev/stderr` and `cat /dev/stdin` fail. So named pipes are made ahead, some at a time, opened on both ends and unlinked.
 */
import { execFile } from 'node:child_process'
import { closeSync, constants, mkdirSync, openSync, rmSync, unlinkSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'

/** One start of mkfifo serves ten children with all three streams. */
const BATCH = 30
const LOW = 12

/** `child` is given to spawn and closed by `release` after; `ours` is the other end. */
export interface Pipe {
  child: number
  ours: Socket
}

export class Pipes {
  readonly #folder: string
  #ready: string[] = []
  #made = 0
  #filling: Promise<void> | undefined
  /** In words: why this PC has no named pipes; then children get sockets. */
  #trouble: string | undefined

  constructor(folder: string) {
    this.#folder = folder
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    if (process.platform === 'win32') this.#trouble = 'Windows has none'
  }

  get trouble(): string | undefined {
    return this.#trouble
  }

  /** One pipe for each; undefined: this PC has none. Waits while new ones are made. */
  async take(directions: readonly ('input' | 'output')[]): Promise<Pipe[] | undefined> {
    while (this.#trouble === undefined && this.#ready.length < directions.length) await this.#fill()
    if (this.#trouble !== undefined) return undefined
    const pipes: Pipe[] = []
    try {
      for (const direction of directions) pipes.push(this.#open(direction))
      return pipes
    } catch (error) {
      for (const pipe of pipes) {
        release(pipe)
        pipe.ours.destroy()
      }
      throw error
    }
  }

  #open(direction: 'input' | 'output'): Pipe {
    const path = this.#ready.pop()!
    if (this.#ready.length < LOW) void this.#fill()
    const [childMode, ourMode] =
      direction === 'output' ? [constants.O_WRONLY, constants.O_RDONLY] : [constants.O_RDONLY, constants.O_WRONLY]
    // Held open both ways for a moment: then neither of the real ends waits for the other.
    const open = [openSync(path, constants.O_RDWR | constants.O_NONBLOCK)]
    try {
      open.push(openSync(path, childMode))
      open.push(openSync(path, ourMode | constants.O_NONBLOCK))
      const ours = new Socket({ fd: open[2]!, readable: direction === 'output', writable: direction === 'input' })
      return { child: open[1]!, ours }
    } catch (error) {
      for (const fd of open.slice(1)) closeSync(fd)
      throw error
    } finally {
      closeSync(open[0]!)
      unlinkSync(path)
    }
  }

  #fill(): Promise<void> {
    if (this.#trouble !== undefined) return Promise.resolve()
    this.#filling ??= new Promise((resolve) => {
      const names = Array.from({ length: BATCH }, () => join(this.#folder, String(this.#made++)))
      execFile('mkfifo', ['-m', '600', ...names], (error) => {
        this.#filling = undefined
        if (error === null) this.#ready.push(...names)
        else this.#trouble = `no named pipes on this PC: ${error.message.trim()}`
        resolve()
      })
    })
    return this.#filling
  }
}

export function release(pipe: Pipe | undefined): void {
  if (pipe !== undefined) closeSync(pipe.child)
}
