/**
 * The owner's half of placement: a few workers of the view are asked for room at once, the best that holds it is bound, the
 * rest are let go. Where there is no room now the session keeps its place in a few queues, and takes the first that pulls.
 * A worker that went silent between bind and its answer may have started the child, so its death must be certain before
 * anybody else is asked.
 */
import type { PeerId, SessionId } from '../ports.ts'
import { choose, explain, grant } from '../placement/index.ts'
import type { Admission, Ask, Choice, SchedFrame } from '../placement/index.ts'
import { partsOfUri, TAKEOVER_AFTER_MS } from '../session/index.ts'
import type { SessionRecord, Why } from '../session/index.ts'
import type { PeerContext } from './context.ts'
import type { Worker } from './worker.ts'

/** Workers asked at once, and queues in which a session waits. */
const ASK_AT_ONCE = 4
/** A worker answers a reservation from memory; slower means it is stalled or gone. */
const RESERVE_MS = 1_000
/** When one holds room, a better one that has not answered yet gets so much more time. */
const PATIENCE_MS = 250
/** Rounds until the session waits for a change of the view. */
const ROUNDS_MAX = 3
const BACKOFF_MS = 50
const BACKOFF_MAX_MS = 5_000

export type Outcome =
  | { k: 'self'; why: Why }
  /** Room is held there; the caller records it, then calls `bind`. */
  | { k: 'binding'; worker: PeerId; why: Why }
  | { k: 'bound'; worker: PeerId; epoch: number }
  /** The worker died after bind; it may have started the child. */
  | { k: 'lost' }
  | { k: 'none'; why: Why; couldLater: boolean }

interface Asked {
  /** 0 is the best of its round. */
  rank: number
  state: 'asked' | 'held' | 'queued' | 'refused'
  /** Of the reading that the ask was charged to. */
  readAt: number | undefined
}

interface Placing {
  record: SessionRecord
  ask: Ask
  choice: Choice
  refusals: Map<PeerId, string>
  asked: Map<PeerId, Asked>
  rounds: number
  /** Those of this round are still being asked: answers wait. */
  asking: boolean
  impatient: boolean
  worker: PeerId | undefined
  /** `recording`: the caller writes down who it will be. */
  phase: 'reserving' | 'recording' | 'binding'
  timer: unknown
  report(outcome: Outcome): void
}

interface Parts {
  admission: Admission
  /** The same PC as a worker. */
  worker: Pick<Worker, 'reserve' | 'cancel'>
  /** A queue has come to this session, which is not being placed just now: `place` takes the room if called at once. */
  pulled(id: SessionId, by: PeerId): void
}

export class Placer {
  readonly #ctx: PeerContext
  readonly #parts: Parts
  readonly #placing = new Map<SessionId, Placing>()
  /** Workers in whose queue a session waits. */
  readonly #waiting = new Map<SessionId, Set<PeerId>>()
  /** Holds room for a session that waited. */
  readonly #pulled = new Map<SessionId, PeerId>()

  constructor(ctx: PeerContext, parts: Parts) {
    this.#ctx = ctx
    this.#parts = parts
  }

