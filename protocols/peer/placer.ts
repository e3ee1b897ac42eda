/**
 * The submitter's conversation with workers: choose from the view, reserve, bind. A worker that went silent between bind
 * and its answer may have started the child, so its death must be certain before anybody else is asked.
 */
import type { PeerId, SessionId } from '../ports.ts'
import { choose, explain, grant, granted, hold, release } from '../placement/index.ts'
import type { Admission, Ask, Choice, SchedFrame } from '../placement/index.ts'
import { TAKEOVER_AFTER_MS } from '../session/index.ts'
import type { SessionRecord, Why } from '../session/index.ts'
import type { PeerContext } from './context.ts'

/** A worker answers a reservation from memory; slower means it is stalled or gone. */
const RESERVE_MS = 1_000
/** Workers asked in one round. */
const ROUND_MAX = 8

export type Outcome =
  | { k: 'self'; why: Why }
  /** Room is held there; the caller records it, then calls `bind`. */
  | { k: 'binding'; worker: PeerId; why: Why }
  | { k: 'bound'; worker: PeerId; epoch: number }
  /** The worker died after bind; it may have started the child. */
  | { k: 'lost' }
  | { k: 'none'; why: Why; couldLater: boolean }

interface Placing {
  record: SessionRecord
  ask: Ask
  choice: Choice
  refusals: Map<PeerId, string>
  next: number
  worker: PeerId | undefined
  phase: 'reserving' | 'binding'
  timer: unknown
  report(outcome: Outcome): void
}

export class Placer {
  readonly #ctx: PeerContext
  readonly #admission: Admission
  readonly #barred: (id: SessionId) => string | undefined
  readonly #placing = new Map<SessionId, Placing>()

  /** `barred`: why this PC itself cannot take that session, whatever room it has. */
  constructor(ctx: PeerContext, admission: Admission, barred: (id: SessionId) => string | undefined) {
    this.#ctx = ctx
    this.#admission = admission
    this.#barred = barred
  }

