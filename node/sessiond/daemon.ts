/**
 * sessiond itself: the runs of this PC, the one peer that may drive them, and the leash between the two. A new connection
 * replaces the one before; without a peer and without a child it ends.
 */
import { MeshError } from '../../protocols/errors.ts'
import type { RunOrder } from '../../protocols/ports.ts'
import { removeLeftovers } from '../adapters/blob-cache.ts'
import type { TerminalSize } from '../terminal-size.ts'
import type { SessiondConfig } from './config.ts'
import { cleanEnvironment } from './environment.ts'
import { Hardware } from './hardware.ts'
import type { HardwareReport } from './hardware.ts'
import { Leash } from './leash.ts'
import { Leases } from './leases.ts'
import type { Link } from './link.ts'
import { Mirrors } from './mirrors.ts'
import { os } from './os/index.ts'
import { Pipes } from './pipes.ts'
import { recoverRuns } from './recover.ts'
import { toForget } from './retention.ts'
import { Run } from './run.ts'
import type { RunContext } from './run.ts'
import { SIGNALS, checkOrder, checkRunKey, isExtent } from './wire.ts'
import type { FromSessiond, LocalMessage, RunKey, ToSessiond } from './wire.ts'

const TERM_MS = 5000
const RETENTION_EVERY_MS = 3600_000
/** After an end; a burst of ends is looked at once. */
const RETENTION_SOON_MS = 300
/** Highest epochs seen of sessions that are gone from here, so that a late order of an older one is refused. */
const FENCES_MAX = 10_000

export class Daemon {
  readonly #config: SessiondConfig
  readonly #leave: () => void
  readonly #runs = new Map<string, Run>()
  readonly #fences = new Map<string, number>()
  readonly #readers = new Map<number, Run>()
  readonly #mirrors = new Mirrors()
  /** Runs whose processes and files are being removed. */
  readonly #discards = new Set<Promise<void>>()
  readonly #leash: Leash
  readonly #leases: Leases
  readonly #hardware: Hardware
  readonly #context: RunContext
  #identity = { peerId: '', peerName: '' }
  #link: Link | undefined
  #paused = false
  #closing = false
  #lingerTimer: NodeJS.Timeout | undefined
  #retainTimer: NodeJS.Timeout | undefined

