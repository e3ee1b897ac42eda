/**
 * Sessions nobody looks after: of an owner that is gone, taken over by a keeper in its turn, and of this peer's own earlier
 * life, taken up again once the keepers have said that they did not go on elsewhere.
 */
import { MeshError } from '../errors.ts'
import { release } from '../placement/index.ts'
import type { Admission } from '../placement/index.ts'
import type { SessionId } from '../ports.ts'
import {
  compareVersion,
  FINAL_STATES,
  firstEpochOf,
  heirOf,
  reignOf,
  signForce,
  summarize,
  survivesRunner,
  takeoverInMs,
  waitsForPlace
} from '../session/index.ts'
import type { SessionRecord } from '../session/index.ts'
import type { PeerContext } from './context.ts'
import type { Keepers } from './keepers.ts'
import type { Owning } from './owning.ts'
import type { Records } from './records.ts'
import { isStrict } from './strict.ts'
import type { Strict } from './strict.ts'

/** A claim that no disk took is tried again after this. */
const AGAIN_MS = 100
/** What one keeper says has reached the others by way of gossip after that, also over two steps. */
const HEARSAY_MS = 1_000
/** A look that comes so late comes from a peer that stood still: what the others said meanwhile is still to be read. */
const LATE_MS = 500

interface Parts {
  records: Records
  admission: Admission
  owning: Owning
  keepers: Keepers
  strict: Strict
  runs: {
    lacks(id: SessionId): boolean
    gone(record: SessionRecord): void
  }
}

export class Takeover {
  readonly #ctx: PeerContext
  readonly #parts: Parts
  #watch: unknown
  #dueAt = Infinity
  /** Sessions about which the PC they were being given to is asked. */
  readonly #asking = new Set<SessionId>()

  constructor(ctx: PeerContext, parts: Parts) {
    this.#ctx = ctx
    this.#parts = parts
  }

