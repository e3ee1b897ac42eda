/**
 * The sessions this peer owns: a lifecycle machine each, fed with what happened and why. Every state it enters is recorded,
 * told to everyone, and answered for here, until the session has ended or belongs to another peer.
 */
import { createActor } from 'xstate'
import type { Actor } from 'xstate'
import { MeshError } from '../errors.ts'
import { release } from '../placement/index.ts'
import type { Admission } from '../placement/index.ts'
import type { PeerId, SessionId } from '../ports.ts'
import {
  compareVersion,
  FINAL_STATES,
  progressInWords,
  sessionMachine,
  summarize,
  survivesRunner
} from '../session/index.ts'
import type { ChildEnd, SessionEvent, SessionInput, SessionRecord, SessionState } from '../session/index.ts'
import type { PeerContext } from './context.ts'
import type { Placer } from './placer.ts'
import type { Records } from './records.ts'
import { isStrict } from './strict.ts'
import type { Strict } from './strict.ts'

/** Starts that may fail on different peers before the session fails for good. */
const TRIES_MAX = 3
/** Restarts of a child that ended, within ten minutes (FEATURES C14). */
const RESTARTS_MAX = 5
const RESTART_WINDOW_MS = 600_000
const RESULT_RETRY_MS = 2_000
/** After PCs that seemed able have all said no, they are asked again at the next change, but not before this; doubled each time. */
const REFUSED_MS = 50
const REFUSED_MAX_MS = 5_000
/** So many refusals by all, some twenty seconds, and those that failed to start it are asked again. */
const REFUSED_LONG = 8

export interface Owned {
  actor: Actor<typeof sessionMachine>
  /** Why each step is taken, in the order in which the machine will take them; for the history. */
  causes: string[]
  /** The state being entered: an entry action sees the machine's snapshot of before. */
  step: string
  /** This disk knows that it is to run here; set for the next start only. */
  recorded: boolean
  /** Waits for that. */
  start?: (() => void) | undefined
  /** sessiond was asked to start it. */
  ordered: boolean
  /** The epoch of that, until it has answered: a report that crossed the order says nothing of it. */
  unanswered?: number | undefined
  /** How often in a row nobody took it, and until when (Clock.mono) a change of the view is no reason to ask again. */
  refusals: number
  quietUntil: number
  created?: Created
}

/** Told once, when the disks have answered. */
export type Created = (error: MeshError | undefined, record: SessionRecord, copies: number) => void

/** What the steps of a session do to its process on this PC. */
export interface ChildOrders {
  startChild(id: SessionId): void
  notStarted(id: SessionId, epoch: number, reason: string): void
  signal(id: SessionId, signal: 'TERM' | 'KILL'): void
  freezeFork(id: SessionId): void
}

interface Parts {
  records: Records
  admission: Admission
  placer: Placer
  orders: ChildOrders
  /** The same for arrays, whose children are elsewhere. */
  arrays(): ChildOrders
  strict: Strict
  /** It waits for a place, and its quiet time is over. */
  waits(id: SessionId): void
  /** This peer no longer looks after a session; others may have to. */
  left(id: SessionId): void
}

export class Owning {
  readonly #ctx: PeerContext
  readonly #parts: Parts
  readonly #owned = new Map<SessionId, Owned>()
  /** Ends of earlier runs of what this peer is about to look after: it still asks the keepers about it. */
  readonly #ends = new Map<SessionId, SessionRecord>()
  #drained: (() => void) | undefined

  constructor(ctx: PeerContext, parts: Parts) {
    this.#ctx = ctx
    this.#parts = parts
  }

  get size(): number {
    return this.#owned.size
  }
  ids(): Iterable<SessionId> {
    return this.#owned.keys()
  }
  of(id: SessionId): Owned | undefined {
    return this.#owned.get(id)
  }
  has(id: SessionId): boolean {
    return this.#owned.has(id)
  }

  current(id: SessionId, epoch: number): SessionRecord | undefined {
    const record = this.#parts.records.all.get(id)
    return this.#owned.has(id) && record?.epoch === epoch && record.owner === this.#ctx.self ? record : undefined
  }

