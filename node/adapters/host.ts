/**
 * The Host port of a PC: the peer's side of sessiond (node/sessiond). Starts it, holds the leash by refreshing it each
 * second, passes orders on, and tells what became of them. Adds what the peer's shell needs beside the port: output,
 * input, the hardware report.
 */
import { MeshError } from '../../protocols/errors.ts'
import type {
  ChildReport,
  Clock,
  Exit,
  Host,
  HostHandler,
  Log,
  PeerId,
  RunOrder,
  SessionId
} from '../../protocols/ports.ts'
import { programFile } from '../install/layout.ts'
import type { SessiondConfig } from '../sessiond/config.ts'
import { SessiondKeeper } from '../sessiond/keeper.ts'
import type { Link } from '../sessiond/link.ts'
import type { LogFrame } from '../sessiond/log-format.ts'
import { os } from '../sessiond/os/index.ts'
import { OutputReader } from '../sessiond/output-reader.ts'
import type { OutputSource, Wake } from '../sessiond/output-reader.ts'
import { logFolder, readNoteNow } from '../sessiond/run-store.ts'
import type { FromSessiond, LocalMessage, RunKey, SignalName, ToSessiond } from '../sessiond/wire.ts'
import type { BlobCache } from './blob-cache.ts'

const REFRESH_MS = 1000
/** Input on its way to a program at once, per call: two of these, so that the pipe never runs dry. */
const INPUT_BYTES = 64 << 10
const INPUT_AHEAD = 2
/** TERM, five seconds, KILL, and the time to pack what changed. */
const SHUTDOWN_MS = 30_000

export interface HostOptions {
  dataDir: string
  log: Log
  clock: Pick<Clock, 'mono'>
  peerId: PeerId
  peerName: string
  blobs: BlobCache
  /** Limits other than the defaults (node/sessiond/config.ts). */
  config?: Partial<SessiondConfig>
}

export interface HostExtras {
  /**
   * The log of a run from an offset on (0: the oldest kept), as it is on disk; with `follow` until the program has ended
   * and all was given. A program whose reader is 16 MiB behind waits. Throws UNKNOWN_SESSION when the run is not kept here.
   */
  output(
    session: SessionId,
    epoch: number,
    from: number,
    options: { follow: boolean; signal?: AbortSignal }
  ): AsyncIterable<LogFrame>
  /** Resolves when the program's pipe has taken the bytes. Rejects HOST_FAILED when it takes no more. Calls queue up in order. */
  input(session: SessionId, epoch: number, bytes: Uint8Array): Promise<void>
  endInput(session: SessionId, epoch: number): void
  /** The end of a run is recorded: it is not reported again after a restart. Its output stays until it makes room. */
  acknowledge(session: SessionId, epoch: number): void
  /** All that runs here stands still, and nothing starts, until `pauseAll(false)`. */
  pauseAll(on: boolean): void
  /** What the hardware helper printed last; undefined until it ran once. `error`: why there is nothing newer. */
  readonly hardware: { json?: string; error?: string; ageMs: number } | undefined
  readonly state: { connected: boolean; children: number; problem?: string }
  /** Ends every child (politely, after 5 s for good) and sessiond; with `keepSessions` lets go of both. */
  shutdown(options: { keepSessions: boolean }): Promise<void>
}
export type PeerHost = Host & HostExtras

/** Resolves when sessiond is connected, or cannot be started for now (`state.problem`); it is tried on and on. */
export async function createHost(options: HostOptions): Promise<PeerHost> {
  const host = new SessiondHost(options)
  await host.settled
  return host
}

interface Known {
  report: ChildReport
  /** Its end was acknowledged: not reported again. */
  taken: boolean
  /** How far the log is known to be on disk. */
  end: number
  unpin: (() => void) | undefined
}