  /**
   * Keepers watch owners that are gone: the timer is there only while one is, and goes off when the first may be replaced.
   * `changed`: nothing else has.
   */
  watch(changed: Iterable<SessionRecord> = this.#parts.records.all.values()): void {
    let firstMs = Infinity
    for (const record of changed) firstMs = Math.min(firstMs, this.#inMs(record) ?? Infinity)
    this.#lookIn(Math.max(AGAIN_MS, firstMs))
  }

  #lookIn(ms: number): void {
    const { clock } = this.#ctx.ports
    const dueAt = clock.mono() + ms
    if (dueAt >= this.#dueAt) return
    if (this.#watch !== undefined) clock.clearTimeout(this.#watch)
    this.#dueAt = dueAt
    this.#watch = clock.setTimeout(() => {
      const isLate = clock.mono() - dueAt > LATE_MS
      this.#watch = undefined
      this.#dueAt = Infinity
      if (isLate) return this.#lookIn(HEARSAY_MS)
      for (const record of [...this.#parts.records.all.values()]) {
        const inMs = this.#inMs(record)
        if (inMs === 0) this.#askHeir(record)
        else if (inMs === undefined) this.#parts.strict.unclaim(record.id)
      }
      this.watch()
    }, ms)
  }

  /** Ours from an earlier life, and nobody looks after it yet. What has no process waits for nothing but the keepers. */
  takeUp(record: SessionRecord): void {
    const { id } = record
    if (record.owner !== this.#ctx.self || FINAL_STATES.has(record.state) || this.#parts.owning.has(id)) return
    if (record.runner !== this.#ctx.self || waitsForPlace(record)) return this.#resume(record)
    if (this.#parts.runs.lacks(id)) this.#parts.runs.gone(record)
  }

  #inMs(record: SessionRecord): number | undefined {
    if (FINAL_STATES.has(record.state)) return undefined
    if (record.desired === 'run' && record.runner === record.owner && !survivesRunner(record)) return undefined
    const owned = this.#parts.owning.of(record.id)
    if (owned !== undefined && owned.step !== 'frozen') return undefined
    return takeoverInMs(record, this.#ctx.self, (peer) => this.#ctx.goneMs(peer))
  }

  /** Whom the owner was giving it to answers for it, unless it knows no more of it than this keeper. */
  #askHeir(record: SessionRecord): void {
    const { id } = record
    // The owner had got further than this keeper heard, and told everyone of it while this one was off.
    const told = this.#ctx.summary(id)
    if (told !== undefined && compareVersion(told, record) > 0) return this.#parts.records.catchUp(told)
    const heir = heirOf(record, this.#ctx.self)
    if (heir === undefined || this.#ctx.goneMs(heir) !== undefined) return this.#turn(record)
    if (this.#asking.has(id)) return
    this.#asking.add(id)
    this.#parts.records.newest(id, [heir], (newest, answered) => {
      // Unheard, it is asked again in a while, and again until it is held for dead itself.
      if (answered === 0) return void this.#ctx.ports.clock.setTimeout(() => this.#asking.delete(id), HEARSAY_MS)
      this.#asking.delete(id)
      const now = this.#parts.records.all.get(id)
      if (now === undefined || newest === undefined) return
      if (compareVersion(newest, now) > 0) return this.#parts.records.note(newest)
      if (compareVersion(now, record) === 0 && this.#inMs(now) === 0) this.#turn(now)
    })
  }

  /** Of a strict session the right comes first: who has no majority behind it does not even say that it owns it. */
  #turn(record: SessionRecord): void {
    if (!isStrict(record) || record.desired === 'stop') return this.#takeOver(record)
    const isDue = (now: SessionRecord | undefined): boolean => now !== undefined && this.#inMs(now) !== undefined
    this.#parts.strict.claim(record, () => {
      // The owner may have got further than this keeper has heard, up to a result.
      this.#parts.records.newest(record.id, record.keepers, (now) => {
        if (now !== undefined && isDue(now)) return this.#takeOver(now)
        // Who told of it may be gone the next time.
        if (now !== undefined) this.#parts.records.note(now)
        // Unless it has been given to this peer meanwhile, and runs under that right.
        if (this.#parts.records.all.get(record.id)?.owner !== this.#ctx.self) this.#parts.strict.giveBack(record.id)
      })
    })
  }

  /** On a person's word. The right comes first here, too, and with an epoch above all that the others may have used. */
  force(record: SessionRecord, by: string, done: (error?: MeshError) => void): void {
    const { id } = record
    const reign = reignOf(record.epoch) + 1
    this.#parts.strict.seize(record, reign, (ok) => {
      if (!ok)
        return done(new MeshError('BUSY', 'this PC keeps as many strict sessions as it can, or its disk refuses'))
      const now = this.#parts.records.all.get(id) ?? record
      // They answered in the meantime.
      if (reignOf(now.epoch) >= reign) return done()
      const { clock, crypto } = this.#ctx.ports
      const word = { by, peer: this.#ctx.self, epoch: firstEpochOf(reign), at: clock.wall() }
      const taken = { ...now, epoch: word.epoch, voters: [this.#ctx.self], takeover: signForce(crypto, id, word) }
      // What is left of a run here ends when the next one starts.
      release(this.#parts.admission, id)
      this.#parts.owning.disown(id)
      const cause = `${by} says that ${this.#ctx.nameOf(now.owner)} is off; taken over by ${this.#ctx.nameOf(this.#ctx.self)}`
      this.#claim(taken, cause, done)
    })
  }

  #takeOver(record: SessionRecord): void {
    // Keepers without a link between them hear of each other by gossip: somebody was faster, or the owner had got further.
    const told = this.#ctx.summary(record.id)
    if (told !== undefined && compareVersion(told, record) > 0) return this.#parts.records.catchUp(told)
    const gone = this.#ctx.nameOf(record.owner)
    const cause = `${gone} is gone; taken over by ${this.#ctx.nameOf(this.#ctx.self)}`
    // Two above: a worker bound by the old owner counts one above the record that this keeper has.
    this.#claim({ ...record, epoch: record.epoch + 2 }, cause, () => {})
  }

  /** `done`: it is on disk. */
  #claim(record: SessionRecord, cause: string, done: (error?: MeshError) => void): void {
    const at = this.#ctx.ports.clock.wall()
    const next: SessionRecord = {
      ...record,
      owner: this.#ctx.self,
      seq: 0,
      history: [...record.history, { at, state: 'lost' as const, by: this.#ctx.self, cause }].slice(-16)
    }
    delete next.runner
    if (record.desired === 'stop') {
      this.#event(record.id, cause)
      return this.#end({ ...next, state: 'stopped', endedAt: at, reason: cause })
    }
    // Two keepers may have the same thought in the same moment: the claim is on every keeper that lives before anything
    // starts. Those that cannot be asked are told by gossip, and have a moment to tell of a claim of theirs.
    this.#ctx.publish(summarize(next))
    const reached = next.keepers.filter((keeper) => keeper === this.#ctx.self || this.#ctx.reachable(keeper)).length
    this.#parts.records.commit(next, Math.max(1, reached), (copies, error) => {
      done(error)
      const living = next.keepers.filter((keeper) => this.#ctx.isAlive(keeper)).length
      if (copies >= living) return this.#claimed(next, cause)
      this.#ctx.ports.clock.setTimeout(() => this.#claimed(next, cause), HEARSAY_MS)
    })
  }

  /** Told when a disk has it; tried again while none takes it. */
  #end(stopped: SessionRecord): void {
    this.#parts.records.commit(stopped, 1, (copies) => {
      const now = this.#parts.records.all.get(stopped.id)
      if (now === undefined || compareVersion(now, stopped) !== 0) return
      if (copies === 0) return void this.#ctx.ports.clock.setTimeout(() => this.#end(stopped), HEARSAY_MS)
      this.#ctx.publish(summarize(stopped))
      this.#ctx.changed('sessions', stopped.id)
    })
  }

