/**
 * Real pipes for the standard streams of children, on Linux. Node gives a child sockets, and there a socket cannot be
 * opened again: `tee /dev/stderr` and `cat /dev/stdin` would fail. Node cannot make a pipe, but a shell does for each `|`:
 * a pipeline of waiting subshells lends its pipes through /proc, both ends are opened here, and it is let go.
 */
import { spawn } from 'node:child_process'
import { closeSync, constants, openSync, readlinkSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Readable } from 'node:stream'

/** Some eight children with all three streams; a subshell takes a third of a millisecond to start. */
const BATCH = 24
const LOW = 12
const LEND = `p() { read -r pid rest </proc/self/stat; echo "$pid" >&4; read -r end <&3; }; ${Array(BATCH + 1)
  .fill('p')
  .join('|')}`

/** `child` is given to spawn and closed by `release` after; `ours` is the other end. */
export interface Pipe {
  child: number
  ours: Socket
}
interface Ends {
  reads: number
  writes: number
}

export class Pipes {
  #ready: Ends[] = []
  #filling: Promise<void> | undefined
  /** In words: why there are none; children get sockets then. */
  #trouble: string | undefined

  constructor() {
    // Elsewhere /dev/stdin is the stream itself, whatever it is.
    if (process.platform !== 'linux') this.#trouble = 'not needed on this OS'
    void this.#fill()
  }

  /** One pipe for each; undefined: this PC has none. Waits while new ones are made. */
  async take(directions: readonly ('input' | 'output')[]): Promise<Pipe[] | undefined> {
    while (this.#trouble === undefined && this.#ready.length < directions.length) await this.#fill()
    if (this.#trouble !== undefined) return undefined
    const pipes = directions.map((direction) => asPipe(this.#ready.pop()!, direction))
    if (this.#ready.length < LOW) void this.#fill()
    return pipes
  }

  #fill(): Promise<void> {
    if (this.#trouble !== undefined) return Promise.resolve()
    this.#filling ??= borrow().then(
      (ends) => {
        this.#ready.push(...ends)
        this.#filling = undefined
      },
      (error: Error) => {
        this.#trouble = error.message
        this.#filling = undefined
        console.error(`programs get sockets for their streams: ${error.message}`)
      }
    )
    return this.#filling
  }
}

export function release(pipe: Pipe): void {
  closeSync(pipe.child)
}

function asPipe({ reads, writes }: Ends, direction: 'input' | 'output'): Pipe {
  const [child, fd] = direction === 'output' ? [writes, reads] : [reads, writes]
  return { child, ours: new Socket({ fd, readable: direction === 'output', writable: direction === 'input' }) }
}

/** Starts the lenders, opens what they hold, ends them. Rejects when not one pipe came of it. */
async function borrow(): Promise<Ends[]> {
  const shell = spawn('/bin/sh', ['-c', LEND], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe']
  })
  shell.on('error', () => {}) // then no pid comes
  const [, , , hold, report] = shell.stdio as unknown as [null, null, null, Socket, Readable]
  const ends: Ends[] = []
  let text = ''
  try {
    for await (const chunk of report) {
      text += String(chunk)
      if (text.split('\n').length > BATCH + 1) break
    }
    for (const pid of text.split('\n')) if (/^\d+$/.test(pid)) ends.push(...endsOf(pid))
  } finally {
    hold.destroy()
    report.destroy()
  }
  if (ends.length === 0) throw new Error('no pipe could be borrowed from /bin/sh')
  return ends
}

/** The pipe that a lender has as its output; the last in the row has none. */
function endsOf(pid: string): Ends[] {
  const path = `/proc/${pid}/fd/1`
  try {
    if (!readlinkSync(path).startsWith('pipe:')) return []
    const reads = openSync(path, constants.O_RDONLY)
    try {
      return [{ reads, writes: openSync(path, constants.O_WRONLY) }]
    } catch (error) {
      closeSync(reads)
      throw error
    }
  } catch {
    return []
  }
}