class SessiondHost implements PeerHost {
  readonly settled: Promise<void>
  readonly #options: HostOptions
  readonly #keeper: SessiondKeeper
  readonly #known = new Map<string, Known>()
  /** Orders without an answer, each holding its input in the cache. */
  readonly #ordered = new Map<string, { key: RunKey; unpin: () => void }>()
  readonly #readers = new Map<number, { name: string; reader: OutputReader }>()
  readonly #inputs = new Map<number, { resolve: () => void; reject: (error: MeshError) => void }>()
  #handler: HostHandler | undefined
  #link: Link | undefined
  #leash: NodeJS.Timeout | undefined
  #problem: string | undefined = 'sessiond is being started'
  #paused = false
  #next = 1
  #hardware: { json?: string; error?: string; readAt: number } | undefined
  #onBye: () => void = () => {}
  #settle: () => void = () => {}

  constructor(options: HostOptions) {
    this.#options = options
    this.settled = new Promise((resolve) => (this.#settle = resolve))
    const config = { hardwareHelper: programFile('hardware-helper'), ...options.config }
    this.#keeper = new SessiondKeeper(
      { dataDir: options.dataDir, script: programFile('sessiond'), config },
      { up: (link) => this.#onUp(link), down: (why) => this.#onDown(why), failed: (why) => this.#onFailed(why) }
    )
    this.#keeper.start()
  }

  // ---- the port ----

  attach(handler: HostHandler): void {
    this.#handler = handler
    setImmediate(() => {
      if (this.#handler !== handler) return
      if (this.#problem === undefined) handler.children(this.#reports())
      else handler.lost(this.#problem)
    })
  }

  run(order: RunOrder): void {
    const key = { session: order.session, epoch: order.epoch }
    const name = nameOf(key)
    if (!this.#ordered.has(name)) {
      const unpin = order.input === undefined ? () => {} : this.#options.blobs.pin(order.input.hash)
      this.#ordered.set(name, { key, unpin })
    }
    try {
      if (this.#send({ t: 'run', order })) return
      setImmediate(() => this.#notStarted(key, `sessiond is not connected: ${this.#problem ?? 'closing'}`))
    } catch (error) {
      setImmediate(() => this.#notStarted(key, (error as Error).message))
    }
  }

  signal(session: SessionId, epoch: number, signal: SignalName): void {
    this.#send({ t: 'signal', session, epoch, signal })
  }

  freeze(session: SessionId, epoch: number): void {
    this.#send({ t: 'freeze', session, epoch })
  }

  thaw(session: SessionId, epoch: number): void {
    this.#send({ t: 'thaw', session, epoch })
  }

  discard(session: SessionId, epoch: number): void {
    this.#forget({ session, epoch })
    this.#send({ t: 'discard', session, epoch })
  }

  hasBlob(hash: string): boolean {
    return this.#options.blobs.has(hash)
  }

  // ---- beside the port ----

  output(
    session: SessionId,
    epoch: number,
    from: number,
    options: { follow: boolean; signal?: AbortSignal }
  ): AsyncIterable<LogFrame> {
    const key = { session, epoch }
    const id = this.#next++
    const source: OutputSource = {
      folder: logFolder(this.#options.dataDir, key),
      join: (reader) => this.#readers.set(id, { name: nameOf(key), reader }),
      look: () => this.#lookAt(key),
      ask: (offset) => void this.#send({ t: 'attach', reader: id, ...key, from: offset }),
      took: (offset) => void this.#send({ t: 'ack', reader: id, offset }),
      leave: () => {
        this.#readers.delete(id)
        this.#send({ t: 'detach', reader: id })
      }
    }
    return new OutputReader(source, from, options)
  }

  async input(session: SessionId, epoch: number, bytes: Uint8Array): Promise<void> {
    const ahead: Promise<void>[] = []
    for (let at = 0; at < bytes.length; at += INPUT_BYTES) {
      if (ahead.length >= INPUT_AHEAD) await ahead.shift()
      const sent = this.#inputPart({ session, epoch }, bytes.subarray(at, at + INPUT_BYTES))
      sent.catch(() => {}) // waited for in its turn
      ahead.push(sent)
    }
    await Promise.all(ahead)
  }

  endInput(session: SessionId, epoch: number): void {
    this.#send({ t: 'endInput', session, epoch })
  }

  acknowledge(session: SessionId, epoch: number): void {
    this.#send({ t: 'acknowledge', session, epoch })
  }

  pauseAll(on: boolean): void {
    this.#paused = on
    this.#send({ t: 'pause', on })
  }

  get hardware(): { json?: string; error?: string; ageMs: number } | undefined {
    if (this.#hardware === undefined) return undefined
    const { readAt, ...report } = this.#hardware
    return { ...report, ageMs: Math.max(0, this.#options.clock.mono() - readAt) }
  }

  get state(): { connected: boolean; children: number; problem?: string } {
    const children = this.#reports().filter((report) => report.state !== 'exited').length
    return {
      connected: this.#link !== undefined,
      children,
      ...(this.#problem === undefined ? {} : { problem: this.#problem })
    }
  }

  async shutdown({ keepSessions }: { keepSessions: boolean }): Promise<void> {
    if (!keepSessions && this.#link !== undefined) {
      const bye = new Promise<void>((resolve) => (this.#onBye = resolve))
      this.#keeper.startNoMore()
      this.#send({ t: 'shutdown' })
      let timer: NodeJS.Timeout | undefined
      await Promise.race([bye, new Promise((resolve) => (timer = setTimeout(resolve, SHUTDOWN_MS)))])
      clearTimeout(timer)
    }
    clearInterval(this.#leash)
    this.#keeper.stop()
    this.#link = undefined
    this.#problem = 'this peer is shut down'
    this.#breakOff('this peer is shut down')
    for (const { reader } of [...this.#readers.values()]) reader.stop()
  }

  // ---- sessiond comes and goes ----

  #onUp(link: Link): void {
    this.#link = link
    const { peerId, peerName } = this.#options
    link.listen(
      (message) => this.#on(message as unknown as FromSessiond, message),
      () => this.#onBye()
    )
    this.#send({ t: 'identity', peerId, peerName })
    const refresh = () => this.#send({ t: 'leash', at: os.bootMs() })
    refresh()
    this.#leash = setInterval(refresh, REFRESH_MS)
    if (this.#paused) this.#send({ t: 'pause', on: true })
  }

  #onDown(why: string): void {
    clearInterval(this.#leash)
    this.#link = undefined
    this.#breakOff(`sessiond is gone: ${why}`)
    this.#onFailed(why)
  }

  #breakOff(why: string): void {
    for (const { reject } of this.#inputs.values()) reject(new MeshError('HOST_FAILED', why))
    this.#inputs.clear()
  }

  #onFailed(why: string): void {
    if (this.#problem !== why) this.#options.log.warn('sessiond is not connected', { why })
    const wasUp = this.#problem === undefined
    this.#problem = why
    this.#settle()
    if (wasUp) this.#handler?.lost(why)
  }

  #on(message: FromSessiond, raw: LocalMessage): void {
    switch (message.t) {
      case 'children':
        return this.#onChildren(message.list)
      case 'started':
        this.#answered(message)
        this.#know({ ...keyOf(message), state: 'running', pid: message.pid })
        return this.#handler?.started(message.session, message.epoch, message.pid)
      case 'notStarted':
        return this.#notStarted(message, message.reason)
      case 'exited':
        this.#answered(message)
        return this.#onExited(message, message.exit)
      case 'grew':
        return this.#onGrew(message, message.end)
      case 'inputDone':
        return this.#onInputDone(message.n, message.error)
      case 'forgotten':
        return this.#forget(message)
      case 'hardware':
        this.#hardware = {
          readAt: this.#options.clock.mono() - message.ageMs,
          ...(message.json === undefined ? {} : { json: message.json }),
          ...(message.error === undefined ? {} : { error: message.error })
        }
        return
      case 'trouble':
        return this.#options.log.warn('sessiond reports trouble', { text: message.text })
      case 'replaced':
        this.#options.log.error('another process took over sessiond of this data folder', {
          dataDir: this.#options.dataDir
        })
        return this.#keeper.startNoMore()
      case 'bye':
        return this.#onBye()
      default:
        this.#options.log.debug('unknown message of sessiond', { t: raw.t })
    }
  }

  /** The first one after a connect, and again after the leash lapsed or a pause. */
  #onChildren(list: readonly (ChildReport & { taken: boolean })[]): void {
    const first = this.#problem !== undefined
    this.#problem = undefined
    const names = new Set(list.map(nameOf))
    for (const [name, { report }] of this.#known) if (!names.has(name)) this.#forget(report)
    for (const { taken, ...report } of list) this.#know(report, taken)
    if (first)
      for (const [name, { key }] of this.#ordered) {
        if (names.has(name)) this.#answered(key)
        else this.#notStarted(key, 'sessiond went away before it started')
      }
    for (const { reader } of this.#readers.values()) reader.wake(first ? 'again' : 'changed')
    this.#settle()
    this.#handler?.children(this.#reports())
  }

  #onExited({ session, epoch }: RunKey, exit: Exit): void {
    const pid = this.#known.get(nameOf({ session, epoch }))?.report.pid ?? 0
    this.#know({ session, epoch, state: 'exited', pid, exit })
    this.#wakeReaders(nameOf({ session, epoch }), 'changed')
    this.#handler?.exited(session, epoch, exit)
  }

  #notStarted(key: RunKey, reason: string): void {
    if (!this.#answered(key)) return
    this.#wakeReaders(nameOf(key), 'changed')
    this.#handler?.notStarted(key.session, key.epoch, reason)
  }

  /** False when nobody waits for this answer (any more). */
  #answered(key: RunKey): boolean {
    const order = this.#ordered.get(nameOf(key))
    order?.unpin()
    return this.#ordered.delete(nameOf(key))
  }

  /** Results stay in the cache for as long as sessiond holds the run. */
  #know(report: ChildReport, taken = false): void {
    const name = nameOf(report)
    const before = this.#known.get(name)
    const hash = report.exit?.output?.hash
    const unpin = before?.unpin ?? (hash === undefined ? undefined : this.#options.blobs.pin(hash))
    if (hash !== undefined && before?.unpin === undefined) this.#options.blobs.adopt(hash)
    this.#known.set(name, { report, taken, end: Math.max(before?.end ?? 0, report.exit?.logBytes ?? 0), unpin })
  }

  #forget(key: RunKey): void {
    this.#known.get(nameOf(key))?.unpin?.()
    this.#known.delete(nameOf(key))
    this.#wakeReaders(nameOf(key), 'changed')
  }

  #reports(): ChildReport[] {
    return [...this.#known.values()].filter(({ taken }) => !taken).map(({ report }) => report)
  }

  #lookAt(key: RunKey): { end: number; final: boolean } | undefined {
    const known = this.#known.get(nameOf(key))
    if (known !== undefined) return { end: known.end, final: known.report.state === 'exited' }
    if (this.#ordered.has(nameOf(key))) return { end: 0, final: false }
    const exit = readNoteNow(this.#options.dataDir, key)?.exit
    return exit === undefined ? undefined : { end: exit.logBytes, final: true }
  }

  #onGrew(key: RunKey, end: number): void {
    const known = this.#known.get(nameOf(key))
    if (known !== undefined) known.end = Math.max(known.end, end)
    this.#wakeReaders(nameOf(key), 'grew')
  }

  #wakeReaders(name: string, event: Wake): void {
    for (const joined of this.#readers.values()) if (joined.name === name) joined.reader.wake(event)
  }

  #inputPart(key: RunKey, bytes: Uint8Array): Promise<void> {
    const n = this.#next++
    return new Promise((resolve, reject) => {
      this.#inputs.set(n, { resolve, reject })
      if (this.#send({ t: 'input', ...key, n, bytes })) return
      this.#inputs.delete(n)
      reject(new MeshError('HOST_FAILED', `no input can be given: ${this.#problem ?? 'sessiond is not connected'}`))
    })
  }

  #onInputDone(n: number, error: string | undefined): void {
    const waiting = this.#inputs.get(n)
    this.#inputs.delete(n)
    if (error === undefined) waiting?.resolve()
    else waiting?.reject(new MeshError('HOST_FAILED', error))
  }

  #send(message: ToSessiond): boolean {
    return this.#link?.send(message) ?? false
  }
}

function nameOf({ session, epoch }: RunKey): string {
  return `${session}/${epoch}`
}

function keyOf({ session, epoch }: RunKey): RunKey {
  return { session, epoch }
}
