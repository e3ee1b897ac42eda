/**
 * Strict sessions: who looks after one holds the right to run it from the register of its keepers, starts nothing without,
 * and hands the right on with the session. A keeper that takes one over has the right before it says so to anybody.
 */
import type { MeshError } from '../errors.ts'
import type { PeerId, SessionId } from '../ports.ts'
import { REGISTER_LIMITS } from '../register/index.ts'
import { FINAL_STATES } from '../session/index.ts'
import type { SessionRecord } from '../session/index.ts'
import type { PeerContext } from './context.ts'
import type { Records } from './records.ts'
import { Registers } from './registers.ts'

/** With fewer keepers than this, one of them votes alone: the one that runs it (PROTOCOLS.md 2.4.7, tie = runner). */
const VOTERS_MIN = 3

export class Strict {
  readonly registers: Registers
  readonly #ctx: PeerContext
  readonly #records: Records
  /** What waits for the right: the start of a child, the claim of a keeper. */
  readonly #starts = new Map<SessionId, (until: number) => void>()
  readonly #claims = new Map<SessionId, () => void>()

  constructor(ctx: PeerContext, records: Records) {
    this.#ctx = ctx
    this.#records = records
    this.registers = new Registers(ctx, (id, until) => this.#held(id, until))
  }

  load(done: (error?: MeshError) => void): void {
    this.registers.load(done)
  }

  /** The register of a session that has just been recorded, at its submitter. */
  create(record: SessionRecord, done: (ok: boolean) => void): void {
    if (!isStrict(record)) return done(true)
    const { self } = this.#ctx
    const voters = record.keepers.filter((keeper) => keeper === self || this.#ctx.reachable(keeper))
    this.registers.create(record.id, voters.length < VOTERS_MIN ? [self] : voters, (ok) => {
      if (ok) this.lookAfter(record)
      done(ok)
    })
  }

  /** This peer owns the session from now on, and asks for the right to run it. */
  lookAfter(record: SessionRecord): void {
    if (!isStrict(record) || FINAL_STATES.has(record.state)) return
    this.#claims.delete(record.id)
    this.#know(record)
    this.registers.want(record.id, 0)
  }

  /** The worker has taken the session: the right follows it, and with few keepers the vote does, too. */
  handOn(record: SessionRecord, worker: PeerId): void {
    if (!isStrict(record)) return
    const give = (): void => this.registers.give(record.id, { peer: worker, over: false })
    if (record.keepers.length < VOTERS_MIN) this.registers.move(record.id, [worker], give)
    else give()
  }

  /** This peer looks after it no more. */
  left(id: SessionId): void {
    const record = this.#records.all.get(id)
    this.#starts.delete(id)
    if (record !== undefined && !isStrict(record)) return
    if (record !== undefined && FINAL_STATES.has(record.state) && record.owner === this.#ctx.self)
      this.registers.give(id, { peer: null, over: true })
    this.registers.unwant(id)
  }

  /** Clock.mono until which the session may run here, or undefined; then `start` follows once it may. */
  mayRun(id: SessionId, start: (until: number) => void): number | undefined {
    const until = this.registers.until(id)
    if (until === undefined) this.#starts.set(id, start)
    return until
  }

  /** A keeper asks for the right of a session whose owner is gone. Repeated, it is the same question. */
  claim(record: SessionRecord, then: () => void): void {
    if (this.registers.until(record.id) !== undefined) return then()
    this.#claims.set(record.id, then)
    this.#know(record)
    this.registers.want(record.id, Math.max(0, record.keepers.indexOf(this.#ctx.self)))
  }

  /** Taken for a session that others look after again. */
  giveBack(id: SessionId): void {
    this.registers.give(id, { peer: null, over: false })
    this.registers.unwant(id)
  }

  /** The owner is back. */
  unclaim(id: SessionId): void {
    if (!this.#claims.delete(id)) return
    this.registers.unwant(id)
  }

  #know({ id, keepers, submitter, owner, runner }: SessionRecord): void {
    const voters = new Set([...keepers, submitter, owner, ...(runner === undefined ? [] : [runner])])
    this.registers.know(id, [...voters].slice(0, REGISTER_LIMITS.votersMax))
  }

  #held(id: SessionId, until: number): void {
    const claim = this.#claims.get(id)
    this.#claims.delete(id)
    claim?.()
    const start = this.#starts.get(id)
    this.#starts.delete(id)
    if (start !== undefined) return start(until)
    const record = this.#records.all.get(id)
    if (record?.owner === this.#ctx.self) this.#ctx.ports.host.lease(id, record.epoch, until)
  }
}

export const isStrict = ({ spec }: SessionRecord): boolean => spec.mode === 'strict'
