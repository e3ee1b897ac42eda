/**
 * One run: a session's program on this PC in one epoch, from the order to the report of its end. Says `started` or
 * `notStarted` once, then `exited` once; the report is on disk before it is sent.
 */
import { join } from 'node:path'
import { MeshError } from '../../protocols/errors.ts'
import type { ChildReport, DisplaySpec, Exit, RunOrder } from '../../protocols/ports.ts'
import { encodeSize, smallestOf } from '../terminal-size.ts'
import type { TerminalSize } from '../terminal-size.ts'
import { displaySocket } from './address.ts'
import { Child } from './child.ts'
import type { ChildEnd } from './child.ts'
import type { SessiondConfig } from './config.ts'
import { runMark } from './environment.ts'
import { onDisplay } from './displays.ts'
import { LAUNCHERS } from './launchers/index.ts'
import type { Launch } from './launchers/index.ts'
import { LogWriter } from './log-writer.ts'
import type { Mirrors } from './mirrors.ts'
import { os } from './os/index.ts'
import type { Pipes } from './pipes.ts'
import { terminalEnv, terminals } from './pty.ts'
import type { OpenPty } from './pty.ts'
import {
  logFolder,
  makeRunFolder,
  removeRun,
  removeTree,
  runFolder,
  treeBytes,
  writeNote,
  writeNoteNow
} from './run-store.ts'
import type { RunNote } from './run-store.ts'
import type { FromSessiond, RunKey, Screen, SignalName } from './wire.ts'
import { packOutput, startFolder, unpackInput, workFolder } from './work-folder.ts'

/** A reader hears of new output at once, and then again after this long: a flood costs 500 messages a second. */
const GREW_EVERY_MS = 2
/** So that the ends of thousands of runs fit one message to the peer. */
const ERROR_MAX = 400
/** Input that may wait for a program that is not started yet, or does not read. */
const INPUT_MAX = 4 << 20
/** A terminal is for people: one who interrupts a flood of output need not see the rest of it first. */
const TERMINAL_LAG_BYTES = 512 << 10
/** People who watch one terminal at a time. */
const VIEWERS_MAX = 256

/** How to start what wants a terminal. Undefined: on pipes. Throws HOST_FAILED when it must have one and cannot. */
function terminalFor({ terminal }: RunOrder): OpenPty | undefined {
  if (terminal === undefined) return undefined
  const open = terminals()
  if (typeof open === 'function') return open
  if (!terminal.required) return undefined
  throw new MeshError('HOST_FAILED', `it is to run in a terminal, and this PC has none: ${open.missing}`)
}

function withoutTerminal(): string {
  const open = terminals()
  return typeof open === 'function'
    ? ''
    : `omega: it runs without a terminal, because this PC has none: ${open.missing}\n`
}

export type FreezeReason = 'leash' | 'lease' | 'order' | 'pause'

/** What a run needs of the sessiond around it. */
export interface RunContext {
  readonly config: SessiondConfig
  readonly pipes: Pipes
  readonly mirrors: Mirrors
  /** What every program here sees; its order may add to it and change it. */
  readonly environment: Readonly<Record<string, string>>
  /** What no order can change. */
  identity(session: string): Record<string, string>
  /** In words: why nothing may start now. */
  whyNotNow(key: RunKey): string | undefined
  emit(message: FromSessiond): void
}

export class Run {
  readonly key: RunKey
  readonly #context: RunContext
  readonly #frozenBy = new Set<FreezeReason>()
  /** What each has taken so far. */
  readonly #readers = new Map<number, number>()
  #note: RunNote
  #child: Child | undefined
  #log: LogWriter | undefined
  #starting: Promise<void> | undefined
  #finished: Promise<void> | undefined
  #discarded = false
  #isTask = false
  #aborted: string | undefined
  #lapsed = false
  #inputBytes = 0
  /** Of its terminal; undefined when it has none. */
  #size: TerminalSize | undefined
  /** How much room each who watches has for the terminal. */
  readonly #viewers = new Map<number, TerminalSize>()
  #grewTimer: NodeJS.Timeout | undefined
  #grewLate = false

