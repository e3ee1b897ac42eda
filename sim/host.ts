/**
 * The Host port of a simulated PC: children that run for a given virtual time, under a leash like the real one. The children
 * belong to sessiond, not to the peer: they survive a killed peer program, are frozen once nobody has refreshed the
 * leash for 5 s, and die with their PC.
 */
import type { ChildReport, Exit, Host, HostHandler, PeerId, Random, RunOrder, SessionId } from '../protocols/ports.ts'
import type { ClockFault, Entry, SimProcess, Timeline } from './clock.ts'
import type { RunLog } from './run-log.ts'

const LEASH_MS = 5000
/** The peer refreshes the leash this often. */
const REFRESH_MS = 1000
/** A strict run whose right is over is frozen, and so much later killed. */
const STOP_AFTER_MS = 1000
/** From the order to a running process, at most. */
const SPAWN_MAX_MS = 20
/** sessiond looks this often whether the PC slept, and this often whether a right is over. */
const WAKE_MAX_MS = 500
const LEASE_LOOK_MS = 50

type FrozenBy = 'start' | 'order' | 'leash' | 'lease' | 'sleep'

interface Child {
  order: RunOrder
  /** 0 while it is being started. */
  pid: number
  state: 'running' | 'frozen' | 'exited'
  /** Runs only while this is empty: each reason goes with who gave it. */
  readonly frozenBy: Set<FrozenBy>
  /** Virtual run time left when it last started to run. */
  leftMs: number
  sinceMs: number
  end: Entry | undefined
  exit: Exit | undefined
  exitCode: number
  /** When the right of a strict run ends; what goes off then, and once more to stop it. */
  leaseEndsMs: number
  lease: Entry | undefined
}

export class SimHost {
  readonly blobs = new Set<string>()
  readonly #timeline: Timeline
  readonly #random: Random
  readonly #log: RunLog
  readonly #peer: PeerId
  readonly #children = new Map<string, Child>()
  #pids = 1000
  #connected: { process: SimProcess; handler: HostHandler; sinceMs: number } | undefined
  #leash: Entry | undefined
  /** The highest epoch ordered here, by session: sessiond refuses what is below. */
  readonly #fences = new Map<SessionId, number>()
  readonly #clock: Pick<ClockFault, 'rate'>
  #asleep = false
  #sleepUnseen: Entry | undefined
  readonly #wokeAtMs: number[] = []

  constructor(options: {
    timeline: Timeline
    random: Random
    log: RunLog
    peer: PeerId
    clock?: Pick<ClockFault, 'rate'>
  }) {
    this.#clock = options.clock ?? { rate: 1 }
    this.#timeline = options.timeline
    this.#random = options.random
    this.#log = options.log
    this.#peer = options.peer
  }

