/**
 * Strict sessions: who looks after one holds the right to run it from the register of its keepers, starts nothing without,
 * and hands the right on with the session. A keeper that takes one over has the right before it says so to anybody.
 */
import type { MeshError } from '../errors.ts'
import type { PeerId, SessionId } from '../ports.ts'
import { membersOf, REGISTER_LIMITS } from '../register/index.ts'
import { FINAL_STATES, reignOf, sameVoters, TAKEOVER_AFTER_MS, VOTERS_MIN } from '../session/index.ts'
import type { SessionRecord } from '../session/index.ts'
import type { PeerContext } from './context.ts'
import type { Records } from './records.ts'
import { Registers } from './registers.ts'
import { Voters } from './voters.ts'

/** Registers of sessions that nobody here has a record of are looked through this often. */
const SWEEP_MS = 3_600_000

export class Strict {
  readonly registers: Registers
  readonly voters: Voters
  readonly #ctx: PeerContext
  readonly #records: Records
  /** What waits for the right: the start of a child, the claim of a keeper. */
  readonly #starts = new Map<SessionId, (until: number | 'over') => void>()
  readonly #claims = new Map<SessionId, () => void>()
  /** Reigns this peer has heard of, where there are any. */
  readonly #heeded = new Map<SessionId, number>()
  #sweepTimer: unknown
  #askTimer: unknown
  /** What waits until nobody can run it again. */
  readonly #ends = new Map<SessionId, () => void>()

  /** `note`: the record is to say who votes. */
  constructor(ctx: PeerContext, records: Records, note: (record: SessionRecord, voters: readonly PeerId[]) => void) {
    this.#ctx = ctx
    this.#records = records
    this.registers = new Registers(
      ctx,
      (id, until) => this.#held(id, until),
      (id) => this.#over(id)
    )
    this.voters = new Voters(ctx, this.registers, note)
  }

  load(done: (error?: MeshError) => void): void {
    this.registers.load(done)
    this.#sweepLater()
  }

