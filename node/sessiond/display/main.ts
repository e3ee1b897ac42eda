/**
 * A program with windows, run on a display of its own: starts Xvnc on a socket that only this user can open, then the window
 * manager, and the program once that is ready (a window that opens earlier may never be mapped). Ends as the program
 * ends, and with it all of the display. What a person must know stands in the program's own error output.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { parseArgs } from 'node:util'
import { MeshError } from '../../../protocols/errors.ts'
import { OPENBOX_CONFIG } from './openbox.ts'
import { authorityFile, COOKIE_BYTES, watchWindows } from './x11.ts'
import type { WindowWatch } from './x11.ts'

/** Of Xvnc, and of the window manager. */
const READY_MS = 20_000
/** A program that has shown nothing for so long is worth a word. */
const NO_WINDOW_MS = 15_000
/** Programs that start another and go leave its windows behind, or will in a moment. */
const HANDED_OVER_MS = 1_000
const LOG_TAIL_BYTES = 400

interface Order {
  file: string
  args: string[]
  argv0: string | undefined
  socket: string
  folder: string
  size: string
  xvnc: string
  openbox: string
  dbusRunSession: string | undefined
}

function orderOf(argv: readonly string[]): Order {
  const text = { type: 'string' } as const
  const options = {
    socket: text,
    folder: text,
    size: text,
    xvnc: text,
    openbox: text,
    'dbus-run-session': text,
    argv0: text
  } as const
  const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true })
  const { socket, folder, size, xvnc, openbox } = values
  const [file, ...args] = positionals
  if (!file || !socket || !folder || !size || !xvnc || !openbox)
    throw new MeshError('BAD_REQUEST', 'usage: display --socket --folder --size --xvnc --openbox -- program args')
  const dbusRunSession = values['dbus-run-session']
  return { file, args, argv0: values.argv0, socket, folder, size, xvnc, openbox, dbusRunSession }
}

const say = (text: string): void => void process.stderr.write(`omega: ${text}\n`)

class DisplayRun {
  readonly #order: Order
  readonly #name: string
  readonly #cookie = randomBytes(COOKIE_BYTES)
  readonly #servants: ChildProcess[] = []
  #watch: WindowWatch | undefined
  #shown = false
  #over = false

  constructor(order: Order) {
    this.#order = order
    this.#name = order.argv0 ?? order.file
  }