  /** True when the view holds a peer that could take it now. */
  hasCandidate(record: SessionRecord): boolean {
    return choose(this.#ctx.view, askOf(record), this.#ctx.ports.clock.mono(), () => 0).able > 0
  }

  place(record: SessionRecord, report: (outcome: Outcome) => void): void {
    const ask = askOf(record)
    const choice = choose(this.#ctx.view, ask, this.#ctx.ports.clock.mono(), () => this.#ctx.ports.random.float())
    const placing: Placing = {
      record,
      ask,
      choice,
      refusals: new Map(),
      next: 0,
      worker: undefined,
      phase: 'reserving',
      timer: undefined,
      report
    }
    this.forget(record.id)
    this.#placing.set(record.id, placing)
    this.#askNext(placing)
  }

  bind(worker: PeerId, record: SessionRecord): void {
    const placing = this.#placing.get(record.id)
    if (placing === undefined) return
    placing.phase = 'binding'
    placing.record = record
    this.#ctx.view.charge(worker, record.spec.cpuMilli, record.spec.memoryBytes)
    this.#sendBind(placing)
  }

  /** The session needs no place any more. */
  forget(id: SessionId): void {
    const placing = this.#placing.get(id)
    if (placing === undefined) return
    this.#placing.delete(id)
    this.#ctx.ports.clock.clearTimeout(placing.timer)
    if (placing.worker !== undefined && placing.phase === 'reserving')
      this.#ctx.send(placing.worker, 'sched', { t: 'cancel', id })
  }

  linkUp(peer: PeerId): void {
    for (const placing of this.#placing.values()) {
      if (placing.worker === peer && placing.phase === 'binding') this.#sendBind(placing)
    }
  }

  linkDown(peer: PeerId): void {
    for (const placing of [...this.#placing.values()]) {
      if (placing.worker === peer && placing.phase === 'reserving') this.#refused(placing, 'the link to it broke')
    }
  }

  frame(from: PeerId, frame: SchedFrame): void {
    const now = this.#ctx.ports.clock.mono()
    switch (frame.t) {
      case 'reserve': {
        const ask = { cpuMilli: frame.cpu, memoryBytes: frame.mem }
        const why = this.#barred(frame.id) ?? hold(this.#admission, frame.id, ask, from, now)
        if (why === undefined) return void this.#ctx.send(from, 'sched', { t: 'held', id: frame.id })
        const used = granted(this.#admission, now)
        const { offer } = this.#admission
        return void this.#ctx.send(from, 'sched', {
          t: 'refused',
          id: frame.id,
          why,
          freeCpu: Math.floor(offer.cpuMilli - used.cpuMilli),
          freeMem: Math.floor(offer.memoryBytes - used.memoryBytes)
        })
      }
      case 'cancel': {
        const claim = this.#admission.claims.get(frame.id)
        if (claim !== undefined && claim.until !== Infinity && claim.by === from) release(this.#admission, frame.id)
        return
      }
      case 'held':
        return this.#withWorker(from, frame.id, 'reserving', (placing) => this.#held(placing, from))
      case 'refused':
        return this.#withWorker(from, frame.id, 'reserving', (placing) => {
          this.#correctView(from, frame.freeCpu, frame.freeMem)
          this.#refused(placing, frame.why)
        })
      case 'bound':
        return this.#withWorker(from, frame.id, 'binding', (placing) => {
          this.#done(placing, { k: 'bound', worker: from, epoch: frame.epoch })
        })
      case 'unbound':
        return this.#withWorker(from, frame.id, 'binding', (placing) => {
          placing.phase = 'reserving'
          this.#refused(placing, frame.why)
        })
      case 'bind':
        return
    }
  }

  #askNext(placing: Placing): void {
    const candidate = placing.next < ROUND_MAX ? placing.choice.ranked[placing.next++]?.peer : undefined
    placing.worker = candidate
    if (candidate === undefined) return this.#nobody(placing)
    if (candidate === this.#ctx.self) return this.#askSelf(placing)
    const { spec, id } = placing.record
    const sent = this.#ctx.send(candidate, 'sched', { t: 'reserve', id, cpu: spec.cpuMilli, mem: spec.memoryBytes })
    if (!sent) return this.#refused(placing, 'no link to it now')
    placing.timer = this.#ctx.ports.clock.setTimeout(
      () => this.#refused(placing, 'did not answer in a second'),
      RESERVE_MS
    )
  }

  #askSelf(placing: Placing): void {
    const { spec, id } = placing.record
    const now = this.#ctx.ports.clock.mono()
    const refusal = this.#barred(id) ?? hold(this.#admission, id, spec, this.#ctx.self, now)
    if (refusal !== undefined) return this.#refused(placing, refusal)
    grant(this.#admission, id, spec, this.#ctx.self, now)
    const why = this.#explain(placing, this.#ctx.self)
    this.#ctx.view.charge(this.#ctx.self, spec.cpuMilli, spec.memoryBytes)
    this.#done(placing, { k: 'self', why })
  }

  #held(placing: Placing, worker: PeerId): void {
    this.#ctx.ports.clock.clearTimeout(placing.timer)
    placing.report({ k: 'binding', worker, why: this.#explain(placing, worker) })
  }

  #sendBind(placing: Placing): void {
    const worker = placing.worker!
    this.#ctx.send(worker, 'sched', { t: 'bind', record: placing.record })
    this.#ctx.ports.clock.clearTimeout(placing.timer)
    // No answer and the worker gone for good: only then may anybody else be asked.
    const watch = (): void => {
      const gone = this.#ctx.goneMs(worker)
      if (gone !== undefined && gone >= TAKEOVER_AFTER_MS) return this.#done(placing, { k: 'lost' })
      this.#ctx.link(worker)
      placing.timer = this.#ctx.ports.clock.setTimeout(watch, 500)
    }
    placing.timer = this.#ctx.ports.clock.setTimeout(watch, 500)
  }

  #refused(placing: Placing, why: string): void {
    this.#ctx.ports.clock.clearTimeout(placing.timer)
    placing.refusals.set(placing.worker!, why)
    this.#askNext(placing)
  }

  #nobody(placing: Placing): void {
    const why = this.#explain(placing, undefined)
    // A peer that only lacks room or is paused may take it later; one that failed to start it will not.
    const couldLater = why.candidates.some(
      (row) => !placing.ask.exclude?.has(row.peer) && !row.reason.startsWith('--') && row.reason !== 'not reachable'
    )
    this.#done(placing, { k: 'none', why, couldLater })
  }

  #done(placing: Placing, outcome: Outcome): void {
    this.#ctx.ports.clock.clearTimeout(placing.timer)
    this.#placing.delete(placing.record.id)
    placing.report(outcome)
  }

  #explain(placing: Placing, chosen: PeerId | undefined): Why {
    return explain(this.#ctx.view, placing.ask, placing.choice, chosen, placing.refusals, this.#ctx.ports.clock.mono())
  }

  #withWorker(from: PeerId, id: SessionId, phase: Placing['phase'], fn: (placing: Placing) => void): void {
    const placing = this.#placing.get(id)
    if (placing?.worker === from && placing.phase === phase) return fn(placing)
    // An answer that nobody waits for any more: give the room back.
    if (phase === 'reserving') this.#ctx.send(from, 'sched', { t: 'cancel', id })
  }

  /** A refusal carries fresher free room than the last ad. */
  #correctView(peer: PeerId, freeCpu: number, freeMemory: number): void {
    const i = this.#ctx.view.index.get(peer)
    if (i === undefined) return
    this.#ctx.view.freeCpu[i] = freeCpu
    this.#ctx.view.freeMemory[i] = freeMemory
  }
}

function askOf({ spec, submitter, tried }: SessionRecord): Ask {
  return {
    cpuMilli: spec.cpuMilli,
    memoryBytes: spec.memoryBytes,
    labels: Object.entries(spec.labels),
    ...(spec.on === undefined ? {} : { on: spec.on }),
    ...(spec.notOn === undefined ? {} : { notOn: spec.notOn }),
    ...(spec.input === undefined ? {} : { near: submitter }),
    exclude: new Map(tried.map(({ peer, why }) => [peer, `could not start it: ${why}`]))
  }
}