  end(): void {
    for (const timer of [this.#sweepTimer, this.#askTimer]) this.#ctx.ports.clock.clearTimeout(timer)
    this.registers.end()
  }

  /** The session ended long ago, and nobody asks about it any more. */
  forget(id: SessionId): void {
    this.voters.forget(id)
    this.#heeded.delete(id)
    this.registers.forget(id)
  }

  /** The register of a session that has just been recorded, at its submitter. */
  create(record: SessionRecord, done: (ok: boolean, voters?: readonly PeerId[]) => void): void {
    if (!isStrict(record)) return done(true)
    const { self } = this.#ctx
    const there = record.keepers.filter((keeper) => keeper === self || this.#ctx.reachable(keeper))
    this.registers.create(record.id, this.voters.wanted(there, self), (ok) => {
      if (ok) this.lookAfter(record)
      done(ok, this.registers.configOf(record.id)?.voters ?? [self])
    })
  }

  /** This peer owns the session from now on, and asks for the right to run it. */
  lookAfter(record: SessionRecord): void {
    if (!isStrict(record) || FINAL_STATES.has(record.state)) return
    this.#claims.delete(record.id)
    this.#know(record)
    this.registers.want(record.id, 0)
  }

  /** The worker has taken the session: the right follows it, and with few keepers the vote may, too. */
  handOn(record: SessionRecord, worker: PeerId): void {
    if (!isStrict(record)) return
    const { id, keepers } = record
    const give = (): void => {
      const now = this.#records.all.get(id)
      // While the voters changed the worker died, and this peer has it again.
      const isBack = now !== undefined && now.owner === this.#ctx.self && now.epoch > record.epoch
      if (!isBack) this.registers.give(id, { peer: worker, over: false })
    }
    const wanted = this.voters.wanted(keepers, worker)
    const cfg = this.registers.configOf(id)
    const stays = cfg !== undefined && cfg.joint === undefined && sameVoters(cfg.voters, wanted)
    if (keepers.length >= VOTERS_MIN || stays) give()
    else this.registers.move(id, wanted, give)
  }

  /** It is looked after elsewhere, under a right above the one here: this peer asks for none any more. */
  superseded(id: SessionId): void {
    this.#starts.delete(id)
    this.#claims.delete(id)
    this.registers.unwant(id)
  }

  /** Why nobody needs to take that session over by a word, or cannot here; undefined: a person may. */
  whyNotSeized(record: SessionRecord): string | undefined {
    const { id, keepers, owner, runner } = record
    const short = `session ${id.slice(0, 8)}`
    const name = (peer: PeerId): string => this.#ctx.nameOf(peer)
    if (!isStrict(record)) return `${short} is not strict: the PCs that are left take it over by themselves`
    if (FINAL_STATES.has(record.state) || record.desired === 'stop') return `${short} has ended, or is to end`
    const holder = [owner, runner ?? owner].find(
      (peer) => peer !== this.#ctx.self && this.#ctx.goneMs(peer) === undefined
    )
    if (holder !== undefined) return `${name(holder)} looks after ${short}, and answers`
    if (!keepers.includes(this.#ctx.self))
      return `no record of ${short} is kept here; ask one of ${keepers.map(name).join(', ')}`
    const missing = this.voters.missing(record)
    if (this.registers.until(id) !== undefined || missing.length === 0)
      return `enough of the PCs that decide about ${short} are here: it goes on by itself`
    // Where only the peer program died, sessiond has frozen the child by then.
    const fresh = [...missing, owner].find((peer) => (this.#ctx.goneMs(peer) ?? Infinity) < TAKEOVER_AFTER_MS)
    if (fresh !== undefined)
      return `${name(fresh)} was there ${TAKEOVER_AFTER_MS / 1000} s ago; ask again in a moment if it does not come back`
    return undefined
  }

  /** Somebody's word may have given it to other voters than this peer believes. */
  heed(record: SessionRecord): void {
    const { id, epoch, voters, keepers } = record
    const reign = reignOf(epoch)
    if (!isStrict(record) || reign <= (this.#heeded.get(id) ?? 0)) return
    this.#heeded.set(id, reign)
    this.registers.heed(id, reign, voters ?? keepers)
  }

  /** What a person may be asked depends on how long PCs have been gone. */
  askLater(): void {
    const { clock } = this.#ctx.ports
    clock.clearTimeout(this.#askTimer)
    this.#askTimer = clock.setTimeout(() => this.#ctx.changed('sessions'), TAKEOVER_AFTER_MS)
  }

  /** A person says that the voters that are missing are off. */
  seize(record: SessionRecord, reign: number, done: (ok: boolean) => void): void {
    this.#heeded.set(record.id, reign)
    this.registers.seize(record.id, reign, done)
  }

  /**
   * It has ended here with a result. `done` once its voters know, so that nobody runs it again; never, when they have let
   * another run it meanwhile.
   */
  conclude(record: SessionRecord, done: () => void): void {
    const { id } = record
    if (!isStrict(record) || this.registers.isOver(id)) return done()
    this.#ends.set(id, done)
    this.registers.give(id, { peer: null, over: true })
  }

  /** Its voters know that it has ended. */
  isOver(id: SessionId): boolean {
    return this.registers.isOver(id)
  }

  /** Those who may take it over have to hear of its result before its voters are told that it has one. */
  copiesOfResult(record: SessionRecord): number {
    if (!isStrict(record)) return 0
    return this.registers.votesAlone(record.id) ? 1 : Math.min(2, record.keepers.length)
  }

  /** This peer looks after it no more. */
  left(id: SessionId): void {
    const record = this.#records.all.get(id)
    this.#starts.delete(id)
    this.#ends.delete(id)
    if (record === undefined || isStrict(record)) this.registers.unwant(id)
  }

  /** However it ended, that is on disk: nobody needs to run it again. */
  close(record: SessionRecord): void {
    if (isStrict(record)) this.registers.give(record.id, { peer: null, over: true })
  }

  /** Clock.mono until which the session may run here, or undefined; then `start` follows once it may or never will. */
  mayRun(id: SessionId, start: (until: number | 'over') => void): number | 'over' | undefined {
    const until = this.isOver(id) ? 'over' : this.registers.until(id)
    if (until === undefined) this.#starts.set(id, start)
    return until
  }

  /** A keeper asks for the right of a session whose owner is gone. Repeated, it is the same question. */
  claim(record: SessionRecord, then: () => void): void {
    if (this.registers.until(record.id) !== undefined || this.isOver(record.id)) return then()
    this.#claims.set(record.id, then)
    this.#know(record)
    this.registers.want(record.id, Math.max(0, record.keepers.indexOf(this.#ctx.self)))
  }

  /** Taken for a session that others look after again. */
  giveBack(id: SessionId): void {
    this.registers.give(id, { peer: null, over: false })
    this.registers.unwant(id)
  }

  /** The owner is back: it needs the right, also where this peer has it and has not taken the session over yet. */
  unclaim(id: SessionId): void {
    const isMine = this.#records.all.get(id)?.owner === this.#ctx.self
    const asks = this.#claims.delete(id)
    if (asks || (!isMine && this.registers.until(id) !== undefined)) this.giveBack(id)
  }

  #sweepLater(): void {
    this.#sweepTimer = this.#ctx.ports.clock.setTimeout(() => {
      for (const id of this.registers.ids()) if (this.#isLeftover(id)) this.forget(id)
      this.#sweepLater()
    }, SWEEP_MS)
  }

  /**
   * Of a session without a record here. Who votes keeps its word for as long as the session may live; who voted once tells
   * others where to ask as long as anybody speaks of it.
   */
  #isLeftover(id: SessionId): boolean {
    if (this.#records.all.has(id)) return false
    const value = this.registers.slot(id)?.value
    const told = this.#ctx.summary(id)
    if (value?.own.over === true || (told !== undefined && FINAL_STATES.has(told.state))) return true
    const votes = value != null && membersOf(value.cfg).includes(this.#ctx.self)
    return !votes && told === undefined
  }

  #know({ id, voters = [], keepers, submitter, owner, runner }: SessionRecord): void {
    const asked = new Set([...voters, ...keepers, submitter, owner, ...(runner === undefined ? [] : [runner])])
    this.registers.know(id, [...asked].slice(0, REGISTER_LIMITS.votersMax))
  }

  #over(id: SessionId): void {
    const waiting = [this.#ends.get(id), this.#claims.get(id)]
    this.#ends.delete(id)
    this.#claims.delete(id)
    for (const then of waiting) then?.()
    this.#starts.get(id)?.('over')
    this.#starts.delete(id)
  }

  #held(id: SessionId, until: number): void {
    if (this.#ends.has(id)) return this.registers.give(id, { peer: null, over: true })
    const claim = this.#claims.get(id)
    this.#claims.delete(id)
    claim?.()
    const start = this.#starts.get(id)
    this.#starts.delete(id)
    const record = this.#records.all.get(id)
    if (start !== undefined) start(until)
    else if (record?.owner === this.#ctx.self) this.#ctx.ports.host.lease(id, record.epoch, until)
    if (record?.owner === this.#ctx.self && !FINAL_STATES.has(record.state)) this.voters.tend(record)
  }
}

export const isStrict = ({ spec }: SessionRecord): boolean => spec.mode === 'strict'
