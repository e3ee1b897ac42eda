/**
 * What may not be wrong for a moment, looked at as it happens (PROTOCOLS.md 2.8.4): fences that fall back, PCs that run more
 * than they give, results that are told twice, tables that grow without end.
 */
import type { PeerId, SessionId } from '../protocols/ports.ts'
import { REGISTER_LIMITS } from '../protocols/register/index.ts'
import { FINAL_STATES, isTaskRun, TaskSet } from '../protocols/session/index.ts'
import type { SessionRecord } from '../protocols/session/index.ts'
import type { SimMesh } from './mesh.ts'
import type { SimPc } from './pc.ts'
import type { Run, RunWatcher } from './run-log.ts'

export interface Violation {
  checker: string
  text: string
  atMs: number
}

const VIOLATIONS_MAX = 20
/** What one peer may have armed when nothing waits for it, and for each session. */
const TIMERS_MAX = 400
const TIMERS_A_SESSION = 60
/** Members, authors, ledger and the like. */
const KEYS_MAX = 400
/** Sessions and registers that a liar may invent. */
const MADE_UP_MAX = 200

export interface WatchOptions {
  nowMs(): number
  nameOf(peer: PeerId): string
  /** Thousandths of a core that each PC gives. */
  cpuMilli: number
  /** Somebody lies: what is refused from it is as it should be. */
  lies: boolean
  /** PCs could not hear each other then, or had not heard of each other yet. */
  excused(atMs: number): boolean
  /** That PC woke so shortly before that its sessiond may not have seen it yet. */
  woke(peer: PeerId, atMs: number): boolean
  /** Its peer program answers now. */
  answers(peer: PeerId): boolean
  /** That PC has the right to run that strict session. */
  holds(session: SessionId, peer: PeerId): boolean
}

interface Written {
  /** In which life of the peer. */
  start: number
  epoch: number
  owner: PeerId
  isFinal: boolean
}

export class Watch implements RunWatcher {
  readonly violations: Violation[] = []
  readonly #options: WatchOptions
  readonly #said = new Set<string>()
  /** What each PC wrote last of each session. */
  readonly #written = new Map<SessionId, Map<PeerId, Written>>()
  readonly #ordered = new Map<string, number>()
  readonly #used = new Map<PeerId, number>()
  readonly #over = new Map<string, { seq: number; over: TaskSet }>()
  readonly #results = new Map<SessionId, { epoch: number; endedAt: number | undefined }>()
  /**
   * Claimed by a PC that was behind while all who knew more were off: whoever is left runs a session that is no strict one,
   * as it should had they died before. Its epochs may be counted twice, and its result told twice.
   */
  readonly unheard = new Set<SessionId>()
  /** On which disks the end of a strict session is, and on how many it has to be. */
  readonly #ends = new Map<SessionId, { epoch: number; disks: Set<PeerId>; needed: number }>()
  /** Sessions that may never run twice, and the highest epoch that has run, anywhere. */
  readonly strict = new Map<SessionId, number>()
  #invented = 0

  constructor(options: WatchOptions) {
    this.#options = options
  }

  violate(checker: string, text: string, atMs = this.#options.nowMs()): void {
    const key = `${checker} ${text}`
    if (this.#said.has(key) || this.violations.length >= VIOLATIONS_MAX) return
    this.#said.add(key)
    this.violations.push({ checker, text, atMs })
  }

  /** A liar has asked for so many registers: the others may have given it room up to their bound. */
  invents(count: number): void {
    this.#invented += count
  }

  /** A PC hands a version to its disk (`write`), and it has reached it. */
  wrote(pc: Pick<SimPc, 'id' | 'name' | 'starts'>, record: SessionRecord, on: 'write' | 'synced'): void {
    const { id, epoch, state, spec, exit } = record
    if (spec.mode === 'strict' && !this.strict.has(id)) this.strict.set(id, -1)
    if (on === 'write') {
      const all = this.#written.get(id) ?? new Map()
      this.#written.set(id, all)
      const before = all.get(pc.id)
      if (before !== undefined && before.start === pc.starts && epoch < before.epoch)
        this.violate('fence', `${pc.name} took epoch ${epoch} of session ${short(id)} after epoch ${before.epoch}`)
      this.#claimed(pc.id, record)
      all.set(pc.id, { start: pc.starts, epoch, owner: record.owner, isFinal: FINAL_STATES.has(state) })
      this.#progressed(pc, record)
      return
    }
    if (state === 'finished') this.#ended(record)
    if (spec.mode === 'strict' && (exit !== undefined || FINAL_STATES.has(state))) this.#endSynced(pc, record)
  }

  #endSynced({ id: pc }: Pick<SimPc, 'id'>, { id, epoch, state, keepers }: SessionRecord): void {
    const before = this.#ends.get(id)
    if (before !== undefined && before.epoch > epoch) return
    const disks = before?.epoch === epoch ? before.disks.add(pc) : new Set([pc])
    const isResult = state === 'running' || state === 'finishing' || state === 'finished'
    this.#ends.set(id, { epoch, disks, needed: isResult ? Math.min(2, keepers.length) : 1 })
  }

