/**
 * The Host port of a PC: the peer's side of sessiond (node/sessiond). Starts it, holds the leash by refreshing it each
 * second, passes orders on, and tells what became of them. Adds what the peer's shell needs beside the port: output,
 * input, the hardware report.
 */
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
import { MeshError } from '../../protocols/errors.ts'
import { programFile } from '../install/layout.ts'
import type { SessiondConfig } from '../sessiond/config.ts'
import { InputWindow } from '../sessiond/input-window.ts'
import { KnownRuns, keyOf, nameOf } from '../sessiond/known-runs.ts'
import { SessiondKeeper } from '../sessiond/keeper.ts'
import type { Link } from '../sessiond/link.ts'
import type { LogFrame } from '../sessiond/log-format.ts'
import { os } from '../sessiond/os/index.ts'
import { OutputReader } from '../sessiond/output-reader.ts'
import type { OutputSource, Wake } from '../sessiond/output-reader.ts'
import { epochsOf, logFolder } from '../sessiond/run-store.ts'
import type { FromSessiond, LocalMessage, RunKey, Screen, SignalName, ToSessiond } from '../sessiond/wire.ts'
import type { TerminalSize } from '../terminal-size.ts'
import type { BlobCache } from './blob-cache.ts'

const REFRESH_MS = 1000
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
  /** Epochs of a session whose log is kept here, lowest first. */
  epochs(session: SessionId): Promise<number[]>
  /** Resolves when the program's pipe has taken the bytes. Rejects HOST_FAILED when it takes no more. Calls queue up in order. */
  input(session: SessionId, epoch: number, bytes: Uint8Array): Promise<void>
  endInput(session: SessionId, epoch: number): void
  /** Somebody who watches a terminal; it is no larger than any of them can show, until they are closed. */
  viewer(session: SessionId, epoch: number): Viewer
  /** What a terminal shows now, and the log offset at which it does. Rejects HOST_FAILED. */
  screen(session: SessionId, epoch: number): Promise<Screen>
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
export interface Viewer {
  resize(size: TerminalSize): void
  close(): void
}
export type PeerHost = Host & HostExtras

/** Resolves when sessiond is connected, or cannot be started for now (`state.problem`); it is tried on and on. */
export async function createHost(options: HostOptions): Promise<PeerHost> {
  const host = new SessiondHost(options)
  await host.settled
  return host
}