  /** Resolves with the exit code, or the name of the signal, that the program ended with. */
  async run(): Promise<number | NodeJS.Signals> {
    const { folder } = this.#order
    mkdirSync(join(folder, 'runtime'), { recursive: true, mode: 0o700 })
    writeFileSync(this.#authority, authorityFile(this.#cookie), { mode: 0o600 })
    try {
      const number = await this.#startServer()
      const env = this.#environment(number)
      await this.#startWindowManager(env)
      this.#watch = await watchWindows(`/tmp/.X11-unix/X${number}`, this.#cookie, (windows) => this.#changed(windows))
      return await this.#runProgram(env)
    } finally {
      this.#end()
    }
  }

  get #authority(): string {
    return join(this.#order.folder, 'authority')
  }

  /** Resolves with the number of the display, when it can be used. */
  async #startServer(): Promise<string> {
    const { xvnc, size, socket, folder } = this.#order
    rmSync(socket, { force: true })
    const args = ['-displayfd', '3', '-geometry', size, '-depth', '24', '-dpi', '96', '-auth', this.#authority]
    // No TCP of any kind, and no password: who may open the socket may use the display, and that is this user alone.
    args.push('-nolisten', 'tcp', '-rfbport', '-1', '-rfbunixpath', socket, '-rfbunixmode', '0600')
    args.push('-SecurityTypes', 'None', '-AlwaysShared', '-AcceptSetDesktopSize=1', '-FrameRate', '60')
    args.push('-desktop', this.#name.slice(0, 100))
    const log = join(folder, 'xvnc.log')
    const server = this.#servant(xvnc, args, process.env, log, 'pipe')
    const number = await firstLine(server.stdio[3] as Readable, READY_MS)
    if (number === undefined) throw new MeshError('HOST_FAILED', `its display did not start: ${tailOf(log)}`)
    server.once('exit', () => {
      if (this.#over) return
      say(`the display of ${this.#name} has ended: ${tailOf(log)}`)
      this.#end()
      process.exit(1)
    })
    return number
  }

  async #startWindowManager(env: NodeJS.ProcessEnv): Promise<void> {
    const { openbox, folder } = this.#order
    const config = join(folder, 'openbox.xml')
    const ready = join(folder, 'ready')
    const log = join(folder, 'openbox.log')
    writeFileSync(config, OPENBOX_CONFIG)
    rmSync(ready, { force: true })
    const come = appears(ready, READY_MS)
    // Openbox runs this once it has taken the display over.
    const touch = `touch '${ready.replaceAll("'", `'\\''`)}'`
    const manager = this.#servant(openbox, ['--sm-disable', '--config-file', config, '--startup', touch], env, log)
    const died = new Promise<false>((resolve) => manager.once('exit', () => resolve(false)))
    if (!(await Promise.race([come, died])))
      throw new MeshError('HOST_FAILED', `the window manager of its display did not start: ${tailOf(log)}`)
  }

  /** In a group of its own: a polite signal to the program must not take its display away. */
  #servant(file: string, args: string[], env: NodeJS.ProcessEnv, log: string, fourth?: 'pipe'): ChildProcess {
    const errors = openSync(log, 'w', 0o600)
    const stdio = ['ignore' as const, errors, errors, ...(fourth === undefined ? [] : [fourth])]
    const child = spawn(file, args, { env, stdio, detached: true })
    closeSync(errors)
    child.on('error', (error) => {
      try {
        writeFileSync(log, error.message)
      } catch {
        // the folder is being cleared away
      }
    })
    this.#servants.push(child)
    return child
  }

  #environment(display: string): NodeJS.ProcessEnv {
    const { WAYLAND_DISPLAY: _, DBUS_SESSION_BUS_ADDRESS: __, ...env } = process.env
    return {
      ...env,
      DISPLAY: `:${display}`,
      XAUTHORITY: this.#authority,
      XDG_RUNTIME_DIR: join(this.#order.folder, 'runtime'),
      XDG_SESSION_TYPE: 'x11',
      GDK_BACKEND: 'x11',
      QT_QPA_PLATFORM: 'xcb',
      SDL_VIDEODRIVER: 'x11',
      // A program that is asked for a second window of another run would otherwise show it there.
      MOZ_NO_REMOTE: '1'
    }
  }

  async #runProgram(env: NodeJS.ProcessEnv): Promise<number | NodeJS.Signals> {
    const { file, args, argv0, dbusRunSession } = this.#order
    // A bus of its own, or a second run would only make the first open another window.
    const program =
      dbusRunSession === undefined
        ? spawn(file, args, { env, stdio: 'inherit', ...(argv0 === undefined ? {} : { argv0 }) })
        : spawn(dbusRunSession, ['--', file, ...args], { env, stdio: 'inherit' })
    // It hears the signals of its group itself; this process ends as it does.
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const) process.on(signal, () => {})
    const reminder = setTimeout(
      () => this.#shown || say(`${this.#name} has shown no window for ${NO_WINDOW_MS / 1000} s; it still runs`),
      NO_WINDOW_MS
    )
    const end = await new Promise<number | NodeJS.Signals>((resolve, reject) => {
      program.once('exit', (code, signal) => resolve(signal ?? code ?? 1))
      program.once('error', (error) => reject(new MeshError('HOST_FAILED', `cannot start ${file}: ${error.message}`)))
    })
    if (end === 0) await this.#lastWindow()
    clearTimeout(reminder)
    if (this.#shown || end !== 0) return end
    say(`${this.#name} showed no window`)
    return 1
  }

  /** Of what the program has left behind. */
  async #lastWindow(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, this.#shown ? 0 : HANDED_OVER_MS))
    while (this.#watch!.windows > 0) await new Promise<void>((resolve) => (this.#closed = resolve))
  }
  #closed: () => void = () => {}

  #changed(windows: number): void {
    if (windows > 0) this.#shown = true
    else this.#closed()
  }

  #end(): void {
    this.#over = true
    this.#watch?.close()
    for (const servant of this.#servants.reverse()) servant.kill('SIGTERM')
    rmSync(this.#order.socket, { force: true })
    rmSync(this.#order.folder, { recursive: true, force: true })
  }
}

/** Undefined when it ends or takes too long. */
async function firstLine(stream: Readable, withinMs: number): Promise<string | undefined> {
  let text = ''
  return await new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), withinMs)
    const done = (line: string | undefined): void => {
      clearTimeout(timer)
      resolve(line)
    }
    stream.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1')
      const line = /^(\d+)\n/.exec(text)?.[1]
      if (line !== undefined) done(line)
    })
    stream.on('error', () => done(undefined))
    stream.on('close', () => done(undefined))
  })
}

async function appears(file: string, withinMs: number): Promise<boolean> {
  const folder = join(file, '..')
  return await new Promise((resolve) => {
    const watcher = watch(folder, () => {
      if (existsSync(file)) done(true)
    })
    const timer = setTimeout(() => done(false), withinMs)
    const done = (is: boolean): void => {
      watcher.close()
      clearTimeout(timer)
      resolve(is)
    }
  })
}

function tailOf(log: string): string {
  try {
    const text = readFileSync(log, 'utf8').trim()
    return text === '' ? 'it said nothing' : text.slice(-LOG_TAIL_BYTES).replaceAll('\n', '; ')
  } catch {
    return 'it said nothing'
  }
}

async function main(): Promise<void> {
  try {
    const end = await new DisplayRun(orderOf(process.argv.slice(2))).run()
    if (typeof end === 'number') return process.exit(end)
    // As the program ended, so does this process, for whoever watches it.
    process.removeAllListeners(end)
    process.kill(process.pid, end)
    setTimeout(() => process.exit(128 + (constants.signals[end] ?? 0)), 1_000)
  } catch (error) {
    say((error as Error).message)
    process.exit(1)
  }
}

await main()
