/**
 * Faults that wait for a moment: a message of some kind on the cable, a record on its way to the disk. The protocols do
 * not know of them; what they do is read from what they send and write.
 */
import type { PeerId, Plane, StoreOp } from '../protocols/ports.ts'
import { readOnce, decodeAs } from '../protocols/codec.ts'
import { decodeSlot, isRegisterFrame } from '../protocols/register/index.ts'
import type { RegisterFrame, Slot } from '../protocols/register/index.ts'
import { RecordWire } from '../protocols/session/index.ts'
import type { SessionRecord } from '../protocols/session/index.ts'
import { CHURN_SITES } from './churn-sites.ts'
import { END_SITES } from './end-sites.ts'
import type { Fate, Station, Tap } from './fabric.ts'
import type { Fault } from './faults.ts'
import { LEASE_SITES } from './lease-sites.ts'
import type { SimMesh } from './mesh.ts'
import type { SimPc } from './pc.ts'
import { RESULT_SITES } from './result-sites.ts'

export type SiteFault = Extract<Fault, { k: 'site' }>

/** A moment as a site sees it. */
export type Moment =
  | { on: 'send'; from: SimPc; to: SimPc; kind: string; record: SessionRecord | undefined; frame?: RegisterFrame }
  /** A record is handed to the disk, and has reached it. */
  | { on: 'write' | 'synced'; pc: SimPc; record: SessionRecord }
  | { on: 'accepted'; pc: SimPc }
  /** So is what an acceptor has promised or accepted. */
  | { on: 'slotWrite' | 'slotSynced'; pc: SimPc; slot: Slot }

/** Whether that message to that PC is lost; `frame`: when it is one of a register. */
type Losing = (sent: { kind: string; frame: RegisterFrame | undefined }, to: SimPc) => boolean

export interface Site {
  /** Others may rightly take the PC for dead, or the network is cut. */
  disturbs: boolean
  /** A peer program stands still for longer than its leash. */
  stalls?: boolean
  hits(moment: Moment): boolean
  act(sites: Sites, moment: Moment, fault: SiteFault): Fate | void
}

const sends =
  (kind: string, also: (record: SessionRecord | undefined) => boolean = () => true) =>
  (moment: Moment): boolean =>
    moment.on === 'send' && moment.kind === kind && also(moment.record)
const of = (moment: Moment): SimPc => ('pc' in moment ? moment.pc : moment.from)
const wasTakenOver = (record: SessionRecord | undefined): boolean => record?.history.at(-1)?.state === 'lost'
const cutOff =
  (pick: (moment: Moment) => SimPc): Site['act'] =>
  (sites, moment, fault) =>
    sites.powerCut(pick(moment), fault)
const receiver = (moment: Moment): SimPc => (moment.on === 'send' ? moment.to : of(moment))
const reset = (): Fate => 'reset'