  /** sessiond as this run of the peer program sees it. */
  connect(process: SimProcess): Host {
    return {
      attach: (handler) => {
        this.#connected = { process, handler, sinceMs: this.#timeline.nowMs }
        this.#holdLeash()
        this.#tellChildren(5)
      },
      run: (order) => {
        if (!process.alive) return
        this.#seeSleep()
        this.#run(order)
        if (order.leaseUntil !== undefined) this.#lease(order, order.leaseUntil - process.mono())
      },
      signal: (session, epoch, signal) => this.#signal(session, epoch, signal),
      freeze: (session, epoch) => this.#freeze(this.#find(session, epoch), 'order'),
      lease: (session, epoch, until) => {
        this.#seeSleep()
        const child = this.#find(session, epoch)
        if (child !== undefined) this.#lease(child.order, until - process.mono())
      },
      thaw: (session, epoch) => this.#thaw(this.#find(session, epoch), 'order', 'leash'),
      acknowledge: (session, epoch) => {
        if (this.#find(session, epoch)?.state === 'exited') this.#children.delete(keyOf(session, epoch))
      },
      discard: (session, epoch) => {
        const child = this.#find(session, epoch)
        if (child === undefined) return
        this.#vanish(child)
        this.#children.delete(keyOf(session, epoch))
      },
      hasBlob: (hash) => this.blobs.has(hash)
    }
  }

  /** The peer program is gone. Its last refresh of the leash was up to a second ago. */
  peerGone(): void {
    if (this.#connected === undefined) return
    this.#lapseUnrefreshed()
    this.#connected = undefined
    // what it ordered and is not running yet will not
    for (const [key, child] of this.#children) if (child.pid === 0) this.#children.delete(key)
  }

  /** The peer program stands still for so long, and refreshes nothing. */
  peerPaused(forMs: number): void {
    if (this.#connected === undefined) return
    this.#lapseUnrefreshed()
    const { process } = this.#connected
    // its first act afterwards, as the overdue timer of a real one
    this.#timeline.at(forMs, () => this.#connected?.process === process && !process.paused && this.#holdLeash())
  }

  /** The whole PC sleeps: nothing runs. */
  suspend(): void {
    this.#asleep = true
    for (const child of this.#children.values()) this.#freeze(child, 'sleep')
  }

  /**
   * sessiond sees within half a second that the PC slept, and until then the children run; then no right holds. One that
   * is over by now is seen sooner.
   */
  wake(): void {
    this.#asleep = false
    const { nowMs } = this.#timeline
    this.#wokeAtMs.push(nowMs)
    for (const child of this.#children.values()) {
      this.#thaw(child, 'sleep')
      if (child.lease === undefined) continue
      const leftMs = child.leaseEndsMs - nowMs
      this.#armLease(child, leftMs > 0 ? leftMs : this.#random.float() * LEASE_LOOK_MS)
    }
    this.#sleepUnseen = this.#timeline.at(this.#random.float() * WAKE_MAX_MS, () => this.#seeSleep())
  }

  /** Also before anything that the peer says: a right given after the sleep is not voided with those of before. */
  #seeSleep(): void {
    if (this.#sleepUnseen === undefined || this.#asleep) return
    this.#timeline.clear(this.#sleepUnseen)
    this.#sleepUnseen = undefined
    for (const child of this.#children.values())
      if (child.lease !== undefined && !child.frozenBy.has('lease')) this.#armLease(child, 0)
    this.#lapse()
  }

  /** The PC woke shortly before, so that sessiond may not have seen yet that a right is over. */
  wokeBefore(fromMs: number, toMs: number): boolean {
    return this.#wokeAtMs.some((wokeMs) => wokeMs <= fromMs && toMs <= wokeMs + LEASE_LOOK_MS)
  }

  /** Until that child ends by itself; undefined: it does not run, or never ends. */
  endsInMs(session: SessionId, epoch: number): number | undefined {
    const child = this.#find(session, epoch)
    if (child?.state !== 'running' || child.leftMs === Infinity) return undefined
    return child.leftMs - (this.#timeline.nowMs - child.sinceMs)
  }

  #holdLeash(): void {
    if (this.#leash !== undefined) this.#timeline.clear(this.#leash)
    this.#leash = undefined
  }

  #lapseUnrefreshed(): void {
    if (this.#connected === undefined || this.#leash !== undefined) return
    const agoMs = (this.#timeline.nowMs - this.#connected.sinceMs) % REFRESH_MS
    this.#leash = this.#timeline.at(LEASH_MS - agoMs, () => this.#lapse())
  }

  /** Everything is frozen, and the peer is told as soon as it listens. */
  #lapse(): void {
    for (const child of this.#children.values()) this.#freeze(child, 'leash')
    this.#tellChildren(0)
  }

  #tellChildren(inMs: number): void {
    this.#tell((to) => to.children([...this.#children.values()].filter((child) => child.pid !== 0).map(reportOf)), inMs)
  }

  powerCut(): void {
    this.#connected = undefined
    this.#asleep = false
    this.#holdLeash()
    this.#fences.clear()
    for (const child of this.#children.values()) this.#vanish(child)
    this.#children.clear()
  }

  #run(order: RunOrder): void {
    const key = keyOf(order.session, order.epoch)
    const known = this.#children.get(key)
    if (known !== undefined) {
      // one that is being started answers when it has
      if (known.pid !== 0) this.#tell((to) => to.started(order.session, order.epoch, known.pid), 0)
      return
    }
    this.#log.ordered(order.session, order.epoch, this.#peer)
    const fence = this.#fences.get(order.session) ?? -1
    if (order.epoch < fence) {
      const why = `epoch ${order.epoch} is over; this PC has seen epoch ${fence}`
      return this.#tell((to) => to.notStarted(order.session, order.epoch, why), 0)
    }
    this.#fences.set(order.session, order.epoch)
    // the right of an older epoch ended with this order, also of one that is just being started
    for (const [name, old] of this.#children) {
      if (old.order.session !== order.session || old.order.epoch >= order.epoch || old.state === 'exited') continue
      if (old.pid === 0) this.#children.delete(name)
      else this.#exit(old, { code: null, signal: 'SIGKILL', logBytes: 0 })
    }
    const program = programOf(order)
    const inMs = this.#random.float() * SPAWN_MAX_MS
    if ('reason' in program) {
      this.#tell((to) => to.notStarted(order.session, order.epoch, program.reason), inMs)
      return
    }
    const { forMs: leftMs, code: exitCode } = program
    const child: Child = {
      order,
      pid: 0,
      state: 'frozen',
      frozenBy: new Set(['start']),
      leftMs,
      exitCode,
      sinceMs: 0,
      end: undefined,
      exit: undefined,
      leaseEndsMs: 0,
      lease: undefined
    }
    this.#children.set(key, child)
    this.#timeline.at(inMs, () => {
      if (this.#children.get(key) !== child) return
      child.pid = ++this.#pids
      this.#tell((to) => to.started(order.session, order.epoch, child.pid), 0)
      this.#thaw(child, 'start')
    })
  }

  /** The right lasts for so long by the clock of this PC; what was frozen for the want of it goes on. */
  #lease({ session, epoch }: RunOrder, forMs: number): void {
    const child = this.#find(session, epoch)
    if (child === undefined || child.state === 'exited') return
    const inMs = forMs / this.#clock.rate
    child.leaseEndsMs = this.#timeline.nowMs + inMs
    if (forMs > 0) this.#thaw(child, 'lease')
    else this.#freeze(child, 'lease')
    this.#armLease(child, inMs)
  }

  #armLease(child: Child, inMs: number): void {
    if (child.lease !== undefined) this.#timeline.clear(child.lease)
    child.lease = this.#timeline.at(inMs, () => {
      // nothing looks at clocks now; whoever wakes does
      if (this.#asleep) return
      this.#freeze(child, 'lease')
      child.lease = this.#timeline.at(STOP_AFTER_MS, () => {
        if (child.state !== 'exited' && !this.#asleep)
          this.#exit(child, { code: null, signal: 'SIGKILL', lapsed: true, logBytes: 0 })
      })
    })
  }

  #signal(session: SessionId, epoch: number, signal: string): void {
    const child = this.#find(session, epoch)
    if (child === undefined || child.state === 'exited' || (child.state === 'frozen' && signal !== 'KILL')) return
    this.#exit(child, { code: null, signal: `SIG${signal}`, logBytes: 0 })
  }

  #thaw(child: Child | undefined, ...reasons: FrozenBy[]): void {
    if (child === undefined) return
    for (const reason of reasons) child.frozenBy.delete(reason)
    if (child.state !== 'frozen' || child.frozenBy.size > 0) return
    child.state = 'running'
    child.sinceMs = this.#timeline.nowMs
    this.#log.begins(child.order.session, child.order.epoch, this.#peer, child.order.cpuMilli)
    if (child.leftMs === Infinity) return
    child.end = this.#timeline.at(child.leftMs, () =>
      this.#exit(child, { code: child.exitCode, signal: null, logBytes: 0 })
    )
  }

  #freeze(child: Child | undefined, reason: FrozenBy): void {
    if (child === undefined) return
    child.frozenBy.add(reason)
    if (child.state !== 'running') return
    this.#halt(child)
    child.leftMs -= this.#timeline.nowMs - child.sinceMs
    child.state = 'frozen'
  }

  #exit(child: Child, exit: Exit): void {
    this.#halt(child)
    if (child.lease !== undefined) this.#timeline.clear(child.lease)
    child.state = 'exited'
    child.exit = exit
    const { partOf, env } = child.order
    if (partOf !== undefined) this.#log.taskEnded(partOf, Number(env['OMEGA_TASK']), exit.code)
    this.#tell((to) => to.exited(child.order.session, child.order.epoch, exit), 0)
  }

  /** It is gone, and nobody hears of its end. */
  #vanish(child: Child): void {
    this.#halt(child)
    if (child.lease !== undefined) this.#timeline.clear(child.lease)
    child.state = 'exited'
  }

  #halt(child: Child): void {
    if (child.end !== undefined) this.#timeline.clear(child.end)
    child.end = undefined
    if (child.state === 'running') this.#log.ends(child.order.session, child.order.epoch, this.#peer)
  }

  #find(session: SessionId, epoch: number): Child | undefined {
    return this.#children.get(keyOf(session, epoch))
  }

  #tell(say: (to: HostHandler) => void, inMs: number): void {
    const to = this.#connected
    to?.process.setTimeout(() => say(to.handler), inMs)
  }
}

const keyOf = (session: SessionId, epoch: number): string => `${session}/${epoch}`

function reportOf({ order, state, pid, exit }: Child): ChildReport {
  const { session, epoch } = order
  return { session, epoch, state, pid, ...(exit === undefined ? {} : { exit }) }
}

/** The programs of simulated PCs: `sleep SECONDS` (`infinity` too), `true`, `false`, `exit CODE`, `work SECONDS CODE`. */
function programOf({ launcher, argv }: RunOrder): { forMs: number; code: number } | { reason: string } {
  const [name = '', first = '0', second = '0'] = launcher === 'shell' ? (argv[0] ?? '').split(' ') : argv
  switch (name) {
    case 'sleep':
      return { forMs: first === 'infinity' ? Infinity : Number(first) * 1000, code: 0 }
    case 'work':
      return { forMs: Number(first) * 1000, code: Number(second) }
    case 'true':
      return { forMs: 1, code: 0 }
    case 'false':
      return { forMs: 1, code: 1 }
    case 'exit':
      return { forMs: 1, code: Number(first) }
    default:
      return { reason: `${name}: no such program on simulated PCs` }
  }
}