  /** True when the view holds a peer that could take it now. */
  hasCandidate(record: SessionRecord): boolean {
    return choose(this.#ctx.view, askOf(record), this.#ctx.ports.clock.mono(), () => 0).able > 0
  }

  place(record: SessionRecord, report: (outcome: Outcome) => void): void {
    const { id } = record
    this.#drop(id)
    const ask = askOf(record)
    const placing: Placing = {
      record,
      ask,
      choice: this.#choose(ask),
      refusals: new Map(),
      asked: new Map(),
      rounds: 0,
      asking: false,
      impatient: false,
      worker: undefined,
      phase: 'reserving',
      timer: undefined,
      report
    }
    this.#placing.set(id, placing)
    const puller = this.#pulled.get(id)
    this.#pulled.delete(id)
    if (puller === undefined || ask.exclude?.has(puller) === true) return this.#round(placing)
    placing.asked.set(puller, { rank: 0, state: 'held', readAt: undefined })
    this.#decide(placing)
  }

  bind(worker: PeerId, record: SessionRecord): void {
    const placing = this.#placing.get(record.id)
    if (placing?.worker !== worker || placing.phase !== 'recording') return
    placing.phase = 'binding'
    placing.record = record
    this.#sendBind(placing)
  }

  /** The session needs no place any more. */
  forget(id: SessionId): void {
    this.#drop(id)
    for (const peer of this.#waiting.get(id) ?? []) this.#cancel(peer, id)
    this.#waiting.delete(id)
  }

  linkUp(peer: PeerId): void {
    for (const placing of this.#placing.values()) {
      if (placing.worker === peer && placing.phase === 'binding') this.#sendBind(placing)
    }
  }

  linkDown(peer: PeerId): void {
    for (const id of [...this.#waiting.keys()]) this.#waitsNoMore(id, peer)
    for (const placing of [...this.#placing.values()]) {
      const asked = placing.asked.get(peer)
      if (placing.phase !== 'reserving' || asked === undefined || asked.state === 'refused') continue
      this.#refused(placing, peer, 'the link to it broke')
      this.#decide(placing)
    }
  }

  frame(from: PeerId, frame: SchedFrame): void {
    switch (frame.t) {
      case 'held':
      case 'pull':
        this.#correctView(from, frame.freeCpu, frame.freeMem)
        return this.#held(from, frame.id)
      case 'queued': {
        const placing = this.#reserving(from, frame.id)
        if (placing === undefined)
          return this.#waiting.get(frame.id)?.has(from) === true ? undefined : this.#cancel(from, frame.id)
        this.#correctView(from, frame.freeCpu, frame.freeMem)
        placing.asked.get(from)!.state = 'queued'
        const inTime = frame.estMs === undefined ? '' : `, in about ${Math.ceil(frame.estMs / 1000)} s`
        placing.refusals.set(from, `full; it waits there as number ${frame.place}${inTime}`)
        const queues = this.#waiting.get(frame.id) ?? new Set()
        this.#waiting.set(frame.id, queues.add(from))
        return this.#decide(placing)
      }
      case 'refused': {
        this.#waitsNoMore(frame.id, from)
        const placing = this.#reserving(from, frame.id)
        if (placing === undefined) return
        this.#correctView(from, frame.freeCpu, frame.freeMem)
        this.#refused(placing, from, frame.why)
        return this.#decide(placing)
      }
      case 'bound': {
        const placing = this.#placing.get(frame.id)
        if (placing?.worker === from && placing.phase === 'binding')
          this.#done(placing, { k: 'bound', worker: from, epoch: frame.epoch })
        return
      }
      case 'unbound': {
        const placing = this.#placing.get(frame.id)
        if (placing?.worker !== from || placing.phase !== 'binding') return
        placing.phase = 'reserving'
        placing.worker = undefined
        this.#ctx.ports.clock.clearTimeout(placing.timer)
        this.#refused(placing, from, frame.why)
        return this.#decide(placing)
      }
    }
  }

  // ---- asking ----

  /** The best that were not asked yet; those with room first, then queues it waits in already, then others that are full. */
  #candidates({ record, choice, asked }: Placing): PeerId[] {
    const waiting = this.#waiting.get(record.id) ?? new Set<PeerId>()
    const untried = ({ peer }: { peer: PeerId }): boolean => !asked.has(peer)
    const free = choice.ranked.filter(untried).map(({ peer }) => peer)
    const full = choice.full.filter(untried).map(({ peer }) => peer)
    const kept = full.filter((peer) => waiting.has(peer))
    const room = ASK_AT_ONCE - [...waiting].filter((peer) => !kept.includes(peer)).length
    const queues = [...kept, ...full.filter((peer) => !waiting.has(peer))].slice(0, Math.max(0, room))
    return [...free, ...queues].slice(0, ASK_AT_ONCE)
  }

  #round(placing: Placing): void {
    const { record, asked } = placing
    placing.choice = this.#choose(placing.ask)
    const candidates = this.#candidates(placing)
    if (candidates.length === 0) return this.#nobody(placing)
    placing.rounds++
    placing.impatient = false
    placing.asking = true
    const frame = {
      t: 'reserve',
      id: record.id,
      cpu: record.spec.cpuMilli,
      mem: record.spec.memoryBytes,
      wait: true,
      ...(record.spec.class === undefined ? {} : { class: record.spec.class })
    } as const
    for (const [rank, peer] of candidates.entries()) {
      asked.set(peer, { rank, state: 'asked', readAt: this.#charge(peer, record, 1) })
      if (peer === this.#ctx.self) this.#parts.worker.reserve(peer, frame)
      else if (!this.#ctx.send(peer, 'sched', frame)) this.#refused(placing, peer, 'no link to it now')
    }
    placing.asking = false
    this.#wait(placing, RESERVE_MS, () => {
      for (const [peer, one] of asked)
        if (one.state === 'asked') this.#refused(placing, peer, 'did not answer in a second')
      this.#decide(placing)
    })
    this.#decide(placing)
  }

  /** The best that holds room is taken once no better one can still answer. Without one, the next round. */
  #decide(placing: Placing): void {
    if (placing.asking || placing.phase !== 'reserving' || this.#placing.get(placing.record.id) !== placing) return
    const open = [...placing.asked].filter(([, one]) => one.state === 'asked')
    const held = [...placing.asked].filter(([, one]) => one.state === 'held').sort(([, a], [, b]) => a.rank - b.rank)[0]
    if (held !== undefined) {
      const isBest = open.every(([, one]) => one.rank > held[1].rank)
      if (isBest || placing.impatient) return this.#take(placing, held[0])
      placing.impatient = true
      return this.#wait(placing, PATIENCE_MS, () => this.#decide(placing))
    }
    if (open.length > 0) return
    placing.choice = this.#choose(placing.ask)
    if (placing.rounds >= ROUNDS_MAX || this.#candidates(placing).length === 0) return this.#nobody(placing)
    // The view was old, and the answers made it newer: the second round goes to others and need not wait.
    if (placing.rounds === 1) return this.#round(placing)
    const backoffMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** (placing.rounds - 2))
    this.#wait(placing, backoffMs * (0.5 + this.#ctx.ports.random.float()), () => this.#round(placing))
  }

  #take(placing: Placing, worker: PeerId): void {
    const { record } = placing
    const isSelf = worker === this.#ctx.self
    // Its own word, given before a pause of this program that outlasted the hold, is worth no more than another's.
    if (isSelf && !grant(this.#parts.admission, record.id, record.spec, worker, this.#ctx.ports.clock.mono())) {
      this.#refused(placing, worker, 'the room was given away meanwhile')
      return this.#decide(placing)
    }
    this.#ctx.ports.clock.clearTimeout(placing.timer)
    placing.worker = worker
    this.#letGo(placing, worker)
    for (const peer of this.#waiting.get(record.id) ?? []) if (peer !== worker) this.#cancel(peer, record.id)
    this.#waiting.delete(record.id)
    // Should this one refuse to be bound after all, they can be asked again.
    for (const [peer, one] of placing.asked) if (peer !== worker && one.state !== 'refused') placing.asked.delete(peer)
    const why = this.#explain(placing, worker)
    this.#charge(worker, record, 1)
    if (isSelf) return this.#done(placing, { k: 'self', why })
    placing.phase = 'recording'
    placing.report({ k: 'binding', worker, why })
  }

  /** Room that is held or being asked for elsewhere is free again, there and in the view. */
  #letGo({ record, asked }: Placing, except?: PeerId): void {
    for (const [peer, one] of asked) {
      if (one.state !== 'asked' && one.state !== 'held') continue
      if (peer !== except) this.#cancel(peer, record.id)
      if (one.readAt !== undefined && one.readAt === this.#readAt(peer)) this.#charge(peer, record, -1)
    }
  }

  #held(from: PeerId, id: SessionId): void {
    const placing = this.#placing.get(id)
    const waits = this.#waiting.get(id)?.has(from) === true
    if (placing !== undefined && placing.phase === 'reserving' && (waits || placing.asked.has(from))) {
      const asked = placing.asked.get(from) ?? { rank: ASK_AT_ONCE, readAt: undefined }
      placing.asked.set(from, { ...asked, state: 'held' })
      return this.#decide(placing)
    }
    if (placing === undefined && waits) {
      this.#pulled.set(id, from)
      this.#parts.pulled(id, from)
      if (!this.#pulled.delete(id)) return
    }
    // Nobody waits for it any more, or another place was found: give the room back.
    if (placing?.worker !== from) this.#cancel(from, id)
  }

  #refused(placing: Placing, peer: PeerId, why: string): void {
    placing.asked.set(peer, { rank: ASK_AT_ONCE, readAt: undefined, state: 'refused' })
    placing.refusals.set(peer, why)
  }

  #waitsNoMore(id: SessionId, peer: PeerId): void {
    const queues = this.#waiting.get(id)
    if (queues?.delete(peer) === true && queues.size === 0) this.#waiting.delete(id)
  }

  #nobody(placing: Placing): void {
    const why = this.#explain(placing, undefined)
    // A peer that only lacks room or is paused may take it later; one that failed to start it will not.
    const couldLater = why.candidates.some(
      (row) => !placing.ask.exclude?.has(row.peer) && !row.reason.startsWith('--') && row.reason !== 'not reachable'
    )
    this.#done(placing, { k: 'none', why, couldLater })
  }

  // ---- binding ----

  #sendBind(placing: Placing): void {
    const worker = placing.worker!
    this.#ctx.send(worker, 'sched', { t: 'bind', record: placing.record })
    // No answer and the worker gone for good: only then may anybody else be asked.
    const watch = (): void => {
      const gone = this.#ctx.goneMs(worker)
      if (gone !== undefined && gone >= TAKEOVER_AFTER_MS) return this.#done(placing, { k: 'lost' })
      this.#ctx.link(worker)
      this.#wait(placing, 500, watch)
    }
    this.#wait(placing, 500, watch)
  }

  #done(placing: Placing, outcome: Outcome): void {
    this.#ctx.ports.clock.clearTimeout(placing.timer)
    this.#placing.delete(placing.record.id)
    placing.report(outcome)
  }

  // ---- small ----

  #drop(id: SessionId): void {
    const placing = this.#placing.get(id)
    if (placing === undefined) return
    this.#placing.delete(id)
    this.#ctx.ports.clock.clearTimeout(placing.timer)
    if (placing.phase !== 'binding') this.#letGo(placing)
  }