  /**
   * The voters of a strict session are told that it has ended once its end is where those that may take it over find it: a
   * result on two disks, any other end on one. Who votes alone answers for its own.
   */
  toldOver(id: SessionId, alone: boolean): void {
    if (this.#options.lies) return
    const { disks = new Set(), needed = 1 } = this.#ends.get(id) ?? {}
    if (disks.size < (alone ? 1 : needed))
      this.violate('result', `the voters of session ${short(id)} were told of an end that ${disks.size} disks have`)
  }

  /** A result is published once, but for what nobody could know. A later owner that hears of it may take it as its own. */
  #ended({ id, epoch, endedAt }: SessionRecord): void {
    const told = this.#results.get(id)
    if (told === undefined) return void this.#results.set(id, { epoch, endedAt })
    const isSame = endedAt !== undefined && told.endedAt === endedAt
    if (told.epoch === epoch || isSame || (!this.strict.has(id) && this.unheard.has(id))) return
    if (this.strict.has(id) || !this.#options.excused(this.#options.nowMs()))
      this.violate('result', `the end of session ${short(id)} was published for epoch ${told.epoch} and epoch ${epoch}`)
  }

  /** It takes the session as its own, or says how it has ended. */
  #claimed(pc: PeerId, { id, epoch, owner, state }: SessionRecord): void {
    const all = this.#written.get(id)!
    const base = all.get(pc)
    if (pc !== owner || base === undefined) return
    const isEnd = FINAL_STATES.has(state) && !base.isFinal
    if (epoch <= base.epoch && base.owner === pc && !isEnd) return
    const ahead = [...all].filter(
      ([peer, at]) =>
        peer !== pc &&
        (at.epoch > base.epoch ||
          (at.epoch === base.epoch && at.isFinal && !base.isFinal) ||
          // what this PC wrote itself may be lost with its last life
          (at.epoch >= epoch && at.owner !== pc))
    )
    if (ahead.length > 0 && !ahead.some(([peer]) => this.#options.answers(peer))) this.unheard.add(id)
  }

  /**
   * The result of a task is published once: within an epoch of an owner, what is over stays over. A keeper that has heard
   * of the epoch, and could reach nobody who knows more, names those that it knows itself; and PCs that are parted may
   * count the same epoch.
   */
  #progressed(pc: Pick<SimPc, 'id' | 'name'>, { id, epoch, owner, seq, progress, spec }: SessionRecord): void {
    if (progress === undefined || spec.array === undefined || pc.id !== owner) return
    const key = `${id}/${epoch}/${owner}`
    const before = this.#over.get(key)
    const over = TaskSet.of(progress.over, spec.array)
    if (before !== undefined && before.seq > seq) return
    if (before !== undefined && before.over.within(over) < before.over.size)
      this.violate('array', `${pc.name} wrote that ${over.size} tasks of ${short(id)} are over, and others were before`)
    this.#over.set(key, { seq, over })
  }

  /** It keeps the session no more, and may hear of it anew from one that is behind. */
  forgot(pc: Pick<SimPc, 'id'>, session: SessionId): void {
    this.#written.get(session)?.delete(pc.id)
  }

  /** Its disk has lost what it knew of that session, or of all: what it orders next may be older. Voters remember strict ones. */
  diskForgot({ id: pc }: Pick<SimPc, 'id'>, lost?: SessionId): void {
    for (const key of [...this.#ordered.keys()]) {
      const [peer, session] = key.split('/') as [PeerId, SessionId]
      if (peer === pc && (lost === undefined || session === lost) && !this.strict.has(session))
        this.#ordered.delete(key)
    }
  }

  ordered(session: SessionId, epoch: number, peer: PeerId): void {
    const key = `${peer}/${session}`
    const before = this.#ordered.get(key) ?? -1
    if (epoch < before)
      this.violate(
        'fence',
        `${this.#options.nameOf(peer)} ordered epoch ${epoch} of session ${short(session)} after epoch ${before}`
      )
    if (epoch === before && !isTaskRun(epoch))
      this.violate('fence', `${this.#options.nameOf(peer)} ordered epoch ${epoch} of session ${short(session)} twice`)
    this.#ordered.set(key, Math.max(before, epoch))
  }

  begins({ session, epoch, peer, cpuMilli }: Run): void {
    this.#fence(session, epoch, peer)
    const used = (this.#used.get(peer) ?? 0) + cpuMilli
    this.#used.set(peer, used)
    const { cpuMilli: offer, nameOf } = this.#options
    if (used > offer)
      this.violate(
        'capacity',
        `${nameOf(peer)} ran ${used} of ${offer} thousandths of a core when session ${short(session)} went on`
      )
  }

  /** What a strict run does must not come after what a later one did. */
  #fence(session: SessionId, epoch: number, peer: PeerId): void {
    const highest = this.strict.get(session)
    if (highest === undefined) return
    const { nameOf, nowMs, woke, holds } = this.#options
    if (!holds(session, peer) && !woke(peer, nowMs()))
      this.violate(
        'right',
        `${nameOf(peer)} ran epoch ${epoch} of strict session ${short(session)} without the right to`
      )
    if (epoch < highest && !woke(peer, nowMs()))
      this.violate(
        'fence',
        `${nameOf(peer)} ran epoch ${epoch} of strict session ${short(session)} after epoch ${highest}`
      )
    this.strict.set(session, Math.max(epoch, highest))
  }

  ends({ peer, cpuMilli }: Run): void {
    this.#used.set(peer, this.#used.get(peer)! - cpuMilli)
  }

  /** Now and then: what grows, and what peers believe to have given. */
  sample(mesh: SimMesh, sessions: number, chunks = 0): void {
    for (const pc of mesh.pcs) {
      const { peer } = pc
      if (peer === undefined || peer.phase === 'starting') continue
      const granted = peer.sessions.granted()
      if (granted.cpuMilli > this.#options.cpuMilli)
        this.violate(
          'capacity',
          `${pc.name} has given ${granted.cpuMilli} of ${this.#options.cpuMilli} thousandths of a core`
        )
      for (const [name, times] of peer.counters)
        if (name.startsWith('bad_') && !this.#options.lies)
          this.violate('wire', `${pc.name} refused ${times} messages of its own kind: ${name}`)
    }
    this.bounded(
      'entries armed',
      mesh.world.timeline.size,
      mesh.pcs.length * TIMERS_MAX + (sessions + chunks) * TIMERS_A_SESSION
    )
    const known = sessions + (this.#options.lies ? MADE_UP_MAX : 0)
    const invented = Math.min(this.#invented, REGISTER_LIMITS.slotsOfOne)
    const strict = this.strict.size + invented + (this.#options.lies ? MADE_UP_MAX : 0)
    for (const pc of mesh.pcs) {
      this.bounded(`pairs on the disk of ${pc.name}`, pc.disk.size, KEYS_MAX + known + strict)
      this.bounded(`registers of ${pc.name}`, pc.peer?.sessions.strict.registers.size ?? 0, strict)
      this.bounded(`events of ${pc.name}`, pc.peer?.events.length ?? 0, 500)
      this.bounded(`refusals of ${pc.name}`, pc.peer?.refusals.length ?? 0, 50)
      this.bounded(`records of ${pc.name}`, pc.peer?.sessions.records.all.size ?? 0, known)
    }
  }

  bounded(what: string, size: number, most: number): void {
    if (size > most) this.violate('bound', `${what}: ${size}, at most ${most}`)
  }
}

const short = (id: SessionId): string => id.slice(0, 6)