  #claimed(claim: SessionRecord, cause: string): void {
    const now = this.#parts.records.all.get(claim.id)
    if (now?.owner !== this.#ctx.self || now.epoch !== claim.epoch) return
    const told = this.#ctx.summary(claim.id)
    if (told !== undefined && compareVersion(told, now) > 0) return this.#parts.records.catchUp(told)
    this.#event(claim.id, cause)
    if (isStrict(now) && this.#parts.strict.isOver(now.id)) return this.#tellResult(now, cause)
    this.#parts.owning.own(now, now.desired === 'stop' ? 'stopping' : 'placing', cause)
  }

  /** Its voters know that it has ended, and its owner is gone without having told everyone how. */
  #tellResult(record: SessionRecord, cause: string): void {
    const { owning } = this.#parts
    owning.own(record, 'running', cause)
    const owned = owning.of(record.id)
    if (record.exit === undefined)
      return owning.tell(owned, { type: 'child.gone', cause: `${cause}; its result is lost`, again: false })
    owning.tell(owned, { type: 'child.exited', end: record.exit, cause: record.reason ?? cause })
  }

  #event(id: SessionId, cause: string): void {
    this.#ctx.event({ kind: 'session', level: 'warn', text: `${id.slice(0, 8)}: ${cause}`, subject: id })
  }

  /** Owned here when this peer went away, and running nowhere: it goes on here unless it went on elsewhere meanwhile. */
  #resume(record: SessionRecord): void {
    // Also the worker that it was being given to: it may run it, and have told nobody else.
    const { runner = this.#ctx.self } = record
    const asked = new Set([...record.keepers, runner])
    this.#parts.keepers.ask(record.id, [...asked], (newest) => {
      if (newest?.owner !== this.#ctx.self || FINAL_STATES.has(newest.state) || this.#parts.owning.has(record.id))
        return
      // This disk did not know of that worker.
      if (newest.runner !== undefined && newest.runner !== this.#ctx.self && !asked.has(newest.runner))
        return this.#resume(newest)
      if (newest.runner !== this.#ctx.self || waitsForPlace(newest)) {
        // The worker that it was bound to may have run it, unheard: the next run needs a number above that one's.
        const bound = newest.runner !== undefined && newest.runner !== this.#ctx.self
        const next = bound ? { ...newest, epoch: newest.epoch + 2, seq: 0 } : newest
        this.#parts.owning.own(next, newest.desired === 'stop' ? 'stopping' : 'placing', 'this peer is back')
      }
    })
  }
}