export const SITES = {
  /** On disk, and nobody has been told. */
  'synced, unanswered': {
    disturbs: false,
    hits: (m) => m.on === 'synced',
    act: (sites, m, fault) => sites.powerCutNow(of(m), fault)
  },
  'written, unsynced': { disturbs: false, hits: (m) => m.on === 'write', act: cutOff(of) },
  'submitter dies after bind': { disturbs: false, hits: sends('bind'), act: cutOff(of) },
  'worker dies after bind': { disturbs: false, hits: sends('bind'), act: cutOff(receiver) },
  'worker dies after bound': { disturbs: false, hits: sends('bound'), act: cutOff(of) },
  'submitter dies before bound': { disturbs: false, hits: sends('bound'), act: cutOff(receiver) },
  /** It runs the session, nobody has heard that it does, and its process outlives the program for as long as the leash. */
  'worker starts unheard and its program ends': {
    disturbs: false,
    hits: sends('bind'),
    act: (sites, m, fault) => {
      const worker = receiver(m)
      sites.block([worker], sites.others(worker), 150)
      sites.later(120, () => sites.kill(worker, fault))
    }
  },
  'bind is lost': { disturbs: false, hits: sends('bind'), act: reset },
  'bound is lost': { disturbs: false, hits: sends('bound'), act: reset },
  'ack is lost': { disturbs: false, hits: sends('ack'), act: reset },
  'put is lost': { disturbs: false, hits: sends('put'), act: reset },
  'submitter dies when it has accepted': { disturbs: false, hits: (m) => m.on === 'accepted', act: cutOff(of) },
  'all lose power when one has accepted': {
    disturbs: false,
    hits: (m) => m.on === 'accepted',
    act: (sites, _, fault) => sites.blackout(fault)
  },
  'runner stalls until its leash is over': {
    disturbs: false,
    stalls: true,
    hits: (m) =>
      sends('put', (record) => record?.state === 'running')(m) && m.on === 'send' && m.record?.owner === m.from.id,
    act: (sites, m, fault) => sites.stall(of(m), 4500 + fault.forMs / 2, fault.afterMs * 30)
  },
  'submitter stalls until its hold is over': {
    disturbs: false,
    hits: sends('held'),
    act: (sites, m) => sites.stall(receiver(m), 5500, 0)
  },
  'peer dies when the end is written': {
    disturbs: false,
    hits: (m) => m.on === 'synced' && (m.record.state === 'finishing' || m.record.exit !== undefined),
    act: (sites, m, fault) => sites.kill(of(m), fault)
  },
  'taker dies at its takeover': { disturbs: false, hits: sends('put', wasTakenOver), act: cutOff(of) },
  'owner is back at the takeover': {
    disturbs: false,
    hits: (m) => m.on === 'write' && wasTakenOver(m.record),
    act: (sites) => sites.startAll()
  },
  'network parts at a takeover': {
    disturbs: true,
    hits: sends('put', wasTakenOver),
    act: (sites, m, fault) => sites.isolate(of(m), fault)
  },
  'old word after a takeover': {
    disturbs: false,
    hits: (m) => m.on === 'write' && wasTakenOver(m.record),
    act: (sites, m, fault) => {
      if (m.on === 'write') sites.repeatOld(m.record, fault)
    }
  },
  'stop meets a stall': {
    disturbs: false,
    stalls: true,
    hits: (m) => sends('stop')(m),
    act: (sites, m, fault) => sites.stall(receiver(m), fault.forMs / 4, 0)
  }
} as const satisfies Record<string, Site>
/** One has asked another to run a session, and does not know whether it does. */
export const HAND_SITES = [
  'submitter dies after bind',
  'worker dies after bind',
  'worker dies after bound',
  'submitter dies before bound',
  'worker starts unheard and its program ends',
  'bind is lost',
  'bound is lost'
] as const satisfies readonly (keyof typeof SITES)[]
/** A disk has taken a word and not written it, or written it and nobody has heard. */
export const POWER_SITES = [
  'synced, unanswered',
  'written, unsynced',
  'submitter dies when it has accepted',
  'all lose power when one has accepted',
  'peer dies when the end is written'
] as const satisfies readonly (keyof typeof SITES)[]
export type SiteName =
  | keyof typeof SITES
  | keyof typeof LEASE_SITES
  | keyof typeof END_SITES
  | keyof typeof CHURN_SITES
  | keyof typeof RESULT_SITES
const ALL: Record<SiteName, Site> = { ...SITES, ...LEASE_SITES, ...END_SITES, ...CHURN_SITES, ...RESULT_SITES }
export const siteOf = ({ site }: SiteFault): Site => ALL[site]

/** Who is back has heard from the others by then. */
const HEARD_MS = 8000

export class Sites implements Tap {
  readonly #mesh: SimMesh
  #armed: SiteFault[] = []
  readonly #byId = new Map<PeerId, SimPc>()
  /** The last put of each session before its owner changed: who sent it to whom. */
  readonly #puts = new Map<string, { from: SimPc; to: SimPc; message: object; owner: PeerId }>()
  readonly #old = new Map<string, { from: SimPc; to: SimPc; message: object }>()
  /** The same for what the holder of a right had its voters accept. */
  readonly #accepts = new Map<string, { from: SimPc; to: SimPc; message: object; epoch: number }>()
  readonly #oldAccepts = new Map<string, { from: SimPc; to: SimPc; message: object }>()
  /** Messages that are lost now, and the connection with each. */
  #losing: { loses: Losing; untilMs: number }[] = []
  #nextAloneMs = 0
  /** What struck, in order. */
  readonly struck: { atMs: number; fault: SiteFault; pc: string }[] = []