  constructor(context: RunContext, note: RunNote) {
    this.#context = context
    this.#note = note
    this.key = { session: note.session, epoch: note.epoch }
  }

  get note(): Readonly<RunNote> {
    return this.#note
  }

  /** Something of it may be alive or on its way. */
  get isLive(): boolean {
    return this.#note.state !== 'exited'
  }

  get report(): ChildReport {
    const { pid, state, exit } = this.#note
    if (state === 'exited') return { ...this.key, state, pid, ...(exit === undefined ? {} : { exit }) }
    return { ...this.key, state: this.#frozenBy.size > 0 ? 'frozen' : 'running', pid }
  }

  /** Once `after` is done. Resolves when it runs, or has said why not. Never rejects. */
  start(order: RunOrder, after: Promise<unknown>): Promise<void> {
    this.#starting ??= this.#start(order, after).catch(async (error: Error) => {
      this.#note = { ...this.#note, state: 'exited', endedAt: Date.now() }
      this.#discarded = true
      await this.#remove()
      this.#context.emit({ t: 'notStarted', ...this.key, reason: error.message })
    })
    return this.#starting
  }

  async #start(order: RunOrder, after: Promise<unknown>): Promise<void> {
    await after
    const { config } = this.#context
    const folder = makeRunFolder(config.dataDir, this.key)
    if (order.input !== undefined) await unpackInput(config.dataDir, folder, order.input, config.folderBytes)
    const cwd = await startFolder(folder, order.cwd, order.input !== undefined)
    const { session } = this.key
    const mark = runMark(config.dataDir, session)
    // A task is known by its array, and what it writes into its folder stays behind.
    this.#isTask = order.partOf !== undefined
    const own = { ...this.#context.identity(order.partOf ?? session), ...Object.fromEntries([mark.split('=')]) }
    const open = terminalFor(order)
    const pipesEnv = { ...this.#context.environment, ...order.env, ...own }
    const env = open === undefined ? pipesEnv : terminalEnv(pipesEnv, order.env.TERM)
    const program = await LAUNCHERS[order.launcher](order.argv, { cwd, env })
    const launch = order.display === undefined ? program : this.#onDisplay(program, order.display, folder)
    this.#note.command = order.argv.join(' ').slice(0, 200)
    writeNoteNow(config.dataDir, this.#note)
    const lagBytes = open === undefined ? config.logLagBytes : Math.min(TERMINAL_LAG_BYTES, config.logLagBytes)
    this.#log = new LogWriter(
      join(folder, 'log'),
      { segmentBytes: config.logSegmentBytes, keepBytes: config.logKeepBytes, lagBytes },
      {
        grew: () => this.#onGrew(),
        blocked: (blocked) => this.#child?.pauseOutput(blocked),
        trouble: (text) => this.#context.emit({ t: 'trouble', text })
      }
    )
    for (const [reader, from] of this.#readers) this.#log.setReader(reader, from)
    const onOutput = (stream: 1 | 2, bytes: Buffer) => this.#log!.append(stream, bytes)
    const terminal = open && { open, size: this.#firstSize(order.terminal!) }
    if (terminal === undefined && order.terminal !== undefined) onOutput(2, Buffer.from(withoutTerminal()))
    const options = { mark, launch, cwd, env, stdin: order.stdin, terminal, onOutput }
    this.#child = await Child.start(options, this.#context.pipes, () => this.#checkMayStart())
    const pid = this.#child.pid
    this.#note = { ...this.#note, state: 'running', pid, pidStart: os.startTime(pid) ?? '', startedAt: Date.now() }
    this.#context.emit({ t: 'started', ...this.key, pid })
    this.#fit() // whoever came while the OS was starting it
    // A freeze or a discard that came while the OS was starting it.
    if (this.#frozenBy.size > 0) this.#child.freeze()
    if (this.#discarded || this.#aborted !== undefined) this.#child.signal('SIGKILL')
    const noted = writeNote(config.dataDir, this.#note).catch((error: Error) => {
      this.#context.emit({
        t: 'trouble',
        text: `the state of session ${session} could not be written: ${error.message}`
      })
    })
    this.#finished = this.#child.ended.then(async (end) => {
      await noted
      await this.#finish(end)
    })
  }

  #onDisplay(program: Launch, display: DisplaySpec, folder: string): Launch {
    const { session, epoch } = this.key
    const socket = displaySocket(this.#context.config.dataDir, session, epoch)
    return onDisplay(program, display, socket, join(folder, 'display'))
  }

  /** The last moment before the program runs: whatever happened while its folder was unpacked counts. */
  #checkMayStart(): void {
    const why = this.#discarded
      ? 'it was discarded before it started'
      : (this.#aborted ?? this.#context.whyNotNow(this.key))
    if (why !== undefined) throw new MeshError('HOST_FAILED', why)
    if (this.#frozenBy.size > 0) throw new MeshError('HOST_FAILED', 'it was frozen before it started')
  }

  async #finish(end: ChildEnd): Promise<void> {
    const { dataDir, folderBytes } = this.#context.config
    const folder = runFolder(dataDir, this.key)
    const lost = await this.#log!.finish()
    const packed = this.#discarded || this.#isTask ? {} : await packOutput(dataDir, folder, folderBytes)
    const errors = [lost, packed.outputError].filter((text) => text !== undefined)
    // What could not be packed stays where it is until the run is forgotten.
    const keepWork = packed.outputError !== undefined && packed.output === undefined
    if (keepWork) errors.push(`the files are kept in ${workFolder(folder)} on the PC that ran it`)
    const exit: Exit = { ...end, ...packed, ...(this.#lapsed ? { lapsed: true } : {}), logBytes: this.#log!.end }
    if (errors.length > 0) exit.outputError = errors.join('; ').slice(0, ERROR_MAX)
    const keptBytes =
      this.#log!.keptBytes + (packed.output?.bytes ?? 0) + (keepWork ? await treeBytes(workFolder(folder)) : 0)
    this.#note = { ...this.#note, state: 'exited', exit, endedAt: Date.now(), keptBytes }
    if (this.#discarded) return await this.#remove()
    await writeNote(dataDir, this.#note).catch((error: Error) => {
      this.#context.emit({
        t: 'trouble',
        text: `the end of session ${this.key.session} could not be written: ${error.message}`
      })
    })
    // Thousands of finished runs are kept: none of them holds on to what only a living one needs.
    this.#child = undefined
    this.#log = undefined
    this.#context.mirrors.drop(this.key)
    this.#context.emit({ t: 'exited', ...this.key, exit })
    if (!keepWork) await removeTree(workFolder(folder)).catch(() => {})
  }

  /** Repeats what was said, for a peer that asks again. */
  repeat(): void {
    const { state, pid, exit } = this.#note
    if (state === 'running') this.#context.emit({ t: 'started', ...this.key, pid })
    else if (exit !== undefined) this.#context.emit({ t: 'exited', ...this.key, exit })
  }

  signal(signal: SignalName): void {
    this.#child?.signal(`SIG${signal}`)
  }

  /** Its right to run is over: the report of its end says so. */
  lapse(): void {
    this.#lapsed = true
    this.signal('KILL')
  }

  freeze(reason: FreezeReason): void {
    if (!this.isLive) return
    this.#frozenBy.add(reason)
    this.#child?.freeze()
  }

  thaw(...reasons: FreezeReason[]): void {
    const was = this.#frozenBy.size
    for (const reason of reasons) this.#frozenBy.delete(reason)
    if (was > 0 && this.#frozenBy.size === 0) this.#child?.thaw()
  }

  get isFrozen(): boolean {
    return this.#frozenBy.size > 0
  }

  input(n: number, bytes: Uint8Array): void {
    const done = (error?: string) =>
      this.#context.emit({ t: 'inputDone', ...this.key, n, ...(error === undefined ? {} : { error }) })
    if (this.#inputBytes + bytes.length > INPUT_MAX) return done(`more than ${INPUT_MAX} bytes of input wait already`)
    this.#inputBytes += bytes.length
    void this.#inputTo(bytes).then(
      () => done(),
      (error: Error) => done(error.message)
    )
  }

  async #inputTo(bytes: Uint8Array): Promise<void> {
    try {
      await this.#starting
      if (this.#child === undefined) throw new MeshError('HOST_FAILED', 'the program did not start')
      await this.#child.input(bytes)
    } finally {
      this.#inputBytes -= bytes.length
    }
  }

  endInput(): void {
    void this.#starting?.then(() => this.#child?.endInput())
  }

  /** The terminal is as large as all who watch can show whole. When nobody is left it stays as it is. */
  setViewer(viewer: number, size: TerminalSize | undefined): void {
    if (size === undefined) this.#viewers.delete(viewer)
    else if (this.#viewers.has(viewer) || this.#viewers.size < VIEWERS_MAX) this.#viewers.set(viewer, size)
    this.#fit()
  }

  forgetViewers(): void {
    this.#viewers.clear()
  }

  #firstSize({ columns, rows }: TerminalSize): TerminalSize {
    this.#size = smallestOf(this.#viewers.values()) ?? { columns, rows }
    this.#log!.append(3, Buffer.from(encodeSize(this.#size)))
    return this.#size
  }

  #fit(): void {
    const size = smallestOf(this.#viewers.values())
    const now = this.#size
    if (size === undefined || now === undefined || this.#child === undefined) return
    if (size.columns === now.columns && size.rows === now.rows) return
    this.#size = size
    this.#log?.append(3, Buffer.from(encodeSize(size)))
    this.#child.resize(size)
  }

  /** What its terminal shows by now. */
  async screen(): Promise<Screen> {
    await this.#starting
    return await this.#context.mirrors.screen(this.key, this.#logFolder, this.#logEnd)
  }

  get #logFolder(): string {
    return logFolder(this.#context.config.dataDir, this.key)
  }

  get #logEnd(): number {
    return this.#log?.end ?? this.#note.exit?.logBytes ?? 0
  }

  /** Where the log ends is told at once and whenever it grows. */
  attach(reader: number, from: number): void {
    this.#readers.set(reader, from)
    this.#log?.setReader(reader, from)
    this.#tellGrew()
  }

  acknowledgeOutput(reader: number, offset: number): void {
    if (this.#readers.has(reader)) this.#log?.setReader(reader, offset)
  }

  detach(reader: number): void {
    this.#readers.delete(reader)
    this.#log?.removeReader(reader)
  }

  acknowledge(): void {
    if (this.isLive || this.#note.acknowledged === true) return
    this.#note = { ...this.#note, acknowledged: true }
    writeNoteNow(this.#context.config.dataDir, this.#note)
  }

  /** What is not running yet will not. */
  abort(why: string): void {
    if (this.#note.state === 'starting') this.#aborted ??= why
  }

  /** Resolves when nothing of it runs any more and its end was told. */
  async kill(why: string): Promise<void> {
    this.abort(why)
    this.signal('KILL')
    await this.ended()
  }

  /** Resolves when nothing of it is left, neither process nor file. Says nothing more. */
  async discard(): Promise<void> {
    this.#discarded = true
    this.#child?.signal('SIGKILL')
    await this.#starting
    await this.#finished
    await this.#remove()
  }

  /** Resolves when the report of its end is on disk and its work folder is cleared away. */
  async ended(): Promise<void> {
    await this.#starting
    await this.#finished
  }

  async #remove(): Promise<void> {
    await removeRun(this.#context.config.dataDir, this.key).catch((error: Error) => {
      this.#context.emit({
        t: 'trouble',
        text: `${runFolder(this.#context.config.dataDir, this.key)} could not be removed: ${error.message}`
      })
    })
  }

  #onGrew(): void {
    if (this.#size !== undefined) this.#context.mirrors.grew(this.key, this.#logFolder, this.#logEnd)
    if (this.#readers.size === 0) return
    if (this.#grewTimer !== undefined) {
      this.#grewLate = true
      return
    }
    this.#tellGrew()
    this.#grewTimer = setTimeout(() => {
      this.#grewTimer = undefined
      if (this.#grewLate) this.#onGrew()
    }, GREW_EVERY_MS)
  }

  #tellGrew(): void {
    this.#grewLate = false
    this.#context.emit({ t: 'grew', ...this.key, end: this.#logEnd })
  }
}