class SessiondHost implements PeerHost {
  readonly settled: Promise<void>
  readonly #options: HostOptions
  readonly #keeper: SessiondKeeper
  readonly #runs: KnownRuns
  readonly #inputs = new InputWindow((key, n, bytes) => this.#send({ t: 'input', ...key, n, bytes }))
  readonly #readers = new Map<number, { name: string; reader: OutputReader }>()
  readonly #viewers = new Map<number, { key: RunKey; size: TerminalSize }>()
  readonly #screens = new Map<number, { resolve(screen: Screen): void; reject(error: MeshError): void }>()
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
    this.#runs = new KnownRuns(options.dataDir, options.blobs)
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
      if (this.#problem === undefined) handler.children(this.#runs.reports)
      else handler.lost(this.#problem)
    })
  }

  run(order: RunOrder): void {
    const key = keyOf(order)
    this.#runs.order(key, order.input)
    try {
      const { leaseUntil } = order
      const told = leaseUntil === undefined ? order : { ...order, leaseUntil: this.#bootAt(leaseUntil) }
      if (this.#send({ t: 'run', order: told })) return
      setImmediate(() => this.#notStarted(key, `sessiond is not connected: ${this.#problem ?? 'closing'}`))
    } catch (error) {
      setImmediate(() => this.#notStarted(key, (error as Error).message))
    }
  }

  signal(session: SessionId, epoch: number, signal: SignalName): void {
    this.#send({ t: 'signal', session, epoch, signal })
  }

  freeze(session: SessionId, epoch: number): void {
    this.#runs.turn({ session, epoch }, 'frozen')
    this.#send({ t: 'freeze', session, epoch })
  }

  thaw(session: SessionId, epoch: number): void {
    if (!this.#paused) this.#runs.turn({ session, epoch }, 'running')
    this.#send({ t: 'thaw', session, epoch })
  }

  lease(session: SessionId, epoch: number, until: number): void {
    this.#send({ t: 'lease', session, epoch, until: this.#bootAt(until) })
  }

  discard(session: SessionId, epoch: number): void {
    this.#onForgotten({ session, epoch })
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
      look: () => this.#runs.lookAt(key),
      ask: (offset) => void this.#send({ t: 'attach', reader: id, ...key, from: offset }),
      took: (offset) => void this.#send({ t: 'ack', reader: id, offset }),
      leave: () => {
        this.#readers.delete(id)
        this.#send({ t: 'detach', reader: id })
      }
    }
    return new OutputReader(source, from, options)
  }

  async epochs(session: SessionId): Promise<number[]> {
    return await epochsOf(this.#options.dataDir, session)
  }

  input(session: SessionId, epoch: number, bytes: Uint8Array): Promise<void> {
    return this.#inputs.write({ session, epoch }, bytes)
  }

  endInput(session: SessionId, epoch: number): void {
    this.#send({ t: 'endInput', session, epoch })
  }

  viewer(session: SessionId, epoch: number): Viewer {
    const viewer = this.#next++
    const key = { session, epoch }
    return {
      resize: (size) => {
        this.#viewers.set(viewer, { key, size })
        this.#send({ t: 'viewer', viewer, ...key, ...size })
      },
      close: () => {
        if (this.#viewers.delete(viewer)) this.#send({ t: 'viewer', viewer, ...key, columns: 0, rows: 0 })
      }
    }
  }

  screen(session: SessionId, epoch: number): Promise<Screen> {
    return new Promise((resolve, reject) => {
      const n = this.#next++
      this.#screens.set(n, { resolve, reject })
      if (this.#send({ t: 'screen', n, session, epoch })) return
      this.#screens.delete(n)
      reject(new MeshError('HOST_FAILED', 'the screen cannot be asked for: sessiond is not connected'))
    })
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
    return {
      connected: this.#link !== undefined,
      children: this.#runs.living,
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
    this.#inputs.breakOff('this peer is shut down')
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
    for (const [viewer, { key, size }] of this.#viewers) this.#send({ t: 'viewer', viewer, ...key, ...size })
  }

  #onDown(why: string): void {
    clearInterval(this.#leash)
    this.#link = undefined
    this.#inputs.breakOff(`sessiond is gone: ${why}`)
    for (const { reject } of this.#screens.values()) reject(new MeshError('HOST_FAILED', `sessiond is gone: ${why}`))
    this.#screens.clear()
    this.#onFailed(why)
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
        this.#runs.answered(message)
        this.#runs.set({ ...keyOf(message), state: 'running', pid: message.pid })
        return this.#handler?.started(message.session, message.epoch, message.pid)
      case 'notStarted':
        return this.#notStarted(message, message.reason)
      case 'exited':
        this.#runs.answered(message)
        return this.#onExited(message, message.exit)
      case 'grew':
        this.#runs.grew(message, message.end)
        return this.#wakeReaders(message, 'grew')
      case 'inputDone':
        return this.#inputs.done(message.n, message.error)
      case 'screen':
        return this.#onScreen(message)
      case 'forgotten':
        return this.#onForgotten(message)
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
        this.#keeper.startNoMore()
        return this.#onDown('another process took over')
      case 'bye':
        return this.#onBye()
      default:
        this.#options.log.debug('unknown message of sessiond', { t: raw.t })
    }
  }

  #onScreen({ n, error, offset, columns, rows, bytes }: FromSessiond & { t: 'screen' }): void {
    const asked = this.#screens.get(n)
    this.#screens.delete(n)
    if (offset === undefined || columns === undefined || rows === undefined || bytes === undefined)
      asked?.reject(new MeshError('HOST_FAILED', error ?? 'sessiond gave no screen'))
    else asked?.resolve({ offset, columns, rows, bytes })
  }

  /** The first one after a connect, and again after the leash lapsed or a pause. */
  #onChildren(list: readonly (ChildReport & { taken: boolean })[]): void {
    const first = this.#problem !== undefined
    this.#problem = undefined
    this.#runs.replace(list)
    if (first) for (const key of this.#runs.waiting) this.#settleOrder(key)
    for (const { reader } of this.#readers.values()) reader.wake(first ? 'again' : 'changed')
    this.#settle()
    this.#handler?.children(this.#runs.reports)
  }

  /** An order that was under way when sessiond or the link to it broke. */
  #settleOrder(key: RunKey): void {
    if (this.#runs.has(key)) this.#runs.answered(key)
    else this.#notStarted(key, 'sessiond went away before it started')
  }

  #onExited({ session, epoch }: RunKey, exit: Exit): void {
    this.#runs.set({ session, epoch, state: 'exited', pid: this.#runs.pidOf({ session, epoch }), exit })
    this.#wakeReaders({ session, epoch }, 'changed')
    this.#handler?.exited(session, epoch, exit)
  }

  /** sessiond goes by the boot clock. */
  #bootAt(mono: number): number {
    return os.bootMs() + mono - this.#options.clock.mono()
  }

  #notStarted(key: RunKey, reason: string): void {
    if (!this.#runs.answered(key)) return
    this.#wakeReaders(key, 'changed')
    this.#handler?.notStarted(key.session, key.epoch, reason)
  }

  #onForgotten(key: RunKey): void {
    this.#runs.forget(key)
    this.#wakeReaders(key, 'changed')
  }

  #wakeReaders(key: RunKey, event: Wake): void {
    const name = nameOf(key)
    for (const joined of this.#readers.values()) if (joined.name === name) joined.reader.wake(event)
  }

  #send(message: ToSessiond): boolean {
    return this.#link?.send(message) ?? false
  }
}