  /** `leave` is called once, when nothing is left to do. */
  constructor(config: SessiondConfig, leave: () => void) {
    this.#config = config
    this.#leave = leave
    this.#leash = new Leash(config.leashMs, os.bootMs, (why, slept) => this.#onLapse(why, slept))
    this.#leases = new Leases(os.bootMs, {
      freeze: (key, lateMs) => this.#onLeaseOver(key, lateMs),
      thaw: (key) => this.#run(key)?.thaw('lease'),
      stop: (key, lateMs) => {
        console.error(`right to run of ${key.session} is over for ${Math.round(lateMs)} ms: stopped`)
        this.#run(key)?.lapse()
      }
    })
    this.#hardware = new Hardware(config.hardwareHelper, config.hardwareEveryMs, (report) =>
      this.#emit(hardwareMessage(report))
    )
    this.#context = {
      config,
      pipes: new Pipes(),
      mirrors: this.#mirrors,
      environment: cleanEnvironment(process.env),
      identity: (session) => this.#identityOf(session),
      whyNotNow: (key) => this.#whyNotNow() ?? this.#leases.refusal(key),
      emit: (message) => this.#emit(message)
    }
  }

  /** Ends what a predecessor left running, and takes over its reports. */
  async recover(): Promise<void> {
    await removeLeftovers(this.#config.dataDir, 'sessiond')
    for (const note of await recoverRuns(this.#config.dataDir)) {
      const run = new Run(this.#context, note)
      this.#runs.set(nameOf(note), run)
      this.#raiseFence(note)
    }
    this.#retain()
    setInterval(() => this.#retain(), RETENTION_EVERY_MS).unref()
    this.#hardware.start()
    this.#lingerUnlessNeeded()
  }

  /** A peer that has proven the secret. */
  connect(link: Link): void {
    const before = this.#link
    this.#link = link
    if (before !== undefined) {
      this.#forsake()
      before.send({ t: 'replaced' } satisfies FromSessiond)
      before.end('another peer process took over')
    }
    link.listen(
      (message) => {
        if (this.#link === link) this.#on(message as unknown as ToSessiond, message)
      },
      () => {
        if (this.#link !== link) return
        this.#link = undefined
        this.#forsake()
        this.#lingerUnlessNeeded()
      }
    )
    this.#tellChildren()
    const { latest } = this.#hardware
    if (latest !== undefined) this.#emit(hardwareMessage(latest))
  }

  /** Ends every child: politely, then for good; then sessiond. */
  async shutdown(): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    const live = [...this.#runs.values()].filter((run) => run.isLive)
    for (const run of live) run.signal(run.isFrozen ? 'KILL' : 'TERM')
    const timer = setTimeout(() => live.forEach((run) => run.signal('KILL')), TERM_MS)
    await Promise.all([...this.#runs.values()].map((run) => run.ended()))
    clearTimeout(timer)
    await Promise.all(this.#discards)
    this.#emit({ t: 'bye' })
    this.#link?.end('sessiond ends')
    this.#leave()
  }

  #on(message: ToSessiond, raw: LocalMessage): void {
    switch (message.t) {
      case 'leash':
        return this.#leash.refresh(typeof message.at === 'number' ? message.at : -Infinity)
      case 'lease':
        // A sleep voids what was given before it, not what comes after.
        this.#leash.look()
        if (this.#run(message) !== undefined) this.#leases.hold(keyOf(message), Number(message.until))
        return
      case 'identity':
        this.#identity = { peerId: String(message.peerId), peerName: String(message.peerName) }
        return
      case 'run':
        return this.#order(raw.order)
      case 'signal':
        if (SIGNALS.includes(message.signal)) this.#run(message)?.signal(message.signal)
        return
      case 'freeze':
        return this.#run(message)?.freeze('order')
      case 'thaw':
        // An answer of a peer that has lost the leash since says nothing about now.
        if (this.#leash.held) this.#run(message)?.thaw('order', 'leash')
        return
      case 'discard':
        return void this.#discard(message)
      case 'acknowledge':
        return this.#run(message)?.acknowledge()
      case 'input':
        return this.#input(message)
      case 'endInput':
        return this.#run(message)?.endInput()
      case 'attach':
        return this.#attach(message)
      case 'ack':
        return this.#readers.get(message.reader)?.acknowledgeOutput(message.reader, Number(message.offset))
      case 'detach':
        this.#readers.get(message.reader)?.detach(message.reader)
        return void this.#readers.delete(message.reader)
      case 'viewer':
        return this.#run(message)?.setViewer(message.viewer, sizeOf(message))
      case 'screen':
        return void this.#screen(message)
      case 'pause':
        return this.#pause(message.on === true)
      case 'shutdown':
        return void this.shutdown()
    }
  }

  /** A bad order is answered, not punished: it came from a spec that another PC wrote. */
  #order(order: unknown): void {
    try {
      checkOrder(order)
    } catch (error) {
      const key = (order ?? {}) as RunKey
      checkRunKey(key)
      return this.#emit({ t: 'notStarted', ...keyOf(key), reason: (error as Error).message })
    }
    void this.#start(order)
  }

  async #start(order: RunOrder): Promise<void> {
    const name = nameOf(order)
    const known = this.#runs.get(name)
    if (known !== undefined) return known.repeat()
    const refusal = this.#whyNotNow() ?? this.#whyNotThis(order)
    if (refusal !== undefined) return this.#emit({ t: 'notStarted', ...keyOf(order), reason: refusal })
    this.#raiseFence(order)
    if (order.leaseUntil !== undefined) this.#leases.hold(keyOf(order), order.leaseUntil)
    const command = order.argv.join(' ').slice(0, 200)
    const run = new Run(this.#context, {
      ...keyOf(order),
      state: 'starting',
      pid: 0,
      pidStart: '',
      command,
      startedAt: Date.now()
    })
    this.#runs.set(name, run)
    clearTimeout(this.#lingerTimer)
    this.#leash.watch(true)
    // The right of an older epoch ended with this order: what is left of it goes first, so that nothing runs twice.
    await run.start(
      order,
      Promise.all(this.#olderThan(order).map((old) => old.kill('a newer run of this session took its place')))
    )
    if (!run.isLive && run.note.exit === undefined) this.#runs.delete(name)
    await run.ended()
    this.#leases.drop(order)
    this.#retainTimer ??= setTimeout(() => this.#retain(), RETENTION_SOON_MS).unref()
    this.#afterEnd()
  }

  #olderThan({ session, epoch }: RunKey): Run[] {
    return [...this.#runs.values()].filter((run) => run.isLive && run.key.session === session && run.key.epoch < epoch)
  }

  #whyNotNow(): string | undefined {
    if (this.#closing) return 'this PC is shutting its sessions down'
    if (this.#paused) return 'the owner of this PC paused it'
    if (!this.#leash.held) return 'the peer of this PC does not hold the leash'
    return undefined
  }

  #whyNotThis({ session, epoch }: RunKey): string | undefined {
    const fence = this.#fences.get(session) ?? -1
    if (epoch < fence) return `epoch ${epoch} is over; this PC has seen epoch ${fence}`
    const live = [...this.#runs.values()].filter((run) => run.isLive).length
    if (live >= this.#config.childrenMax) return `this PC runs ${live} sessions, the most it takes at once`
    return undefined
  }

  async #discard(key: RunKey): Promise<void> {
    const run = this.#run(key)
    if (run === undefined) return
    await this.#remove(run)
    this.#runs.delete(nameOf(key))
    this.#afterEnd()
  }

  #remove(run: Run): Promise<void> {
    const removal = run.discard().finally(() => this.#discards.delete(removal))
    this.#discards.add(removal)
    return removal
  }

  #input({ session, epoch, n, bytes }: RunKey & { n: number; bytes: Uint8Array }): void {
    const run = this.#run({ session, epoch })
    if (run === undefined) this.#emit({ t: 'inputDone', session, epoch, n, error: 'the program is not running here' })
    else if (bytes instanceof Uint8Array) run.input(n, bytes)
  }

  #attach(message: RunKey & { reader: number; from: number }): void {
    const run = this.#run(message)
    if (run === undefined) return
    this.#readers.set(message.reader, run)
    run.attach(message.reader, Number(message.from))
  }

  async #screen({ session, epoch, n }: RunKey & { n: number }): Promise<void> {
    const key = { session, epoch }
    try {
      const run = this.#run(key)
      if (run === undefined) throw new MeshError('UNKNOWN_SESSION', 'its output is not kept on this PC (any more)')
      this.#emit({ t: 'screen', ...key, n, ...(await run.screen()) })
    } catch (error) {
      this.#emit({ t: 'screen', ...key, n, error: (error as Error).message })
    }
  }

  /** The peer is gone: nobody reads any more, and what it ordered and is not running yet will not. */
  #forsake(): void {
    for (const [reader, run] of this.#readers) run.detach(reader)
    this.#readers.clear()
    for (const run of this.#runs.values()) run.forgetViewers()
    for (const run of this.#runs.values()) run.abort('the peer that ordered it went away before it started')
  }

  #pause(on: boolean): void {
    this.#paused = on
    for (const run of this.#runs.values()) {
      if (on) run.freeze('pause')
      else run.thaw('pause')
    }
    this.#tellChildren()
  }

  #onLapse(why: string, slept: boolean): void {
    const live = [...this.#runs.values()].filter((run) => run.isLive)
    for (const run of live) run.freeze('leash')
    if (slept) this.#leases.voidAll()
    if (live.length > 0) console.error(`leash lapsed, ${live.length} sessions frozen: ${why}`)
    this.#tellChildren()
  }

  #onLeaseOver(key: RunKey, lateMs: number): void {
    const run = this.#run(key)
    if (run === undefined) return
    run.freeze('lease')
    console.error(`right to run of ${key.session} is over for ${Math.round(lateMs)} ms: frozen`)
    this.#tellChildren()
  }

  #tellChildren(): void {
    const told = [...this.#runs.values()].filter((run) => run.note.state !== 'starting')
    const list = told.map((run) => ({ ...run.report, taken: run.note.acknowledged === true }))
    this.#emit({ t: 'children', list, paused: this.#paused })
  }

  #afterEnd(): void {
    const live = [...this.#runs.values()].some((run) => run.isLive)
    this.#leash.watch(live)
    this.#lingerUnlessNeeded()
  }

  #retain(): void {
    clearTimeout(this.#retainTimer)
    this.#retainTimer = undefined
    const finished = [...this.#runs.values()].filter((run) => run.note.exit !== undefined)
    for (const { session, epoch } of toForget(
      finished.map((run) => run.note),
      Date.now(),
      this.#config
    )) {
      const run = this.#run({ session, epoch })
      this.#runs.delete(nameOf({ session, epoch }))
      this.#emit({ t: 'forgotten', session, epoch })
      if (run !== undefined) void this.#remove(run)
    }
  }

  #raiseFence({ session, epoch }: RunKey): void {
    const highest = Math.max(epoch, this.#fences.get(session) ?? 0)
    this.#fences.delete(session)
    this.#fences.set(session, highest)
    if (this.#fences.size > FENCES_MAX) this.#fences.delete(this.#fences.keys().next().value!)
  }

  #lingerUnlessNeeded(): void {
    clearTimeout(this.#lingerTimer)
    if (this.#link !== undefined || this.#closing || [...this.#runs.values()].some((run) => run.isLive)) return
    this.#lingerTimer = setTimeout(() => {
      if (this.#link === undefined) this.#leave()
    }, this.#config.lingerMs)
  }

  #identityOf(session: string): Record<string, string> {
    const { peerId, peerName } = this.#identity
    return { OMEGA_SESSION: session, OMEGA_PEER_ID: peerId, OMEGA_PEER_NAME: peerName }
  }

  #run(key: RunKey): Run | undefined {
    return this.#runs.get(nameOf(key))
  }

  #emit(message: FromSessiond): void {
    if (message.t === 'trouble') console.error(message.text)
    this.#link?.send(message)
  }
}

function nameOf({ session, epoch }: RunKey): string {
  return `${session}/${epoch}`
}

function sizeOf({ columns, rows }: TerminalSize): TerminalSize | undefined {
  return isExtent(columns) && isExtent(rows) ? { columns, rows } : undefined
}

function keyOf({ session, epoch }: RunKey): RunKey {
  return { session, epoch }
}

function hardwareMessage({ json, error, at }: HardwareReport): FromSessiond {
  return {
    t: 'hardware',
    ageMs: Math.max(0, os.bootMs() - at),
    ...(json === undefined ? {} : { json }),
    ...(error === undefined ? {} : { error })
  }
}