  constructor(mesh: SimMesh) {
    this.#mesh = mesh
    for (const pc of mesh.pcs) this.#byId.set(pc.id, pc)
  }

  /** Watches from the first armed fault on. */
  arm(fault: SiteFault): void {
    this.#armed.push(fault)
    this.watch()
  }

  watch(): void {
    if (this.#mesh.world.fabric.tap !== undefined) return
    this.#mesh.world.fabric.tap = this
    for (const pc of this.#mesh.pcs) {
      pc.disk.tap = {
        writes: (ops) => this.#disk('write', pc, ops),
        synced: (ops) => this.#disk('synced', pc, ops)
      }
    }
  }

  /** The fault phase is over: what did not strike will not. */
  disarm(): void {
    this.#armed = []
  }

  accepted(pc: SimPc): void {
    this.#look({ on: 'accepted', pc })
  }

  sent(from: Station, to: Station, plane: Plane, kind: string, message: object): Fate {
    if (plane !== 'reg' && plane !== 'sched') return 'pass'
    const record = (message as { record?: SessionRecord | null }).record ?? undefined
    const [near, far] = [this.#byId.get(from.peer)!, this.#byId.get(to.peer)!]
    if (kind === 'put' && record !== undefined) this.#remember(near, far, record, message)
    const frame = message as RegisterFrame
    const ofRegister = plane === 'reg' && isRegisterFrame(frame)
    if (ofRegister && frame.t === 'accept') this.#rememberAccept(near, far, frame)
    const { nowMs } = this.#mesh
    const sent = { kind, frame: ofRegister ? frame : undefined }
    if (this.#losing.some(({ loses, untilMs }) => nowMs < untilMs && loses(sent, far))) return 'reset'
    if (!ofRegister) return this.#look({ on: 'send', from: near, to: far, kind, record }) ?? 'pass'
    return this.#look({ on: 'send', from: near, to: far, kind, record, frame }) ?? 'pass'
  }

  // ---- what sites do ----

  powerCutNow(pc: SimPc, fault: SiteFault): void {
    pc.powerCut()
    this.later(fault.forMs, () => pc.start())
  }
  powerCut(pc: SimPc, fault: SiteFault): void {
    this.later(fault.afterMs, () => this.powerCutNow(pc, fault))
  }
  blackout(fault: SiteFault): void {
    this.later(fault.afterMs / 10, () => this.#mesh.pcs.forEach((pc) => this.powerCutNow(pc, fault)))
  }
  kill(pc: SimPc, fault: SiteFault): void {
    this.later(fault.afterMs, () => {
      pc.killPeerProcess()
      this.later(fault.forMs, () => pc.start())
    })
  }
  stall(pc: SimPc, forMs: number, afterMs = 0): void {
    this.later(afterMs, () => pc.pause(forMs))
  }
  startAll(): void {
    this.later(0, () => this.#mesh.pcs.forEach((pc) => pc.start()))
  }
  isolate(pc: SimPc, fault: SiteFault): void {
    const { fabric } = this.#mesh.world
    const others = this.#mesh.pcs.filter((other) => other !== pc).map((other) => other.id)
    this.later(fault.afterMs, () => {
      fabric.cut([[pc.id], others])
      this.later(fault.forMs, () => {
        fabric.unblock([pc.id], others)
        fabric.unblock(others, [pc.id])
      })
    })
  }
  /** Nothing that others say reaches it. */
  deafen(pc: SimPc, fault: SiteFault): void {
    const { fabric } = this.#mesh.world
    const others = this.#mesh.pcs.filter((other) => other !== pc).map((other) => other.id)
    this.later(fault.afterMs, () => {
      fabric.block(others, [pc.id])
      this.later(fault.forMs, () => fabric.unblock(others, [pc.id]))
    })
  }
  /** Nothing passes, either way. */
  silence(pc: SimPc, forMs: number): void {
    this.part([pc], this.others(pc), forMs)
  }
  part(these: readonly SimPc[], those: readonly SimPc[], forMs: number): void {
    this.block(these, those, forMs)
    this.block(those, these, forMs)
  }
  lose(loses: Losing, forMs: number): void {
    const untilMs = this.#mesh.nowMs + forMs
    this.#losing = [...this.#losing.filter((one) => one.untilMs > this.#mesh.nowMs), { loses, untilMs }]
  }
  /** For so long, what these say does not reach those. */
  block(from: readonly SimPc[], to: readonly SimPc[], forMs: number): void {
    const { fabric } = this.#mesh.world
    const [near, far] = [from.map((pc) => pc.id), to.map((pc) => pc.id)]
    fabric.block(near, far)
    this.later(forMs, () => fabric.unblock(near, far))
  }
  /** Takes a PC away for so long, unless another is, or has not heard yet what it missed. */
  alone(forMs: number, act: () => void): void {
    const { nowMs } = this.#mesh
    if (nowMs < this.#nextAloneMs) return
    this.#nextAloneMs = nowMs + forMs + HEARD_MS
    act()
  }
  /** A person at that PC stops it now. */
  stop({ id }: SessionRecord, at: SimPc): void {
    this.#mesh.stop(id, at)
  }
  others(...pcs: readonly SimPc[]): SimPc[] {
    return this.#mesh.pcs.filter((pc) => !pcs.includes(pc))
  }
  /** What the former holder had its voters accept comes once more. */
  repeatOldAccept(id: string, fault: SiteFault): void {
    const old = this.#oldAccepts.get(id)
    if (old === undefined) return
    this.later(fault.afterMs * 20, () => {
      if (old.from.running && old.to.running) old.from.station.program?.hand(old.to.id, 'reg', old.message)
    })
  }
  /** What the former owner had said of it comes once more. */
  repeatOld(record: SessionRecord, fault: SiteFault): void {
    const old = this.#old.get(record.id)
    if (old === undefined) return
    this.later(fault.afterMs * 20, () => {
      if (old.from.running && old.to.running) old.from.station.program?.hand(old.to.id, 'reg', old.message)
    })
  }

  later(ms: number, fn: () => void): void {
    this.#mesh.world.timeline.at(ms, fn)
  }

  #rememberAccept(from: SimPc, to: SimPc, frame: Extract<RegisterFrame, { t: 'accept' }>): void {
    const { epoch } = frame.v.own
    const before = this.#accepts.get(frame.id)
    if (before !== undefined && before.epoch < epoch) this.#oldAccepts.set(frame.id, before)
    this.#accepts.set(frame.id, { from, to, message: frame, epoch })
  }

  #remember(from: SimPc, to: SimPc, record: SessionRecord, message: object): void {
    const before = this.#puts.get(record.id)
    if (before !== undefined && before.owner !== record.owner) this.#old.set(record.id, before)
    this.#puts.set(record.id, { from, to, message, owner: record.owner })
  }

  #disk(on: 'write' | 'synced', pc: SimPc, ops: readonly StoreOp[]): void {
    for (const op of ops) {
      if ('del' in op && op.del.startsWith('r/')) this.#mesh.watch?.forgot(pc, op.del.slice(2))
      if ('put' in op && op.put.startsWith('c/')) {
        if (this.#armed.length > 0)
          this.#look({ on: on === 'write' ? 'slotWrite' : 'slotSynced', pc, slot: decodeSlot(op.value) })
        continue
      }
      if (!('put' in op) || !op.put.startsWith('r/')) continue
      const record = readOnce(op.value, (bytes) => decodeAs(RecordWire, bytes, 'record'))
      this.#mesh.watch?.wrote(pc, record, on)
      this.#look({ on, pc, record })
    }
  }

  /** The first armed site that the moment hits strikes, once. */
  #look(moment: Moment): Fate | undefined {
    if (this.#armed.length === 0) return undefined
    const at = this.#armed.findIndex((fault) => siteOf(fault).hits(moment))
    if (at < 0) return undefined
    const [fault] = this.#armed.splice(at, 1)
    const pc = 'from' in moment ? moment.from : moment.pc
    this.struck.push({ atMs: this.#mesh.nowMs, fault: fault!, pc: pc.name })
    return siteOf(fault!).act(this, moment, fault!) || undefined
  }
}
