/**
 * The worker's half of placement: this PC answers who asks for room. What it has not got now may wait here, and is told
 * when room is really free; until then the owner looks elsewhere too (late binding, PROTOCOLS.md 2.3).
 */
import { closed, enter, granted, hold, leave, next, unhold } from '../placement/index.ts'
import type { Admission, Offer, SchedFrame, WaitingAsk, WaitingQueue } from '../placement/index.ts'
import type { PeerId, SessionId } from '../ports.ts'
import type { PeerContext } from './context.ts'

/** While somebody waits, room that came by a hold that lapsed or a larger offer is looked for this often. */
const LOOK_MS = 1_000
/** Of one that names none. */
const CLASS = 2

type Reserve = Extract<SchedFrame, { t: 'reserve' }>

interface Parts {
  admission: Admission
  /** Why this PC cannot take that session, whatever room it has. */
  barred(id: SessionId): string | undefined
  /** To the owner, which may be this peer itself. */
  answer(to: PeerId, frame: SchedFrame): void
}

export class Worker {
  readonly #ctx: PeerContext
  readonly #parts: Parts
  readonly #queue: WaitingQueue = []
  #timer: unknown
  /** When the last of the queue got its room, and how far apart that lies on average; for estimates. */
  #pulledAt: number | undefined
  #paceMs: number | undefined

  constructor(ctx: PeerContext, parts: Parts) {
    this.#ctx = ctx
    this.#parts = parts
    parts.admission.freed = () => {
      if (this.#queue.length > 0) this.#look(0)
    }
  }

  reserve(from: PeerId, { id, cpu, mem, wait, class: rank = CLASS }: Reserve): void {
    const { admission } = this.#parts
    const now = this.#ctx.ports.clock.mono()
    const ask = { cpuMilli: cpu, memoryBytes: mem }
    const barred = this.#parts.barred(id)
    if (barred !== undefined) return this.#refuse(from, id, barred)
    // Who came first goes first.
    const goesFirst = wait !== true || this.#queue.length === 0
    const why = goesFirst ? hold(admission, id, ask, from, now) : (closed(admission) ?? 'others wait for it')
    if (why === undefined) return this.#parts.answer(from, { t: 'held', id, ...this.#free(now) })
    const fits = cpu <= admission.offer.cpuMilli && mem <= admission.offer.memoryBytes
    if (wait !== true || !fits || closed(admission) !== undefined) return this.#refuse(from, id, why)
    const place = enter(this.#queue, { session: id, by: from, class: rank, ...ask }, now)
    if (place === undefined) return this.#refuse(from, id, `${this.#queue.length} wait for it already`)
    this.#pump()
    if (!this.#queue.some((one) => one.session === id)) return
    this.#look(LOOK_MS)
    const estimate = this.#paceMs === undefined ? {} : { estMs: Math.round(place * this.#paceMs) }
    this.#parts.answer(from, { t: 'queued', id, place, ...estimate, ...this.#free(now) })
  }

  /** The owner has found another place, or wants none any more. */
  cancel(from: PeerId, id: SessionId): void {
    leave(this.#queue, id, from)
    unhold(this.#parts.admission, id, from)
  }

  #look(inMs: number): void {
    const { clock } = this.#ctx.ports
    if (inMs > 0 && this.#timer !== undefined) return
    clock.clearTimeout(this.#timer)
    this.#timer = clock.setTimeout(() => {
      this.#timer = undefined
      this.#pump()
      if (this.#queue.length > 0) this.#look(LOOK_MS)
    }, inMs)
  }

  /** Room for those that wait, as far as it goes. */
  #pump(): void {
    const { admission } = this.#parts
    const now = this.#ctx.ports.clock.mono()
    const why = closed(admission)
    if (why !== undefined) {
      for (const { by, session } of this.#queue.splice(0)) this.#refuse(by, session, why)
      return
    }
    for (let one = next(this.#queue, admission, now); one !== undefined; one = next(this.#queue, admission, now))
      this.#pull(one, now)
  }

  #pull({ session, by }: WaitingAsk, now: number): void {
    const barred = this.#parts.barred(session)
    if (barred !== undefined) {
      unhold(this.#parts.admission, session, by)
      return this.#refuse(by, session, barred)
    }
    if (this.#pulledAt !== undefined) {
      const apartMs = now - this.#pulledAt
      this.#paceMs = this.#paceMs === undefined ? apartMs : 0.8 * this.#paceMs + 0.2 * apartMs
    }
    this.#pulledAt = now
    this.#parts.answer(by, { t: 'pull', id: session, ...this.#free(now) })
  }

  #refuse(to: PeerId, id: SessionId, why: string): void {
    const free = this.#free(this.#ctx.ports.clock.mono())
    this.#parts.answer(to, { t: 'refused', id, why, ...free })
  }

  #free(now: number): { freeCpu: number; freeMem: number } {
    const used: Offer = granted(this.#parts.admission, now)
    let { cpuMilli, memoryBytes } = this.#parts.admission.offer
    for (const one of [used, ...this.#queue]) {
      cpuMilli -= one.cpuMilli
      memoryBytes -= one.memoryBytes
    }
    return { freeCpu: Math.floor(cpuMilli), freeMem: Math.floor(memoryBytes) }
  }
}
