/**
 * A program in a terminal of its own, and all in which the systems differ there: Linux and macOS have ptys, Windows has
 * ConPTY. On the first two the native part of node-pty is used without its stream: that one drops what a paused reader has
 * not taken 200 ms after the end, and waits inside a write for a program that does not read.
 */
import { accessSync, closeSync, constants as fsConstants, openSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants, homedir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { ReadStream } from 'node:tty'
import { MeshError } from '../../protocols/errors.ts'
import type { TerminalSize } from '../terminal-size.ts'
import type { Launch } from './launchers/index.ts'
import type { ChildEnd, Started } from './child.ts'

/** What a program is told to write for where nobody said, or this PC does not know theirs. */
const TERM = 'xterm-256color'
/** How often a program that takes no input is tried again. */
const RETRY_MS = [2, 5, 10, 20, 50]
/** End of file, for a program that reads lines. */
const EOT = 4
const NEWLINE = 10

export interface PtyOptions {
  launch: Launch
  cwd: string
  env: Readonly<Record<string, string>>
  size: TerminalSize
}
export interface Pty extends Started {
  resize(size: TerminalSize): void
}
export type OpenPty = (options: PtyOptions) => Pty

let opened: OpenPty | { missing: string } | undefined

/** How to start a program in a terminal here, or in words why there are none. */
export function terminals(): OpenPty | { missing: string } {
  return (opened ??= load())
}

function load(): OpenPty | { missing: string } {
  const require = createRequire(import.meta.url)
  try {
    if (process.platform === 'win32') {
      const { spawn } = require('@lydell/node-pty') as typeof import('@lydell/node-pty')
      return (options) => openConsole(spawn, options)
    }
    const { requireBinary } = require('@lydell/node-pty/requireBinary.js') as { requireBinary(file: string): Native }
    const native = requireBinary('pty.node')
    const helper =
      process.platform === 'darwin' ? require.resolve(`@lydell/node-pty-darwin-${process.arch}/spawn-helper`) : ''
    return (options) => openUnix(native, helper, options)
  } catch (error) {
    return { missing: (error as Error).message.split('\n')[0]!.slice(0, 300) }
  }
}

/** The environment of a program in a terminal; `term`: the kind that the person has. */
export function terminalEnv(env: Readonly<Record<string, string>>, term: string | undefined): Record<string, string> {
  const { LINES: _lines, COLUMNS: _columns, ...rest } = env
  return { ...rest, TERM: term !== undefined && isDescribed(term, env) ? term : TERM }
}

/** A program cannot draw for a terminal that its PC has no description of. */
function isDescribed(term: string, env: Readonly<Record<string, string>>): boolean {
  if (process.platform === 'win32' || !/^[\w.+-]+$/.test(term)) return process.platform === 'win32'
  const own = [env.TERMINFO, join(homedir(), '.terminfo'), ...(env.TERMINFO_DIRS ?? '').split(':')]
  const folders = [...own, '/etc/terminfo', '/lib/terminfo', '/usr/share/terminfo', '/usr/local/share/terminfo']
  const names = [term[0]!, term.charCodeAt(0).toString(16)]
  return folders.some((folder) => folder && names.some((name) => isReadable(join(folder, name, term))))
}

function isReadable(path: string): boolean {
  try {
    accessSync(path)
    return true
  } catch {
    return false
  }
}

// ---- Linux and macOS ----

interface Native {
  fork(
    file: string,
    args: readonly string[],
    env: readonly string[],
    cwd: string,
    columns: number,
    rows: number,
    uid: number,
    gid: number,
    utf8: boolean,
    helper: string,
    onExit: (code: number, signal: number) => void
  ): { fd: number; pid: number; pty: string }
  resize(fd: number, columns: number, rows: number): void
}

function openUnix(native: Native, helper: string, { launch, cwd, env, size }: PtyOptions): Pty {
  let onExit: (end: ChildEnd) => void = () => {}
  const exited = new Promise<ChildEnd>((resolve) => (onExit = resolve))
  const pairs = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  const { columns, rows } = size
  const forked = native.fork(launch.file, launch.args, pairs, cwd, columns, rows, -1, -1, true, helper, (code, n) => {
    if (programSide !== undefined) closeSync(programSide)
    onExit(n === 0 ? { code, signal: null } : { code: null, signal: signalName(n) })
  })
  const { fd, pid } = forked
  const programSide = openProgramSide(forked.pty)
  const output = new ReadStream(fd)
  return {
    pid,
    exited,
    outputs: [output],
    input: new PtyInput(fd, output),
    resize: ({ columns: wide, rows: high }) => {
      if (!output.destroyed) native.resize(fd, wide, high)
    }
  }
}

/**
 * Held until the program has ended. Many close their streams a moment earlier; the terminal would then be over for us, we
 * would let go of it, and the program would die of that hang-up instead of its own exit code.
 */
function openProgramSide(path: string): number | undefined {
  try {
    return openSync(path, fsConstants.O_RDWR | fsConstants.O_NOCTTY)
  } catch {
    return undefined // it has ended already
  }
}

/** The descriptor never blocks, so a write takes what fits; the rest waits for the program. */
class PtyInput {
  readonly #fd: number
  readonly #owner: ReadStream
  #last = NEWLINE
  #writing: Promise<void> = Promise.resolve()

  constructor(fd: number, owner: ReadStream) {
    this.#fd = fd
    this.#owner = owner
  }

  write(bytes: Uint8Array): Promise<void> {
    const done = this.#writing.then(() => this.#write(bytes))
    this.#writing = done.catch(() => {})
    return done
  }

  /** A terminal has no end; a program that reads lines takes this for one. Within a line it takes two. */
  end(): void {
    void this.#writing.then(() =>
      this.write(this.#last === NEWLINE ? Uint8Array.of(EOT) : Uint8Array.of(EOT, EOT)).catch(() => {})
    )
  }

  destroy(): void {}

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0, tries = 0; at < bytes.length;) {
      // Once it is closed the number may be another file's.
      if (this.#owner.destroyed) throw new MeshError('HOST_FAILED', 'the program takes no input (any more)')
      try {
        at += writeSync(this.#fd, bytes, at)
        tries = 0
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN')
          throw new MeshError('HOST_FAILED', `the program takes no more input: ${(error as Error).message}`)
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)]))
      }
    }
    this.#last = bytes.at(-1) ?? this.#last
  }
}

function signalName(number: number): string {
  const found = Object.entries(constants.signals).find(([, value]) => value === number)
  return found?.[0].replace(/^SIG/, '') ?? String(number)
}

// ---- Windows: written from node-pty's description, never run ----

function openConsole(spawn: typeof import('@lydell/node-pty').spawn, { launch, cwd, env, size }: PtyOptions): Pty {
  const args = launch.verbatim === true ? launch.args.join(' ') : [...launch.args]
  const console_ = spawn(launch.file, args, { cols: size.columns, rows: size.rows, cwd, env: { ...env } })
  const output = new Readable({ read: () => console_.resume() })
  console_.onData((text) => {
    if (!output.push(Buffer.from(text))) console_.pause()
  })
  const exited = new Promise<ChildEnd>((resolve) =>
    console_.onExit(({ exitCode }) => {
      output.push(null)
      resolve({ code: exitCode, signal: null })
    })
  )
  return {
    pid: console_.pid,
    exited,
    outputs: [output],
    input: {
      write: async (bytes) => console_.write(Buffer.from(bytes).toString()),
      end: () => console_.write('\x1a\r'),
      destroy: () => {}
    },
    resize: ({ columns, rows }) => console_.resize(columns, rows)
  }
}