  /** Two, or all that live. */
  copiesWanted(record: SessionRecord): number {
    const live = record.keepers.filter((keeper) => keeper === this.#ctx.self || this.#ctx.reachable(keeper)).length
    return Math.min(2, Math.max(1, live))
  }

  own(record: SessionRecord, resume: SessionInput['resume'], cause: string, created?: Created): void {
    const before = this.#owned.get(record.id)
    if (before !== undefined && before.step !== 'frozen') return
    before?.actor.stop()
    const id = record.id
    this.#parts.records.all.set(id, record)
    if (resume !== 'submitted') this.#parts.strict.lookAfter(record)
    const clock = this.#ctx.ports.clock
    const isArray = record.spec.array !== undefined
    const orders = isArray ? this.#parts.arrays() : this.#parts.orders
    const input: SessionInput = {
      resume,
      do: {
        create: () => this.#create(id),
        place: () => this.#place(id),
        startChild: () => orders.startChild(id),
        terminate: () => orders.signal(id, 'TERM'),
        kill: () => orders.signal(id, 'KILL'),
        publish: () => this.#publishResult(id),
        freeze: () => orders.freezeFork(id)
      },
      restartsAfter: (end) => !isArray && this.#restartsAfter(id, end),
      backoffMs: () =>
        Math.min(60_000, 1_000 * 2 ** Math.max(0, (this.#parts.records.all.get(id)?.restarts.length ?? 1) - 1)),
      mayTryElsewhere: () => isArray || (this.#parts.records.all.get(id)?.tried.length ?? TRIES_MAX) < TRIES_MAX
    }
    const actor = createActor(sessionMachine, {
      input,
      clock: {
        setTimeout: (fn: () => void, ms: number) =>
          clock.setTimeout(() => {
            owned.causes.push('its time had come')
            fn()
          }, ms),
        clearTimeout: (timer) => clock.clearTimeout(timer)
      }
    })
    const owned: Owned = {
      actor,
      causes: [cause],
      step: 'entering',
      recorded: false,
      ordered: false,
      refusals: 0,
      quietUntil: 0,
      ...(created === undefined ? {} : { created })
    }
    this.#owned.set(id, owned)
    let last: string | undefined
    actor.subscribe((snapshot) => {
      const value = String(snapshot.value)
      const why = owned.causes.shift() ?? 'its time had come'
      if (value === last) return
      last = value
      this.#entered(id, value, why)
    })
    actor.start()
    const ended = this.#ends.get(id)
    this.#ends.delete(id)
    if (ended !== undefined) this.endedBefore(ended)
    // While this peer asked whether it still owns it, everyone may have been told of a later owner.
    const told = this.#ctx.summary(id)
    if (told !== undefined && told.owner !== this.#ctx.self && compareVersion(told, record) > 0)
      this.#parts.records.catchUp(told)
  }

  tell(owned: Owned | undefined, event: SessionEvent, cause?: string): void {
    if (owned === undefined || owned.actor.getSnapshot().status !== 'active') return
    owned.causes.push(cause ?? ('cause' in event ? event.cause : event.type))
    owned.actor.send(event)
  }

  /** A new version by this owner; `undefined` removes a field. */
  update(record: SessionRecord, patch: { [K in keyof SessionRecord]?: SessionRecord[K] | undefined }): SessionRecord {
    const latest = this.#parts.records.all.get(record.id) ?? record
    const next = withoutAbsent({ ...latest, seq: latest.seq + 1, ...patch })
    this.#parts.records.all.set(record.id, next)
    return next
  }

  /** An earlier owner, parted from this one, has run it to its end: it need not run again, if it does not yet. */
  endedBefore(ended: SessionRecord): void {
    const owned = this.#owned.get(ended.id)
    const record = this.#parts.records.all.get(ended.id)
    if (record === undefined || isStrict(record)) return
    if (owned === undefined) {
      if (record.owner === this.#ctx.self && !FINAL_STATES.has(record.state)) this.#ends.set(ended.id, ended)
      return
    }
    const isBeingBound = owned.step === 'placing' && record.runner !== undefined && record.runner !== this.#ctx.self
    if ((owned.step !== 'pending' && owned.step !== 'placing') || isBeingBound) return
    const { runner, exit, output, outputError, logBytes, startedAt, endedAt, progress } = ended
    this.update(record, { runner, exit, output, outputError, logBytes, startedAt, endedAt, progress })
    const cause = `it had ended on ${this.#ctx.nameOf(ended.owner)} (epoch ${ended.epoch}), of which this PC could not hear`
    this.tell(owned, { type: 'result.found', cause }, cause)
  }

  disown(id: SessionId): void {
    this.#owned.get(id)?.actor.stop()
    this.#owned.delete(id)
    this.#parts.left(id)
    this.#checkDrained()
  }

  /** What may move, moves; the rest is stopped. `done` when nothing of ours runs here any more. */
  drain(done: () => void): void {
    this.#drained = done
    for (const [id, owned] of this.#owned) {
      // What waits for a place has nothing here that could move.
      if (!hasChild(owned)) continue
      const record = this.#parts.records.all.get(id)!
      const others = this.#ctx.alivePeers().some((peer) => peer !== this.#ctx.self)
      const moves = survivesRunner(record) && others
      const cause = `${this.#ctx.nameOf(this.#ctx.self)} is going down`
      this.tell(owned, moves ? { type: 'session.drain', cause } : { type: 'session.stop', cause })
    }
    this.#checkDrained()
  }

  /** The machine is in a new state: record it, tell everyone. */
  #entered(id: SessionId, value: string, cause: string): void {
    const owned = this.#owned.get(id)
    const record = this.#parts.records.all.get(id)
    if (owned === undefined || value === 'entering') return
    owned.step = value
    // An owner that is no keeper has forgotten the record with the hand-over.
    if (value === 'handed' || value === 'discarded') return this.disown(id)
    if (value === 'frozen' || record === undefined) return
    const from = record.state
    // Until the disks have it, it is nobody's business; and what they never took was never there.
    if (value === 'submitted') return
    if (value === 'failed' && from === 'submitted') return this.#rejected(id)
    if (value === 'pending') this.#checkDrained()
    const state = value as SessionState
    const final = FINAL_STATES.has(state)
    const at = this.#ctx.ports.clock.wall()
    const entry = { at, state, by: this.#ctx.self, cause: cause.slice(0, 300) }
    const next = this.update(record, {
      ...(final || state === 'pending' || state === 'placing' ? this.#aboveEarlierWords(record) : {}),
      state,
      reason: cause.slice(0, 600) || undefined,
      history: [...record.history, entry].slice(-16),
      ...(final && record.endedAt === undefined ? { endedAt: at } : {}),
      // Who could not start it is asked again the next time.
      ...(state === 'running' ? { tried: [] } : {}),
      // It goes on: how its last run ended is in the history.
      ...(state === 'placing' ? { endedAt: undefined, exit: undefined } : {})
    })
    // Two steps need no disk of their own: placing right after the record was accepted, and finishing, which
    // #publishResult writes before anyone is told that it has ended.
    if (!(state === 'placing' && from === 'submitted') && state !== 'finishing') {
      this.#parts.records.commit(
        next,
        1,
        final ? (copies) => this.#ended(id, next.epoch, copies) : () => {},
        state === 'starting' ? (error) => this.#startRecorded(id, next.epoch, error) : undefined
      )
    }
    if (!final) this.#ctx.publish(summarize(this.#parts.records.all.get(id)!))
    else {
      release(this.#parts.admission, id)
      this.#parts.placer.forget(id)
      this.disown(id)
      this.#ctx.changed('nodes')
    }
    this.#ctx.changed('sessions', id)
  }

  /** What an earlier life of this peer told, and no disk kept, would count as newer. Nothing runs here now under the old number. */
  #aboveEarlierWords(record: SessionRecord): Partial<Pick<SessionRecord, 'epoch' | 'seq'>> {
    const told = this.#ctx.summary(record.id)
    const isOurs = told?.owner === this.#ctx.self
    return isOurs && compareVersion(told, record) > 0 ? { epoch: told.epoch + 1, seq: 0 } : {}
  }

  /** An end is told when a disk has it: after a restart it would be another. While none takes it, it is tried again. */
  #ended(id: SessionId, epoch: number, copies: number): void {
    const record = this.#parts.records.all.get(id)
    if (record?.epoch !== epoch || record.owner !== this.#ctx.self || !FINAL_STATES.has(record.state)) return
    if (copies > 0) {
      this.#ctx.ports.host.acknowledge(id, epoch)
      this.#parts.strict.close(record)
      this.#ctx.publish(summarize(record))
      return this.#ctx.changed('sessions', id)
    }
    this.#ctx.ports.clock.setTimeout(() => {
      const now = this.#parts.records.all.get(id)
      if (now?.epoch === epoch && FINAL_STATES.has(now.state))
        this.#parts.records.commit(now, 1, (again) => this.#ended(id, epoch, again))
    }, RESULT_RETRY_MS)
  }

  /** A peer that died before it had written that the session runs here would come back and let another run it too. */
  #startRecorded(id: SessionId, epoch: number, error: MeshError | undefined): void {
    const owned = this.#owned.get(id)
    if (owned?.step !== 'starting' || this.current(id, epoch) === undefined) return
    const orders = this.#isArray(id) ? this.#parts.arrays() : this.#parts.orders
    if (error !== undefined) return orders.notStarted(id, epoch, `its record could not be written: ${error.message}`)
    owned.recorded = true
    const { start } = owned
    owned.start = undefined
    start?.()
  }

  /** Told to the submitter and to nobody else. A keeper that took it late hears that it is over. */
  #rejected(id: SessionId): void {
    this.update(this.#parts.records.all.get(id)!, { state: 'failed', endedAt: this.#ctx.ports.clock.wall() })
    this.disown(id)
  }

  #create(id: SessionId): void {
    const record = this.#parts.records.all.get(id)!
    this.#parts.records.commit(record, this.copiesWanted(record), (copies, error) => {
      if (copies === 0) return this.#recorded(id, record, copies, error)
      this.#parts.strict.create(record, (ok, voters) => {
        if (voters !== undefined && this.has(id)) this.update(record, { voters })
        if (ok) return this.#recorded(id, record, copies)
        const full = 'this PC keeps as many strict sessions as it can; wait until some have ended'
        this.#recorded(id, record, 0, new MeshError('BUSY', full))
      })
    })
  }

  #recorded(id: SessionId, record: SessionRecord, copies: number, error?: MeshError): void {
    const created = this.#owned.get(id)?.created
    // By now it may be stopped, or another's: who asked is answered all the same.
    const owned = this.#owned.get(id)
    const now = this.#parts.records.all.get(id) ?? record
    if (copies === 0) {
      created?.(error ?? new MeshError('STORE_FAILED', 'the session could not be written to disk anywhere'), now, 0)
      this.tell(owned, { type: 'record.rejected', cause: error?.message ?? 'no disk took the record' })
      return
    }
    created?.(undefined, now, copies)
    if (now.desired === 'stop') return this.tell(owned, { type: 'session.stop', cause: 'stopped before it started' })
    this.tell(owned, { type: 'record.accepted' }, `recorded on ${copies} ${copies === 1 ? 'disk' : 'disks'}`)
  }

  #place(id: SessionId): void {
    const record = this.#parts.records.all.get(id)!
    this.#owned.get(id)!.step = 'placing'
    if (record.spec.array !== undefined) return this.#handOut(record)
    this.#parts.placer.place(record, (outcome) => {
      const owned = this.#owned.get(id)
      const now = this.#parts.records.all.get(id)
      if (owned === undefined || now?.owner !== this.#ctx.self || owned.step !== 'placing') {
        if (outcome.k === 'self') release(this.#parts.admission, id)
        return
      }
      switch (outcome.k) {
        case 'self':
          owned.refusals = 0
          this.update(now, { why: outcome.why, runner: this.#ctx.self, epoch: now.epoch + 1, seq: 0 })
          return this.tell(owned, { type: 'worker.self' }, outcome.why.sentence)
        case 'binding':
          // From here on the worker may run it: a disk must say so before, or an owner that dies now runs it, too, when it is back.
          return this.#parts.records.commit(
            this.update(now, { why: outcome.why, runner: outcome.worker }),
            1,
            (copies, error) => {
              const latest = this.#parts.records.all.get(id)
              if (latest?.owner !== this.#ctx.self) return
              if (copies > 0) return this.#parts.placer.bind(outcome.worker, latest)
              this.#unbound(id, latest, outcome.worker, error)
            }
          )
        case 'bound':
          this.#parts.strict.handOn(now, outcome.worker)
          this.#handOver(now, outcome.worker, outcome.epoch)
          return this.tell(owned, { type: 'worker.bound', cause: `runs on ${this.#ctx.nameOf(outcome.worker)}` })
        case 'lost':
          // The worker may have started it before it died: this owner's next run needs a number above the worker's.
          this.update(now, { epoch: now.epoch + 2, seq: 0, runner: undefined })
          return this.#place(id)
        case 'none': {
          // Who could not start it may by now, and nobody else has come.
          const isLong = outcome.couldLater && owned.refusals >= REFUSED_LONG
          this.update(now, { why: outcome.why, ...(isLong ? { tried: [] } : {}) })
          this.#quiet(id, owned)
          const last = now.tried.at(-1)
          const failed = last !== undefined && !outcome.couldLater
          return this.tell(owned, {
            type: 'worker.none',
            cause: failed ? last.why : outcome.why.sentence,
            final: failed
          })
        }
      }
    })
  }

  /** Nobody was bound, and nobody is while no disk takes it. */
  #unbound(id: SessionId, record: SessionRecord, worker: PeerId, error: MeshError | undefined): void {
    const owned = this.#owned.get(id)
    if (owned?.step !== 'placing' || record.runner !== worker) return
    this.#parts.placer.forget(id)
    this.update(record, { runner: undefined })
    this.#quiet(id, owned)
    const cause = `no disk took the record that it runs on ${this.#ctx.nameOf(worker)}: ${error?.message ?? 'no answer'}`
    this.tell(owned, { type: 'worker.none', cause, final: false })
  }

  /** What refuses may look able for long, and each refusal changes the view. */
  #quiet(id: SessionId, owned: Owned): void {
    const { clock, random } = this.#ctx.ports
    const ms = Math.min(REFUSED_MAX_MS, REFUSED_MS * 2 ** owned.refusals++) * (0.5 + random.float())
    const until = (owned.quietUntil = clock.mono() + ms)
    clock.setTimeout(() => {
      if (owned.quietUntil !== until) return
      owned.quietUntil = 0
      this.#parts.waits(id)
    }, ms)
  }

  /** An array stays with its owner, who hands out its tasks; an owner on its way out leaves that to a keeper. */
  #handOut({ id, epoch }: SessionRecord): void {
    const owned = this.#owned.get(id)
    if (this.#parts.admission.draining) {
      const cause = `${this.#ctx.nameOf(this.#ctx.self)} is going down; another PC goes on with it`
      return this.tell(owned, { type: 'worker.none', cause, final: false })
    }
    this.update(this.#parts.records.all.get(id)!, { runner: undefined, epoch: epoch + 1, seq: 0 })
    this.tell(owned, { type: 'worker.self' }, `${this.#ctx.nameOf(this.#ctx.self)} hands out its tasks`)
  }

  #isArray(id: SessionId): boolean {
    return this.#parts.records.all.get(id)?.spec.array !== undefined
  }

  /** The worker owns it from here on; a peer that is no keeper forgets the record. */
  #handOver(record: SessionRecord, worker: PeerId, epoch: number): void {
    if (this.#parts.records.all.get(record.id)!.epoch >= epoch) return
    this.#parts.records.note({ ...record, owner: worker, runner: worker, epoch, seq: 0, state: 'starting' })
  }

  /**
   * The result is on at least two disks (or all that live) before anyone is told that the session has ended; while no disk
   * takes it, sessiond keeps it and it is tried again.
   */
  #publishResult(id: SessionId): void {
    const record = this.#parts.records.all.get(id)!
    const { epoch } = record
    const needed = Math.max(1, this.#parts.strict.copiesOfResult(record))
    const wanted = Math.max(needed, this.copiesWanted(record))
    this.#parts.records.commit(this.update(record, {}), wanted, (copies, error) => {
      const owned = this.#owned.get(id)
      const isHere = this.current(id, epoch) !== undefined && owned?.step === 'finishing'
      if (copies < needed && isHere) {
        const why = error?.message ?? `${copies} of ${needed} disks took it`
        const reason = `its result could not be written and is tried again: ${why}`
        this.#ctx.publish(summarize(this.update(record, { reason: reason.slice(0, 600) })))
        this.#ctx.changed('sessions', id)
        this.#ctx.ports.clock.setTimeout(() => {
          if (owned === this.#owned.get(id)) this.#publishResult(id)
        }, RESULT_RETRY_MS)
        return
      }
      if (copies > 0) this.#ctx.ports.host.acknowledge(id, epoch)
      const publish = (): void => {
        const ended = this.#parts.records.all.get(id) ?? record
        const { exit } = ended
        const how = this.#isArray(id)
          ? progressInWords(ended)
          : exit?.signal == null
            ? `exit code ${exit?.code}`
            : `ended by signal ${exit.signal}`
        this.tell(owned, { type: 'result.published' }, how)
      }
      if (isHere) this.#endResult(id, publish)
      else publish()
    })
  }

  /** One that starts again has not ended. */
  #endResult(id: SessionId, done: () => void): void {
    const record = this.#parts.records.all.get(id)!
    if (record.exit !== undefined && this.#recentRestarts(id, record.exit) !== undefined) return done()
    this.#parts.strict.conclude(record, done)
  }

  #restartsAfter(id: SessionId, end: ChildEnd): boolean {
    const recent = this.#recentRestarts(id, end)
    if (recent === undefined) return false
    const now = this.#ctx.ports.clock.wall()
    this.update(this.#parts.records.all.get(id)!, { restarts: [...recent, now].slice(-16), endedAt: undefined })
    return true
  }

  /** Times of its restarts not long ago, when there is to be one more; undefined: it has ended for good. */
  #recentRestarts(id: SessionId, { code }: { code: number | null }): number[] | undefined {
    const record = this.#parts.records.all.get(id)
    if (record === undefined || record.desired === 'stop' || this.#parts.admission.draining) return undefined
    if (this.#parts.strict.isOver(id)) return undefined
    const policy = record.spec.restart
    if (!(policy === 'always' || (policy === 'on-failure' && code !== 0))) return undefined
    const now = this.#ctx.ports.clock.wall()
    const recent = record.restarts.filter((at) => now - at < RESTART_WINDOW_MS)
    return recent.length >= RESTARTS_MAX ? undefined : recent
  }

  #checkDrained(): void {
    if (this.#drained === undefined || [...this.#owned.values()].some(occupies)) return
    const done = this.#drained
    this.#drained = undefined
    done()
  }
}

/** No disk took it when it was submitted; it stays in memory for a keeper that takes it late. */
export function wasRejected({ state, history }: SessionRecord): boolean {
  return state === 'failed' && history.length === 1
}

/** It runs here, or is on its way in or out. */
function hasChild({ step }: Owned): boolean {
  return step === 'starting' || step === 'running' || step === 'finishing' || step === 'stopping'
}

/** A draining peer waits for it: it runs here, or will have a place or none in a moment. */
function occupies(owned: Owned): boolean {
  return hasChild(owned) || owned.step === 'submitted' || owned.step === 'placing'
}

/** Built anew rather than deleted from: engines keep an object that lost a field as a slow one. */
function withoutAbsent(patched: { [K in keyof SessionRecord]?: SessionRecord[K] | undefined }): SessionRecord {
  const record: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(patched)) if (value !== undefined) record[key] = value
  return record as unknown as SessionRecord
}