  /** Still being asked, and this is one of those who were. */
  #reserving(from: PeerId, id: SessionId): Placing | undefined {
    const placing = this.#placing.get(id)
    return placing?.phase === 'reserving' && placing.asked.has(from) ? placing : undefined
  }

  #wait(placing: Placing, ms: number, then: () => void): void {
    this.#ctx.ports.clock.clearTimeout(placing.timer)
    placing.timer = this.#ctx.ports.clock.setTimeout(then, ms)
  }

  #cancel(peer: PeerId, id: SessionId): void {
    if (peer === this.#ctx.self) this.#parts.worker.cancel(peer, id)
    else this.#ctx.send(peer, 'sched', { t: 'cancel', id })
  }

  #choose(ask: Ask): Choice {
    return choose(this.#ctx.view, ask, this.#ctx.ports.clock.mono(), () => this.#ctx.ports.random.float())
  }

  #explain(placing: Placing, chosen: PeerId | undefined): Why {
    return explain(this.#ctx.view, placing.ask, placing.choice, chosen, placing.refusals, this.#ctx.ports.clock.mono())
  }

  /** The ask counts in the view until the peer's next reading; the answer says which reading it was counted against. */
  #charge(peer: PeerId, { spec }: SessionRecord, sign: 1 | -1): number | undefined {
    this.#ctx.view.charge(peer, sign * spec.cpuMilli, sign * spec.memoryBytes)
    return this.#readAt(peer)
  }

  #readAt(peer: PeerId): number | undefined {
    const i = this.#ctx.view.index.get(peer)
    return i === undefined ? undefined : this.#ctx.view.at[i]
  }

  /** An answer carries fresher free room than the last ad. */
  #correctView(peer: PeerId, freeCpu: number | undefined, freeMemory: number | undefined): void {
    const i = this.#ctx.view.index.get(peer)
    if (i === undefined || freeCpu === undefined || freeMemory === undefined) return
    this.#ctx.view.freeCpu[i] = freeCpu
    this.#ctx.view.freeMemory[i] = freeMemory
  }
}

function askOf({ spec, submitter, tried }: SessionRecord): Ask {
  const { scheme, rest } = partsOfUri(spec.appUri)
  return {
    cpuMilli: spec.cpuMilli,
    memoryBytes: spec.memoryBytes,
    labels: Object.entries(spec.labels),
    ...(spec.on === undefined ? {} : { on: spec.on }),
    ...(spec.notOn === undefined ? {} : { notOn: spec.notOn }),
    ...(spec.input === undefined ? {} : { near: submitter }),
    ...(spec.display === undefined ? {} : { display: true }),
    ...(scheme === 'app' ? { app: rest } : {}),
    exclude: new Map(tried.map(({ peer, why }) => [peer, `could not start it: ${why}`]))
  }
}
