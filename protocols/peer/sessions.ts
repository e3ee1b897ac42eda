/**
 * The sessions of one peer: those it owns (a lifecycle machine each), those it keeps (taken over when their owner is gone)
 * and the children that run here. One direction: submit -> record on keepers -> place -> bind -> the worker owns it ->
 * child -> result on keepers -> everyone is told.
 */
import { createActor } from 'xstate'
import type { Actor } from 'xstate'
import { MeshError } from '../errors.ts'
import { encodeCbor, peerKey, toHex } from '../codec.ts'
import { adopt, createAdmission, grant, granted, release } from '../placement/index.ts'
import type { Admission, Offer, SchedFrame } from '../placement/index.ts'
import type { ChildReport, Exit, PeerId, RunOrder, SessionId } from '../ports.ts'
import {
  chooseKeepers,
  compareVersion,
  FINAL_STATES,
  REPLACE_KEEPER_MS,
  replaceKeepers,
  sessionMachine,
  SUBMITTED_MAX_BYTES,
  summarize,
  survivesRunner,
  takeoverInMs,
  waitsForPlace
} from '../session/index.ts'
import type {
  ChildEnd,
  SessionEvent,
  SessionInput,
  SessionRecord,
  SessionSpec,
  SessionState
} from '../session/index.ts'
import type { PeerContext } from './context.ts'
import { Placer } from './placer.ts'
import { Records } from './records.ts'

/** Starts that may fail on different peers before the session fails for good. */
const TRIES_MAX = 3
/** Restarts of a child that ended, within ten minutes (FEATURES C14). */
const RESTARTS_MAX = 5
const RESTART_WINDOW_MS = 600_000
/** Keepers have this long to answer before this peer decides alone about what it owned before it was away. */
const ASK_KEEPERS_MS = 5_000
const ASK_AGAIN_MS = 250
/** How often a keeper looks whether an owner has been gone for long enough. */
const WATCH_MS = 500
/** Live sessions owned by one peer. */
const OWNED_MAX = 10_000

interface Owned {
  actor: Actor<typeof sessionMachine>
  /** Why each step is taken, in the order in which the machine will take them; for the history. */
  causes: string[]
  /** The state being entered: an entry action sees the machine's snapshot of before. */
  step: string
  /** sessiond was asked to start it. */
  ordered: boolean
  created?: (error: MeshError | undefined, record: SessionRecord, copies: number) => void
}

export interface Submitted {
  record: SessionRecord
  durability: number
}

export class Sessions {
  readonly records: Records
  readonly admission: Admission
  /** A run of an older epoch that was frozen here because another owner exists. */
  readonly forks = new Map<SessionId, number>()
  readonly #ctx: PeerContext
  readonly #placer: Placer
  readonly #owned = new Map<SessionId, Owned>()
  /** Children of sessiond as of its last report; undefined while it is not connected. */
  #children: Map<SessionId, ChildReport> | undefined
  #watch: unknown
  #keeperTimer: unknown
  #drained: (() => void) | undefined
  /** To be started once sessiond has reported. */
  readonly #waiting = new Set<SessionId>()

  constructor(ctx: PeerContext, offer: Offer) {
    this.#ctx = ctx
    this.admission = createAdmission(offer)
    this.records = new Records(ctx, {
      adopted: (record) => this.#recordAdopted(record),
      stopWanted: (record, by) => this.#stopWanted(record, by)
    })
    this.#placer = new Placer(ctx, this.admission, (id) => this.#barred(id))
  }

  /** Loads the records, then takes up what this peer owned. */
  start(done: (error?: MeshError) => void): void {
    this.records.load((error) => {
      if (error !== undefined) return done(error)
      for (const record of this.records.all.values()) {
        this.#ctx.publish(summarize(record))
        // Runs are taken up when sessiond has said which children live.
        this.#takeUp(record)
      }
      this.#armWatch()
      done()
    })
  }

  submit(spec: SessionSpec, nonce: Uint8Array, done: (error: MeshError | undefined, result?: Submitted) => void): void {
    const ctx = this.#ctx
    const id = toHex(ctx.ports.crypto.sha256(peerKey(ctx.self), nonce)).slice(0, 32)
    const known = this.records.all.get(id)
    if (known !== undefined) return this.#confirm(known, done)
    if (this.#owned.size >= OWNED_MAX)
      return done(
        new MeshError('BUSY', `this peer already looks after ${OWNED_MAX} sessions; wait until some have ended`)
      )
    const at = ctx.ports.clock.wall()
    const record: SessionRecord = {
      id,
      spec,
      submitter: ctx.self,
      keepers: chooseKeepers(id, ctx.self, ctx.alivePeers(), ctx.ports.crypto),
      desired: 'run',
      state: 'submitted',
      epoch: 0,
      seq: 0,
      owner: ctx.self,
      tried: [],
      restarts: [],
      createdAt: at,
      history: [{ at, state: 'submitted', by: ctx.self, cause: `submitted by ${spec.user} on ${ctx.nameOf(ctx.self)}` }]
    }
    const bytes = encodeCbor(record).length
    if (bytes > SUBMITTED_MAX_BYTES) {
      const text = `the session's command and environment take ${bytes} bytes; at most ${SUBMITTED_MAX_BYTES} fit: put what is long into a file`
      return done(new MeshError('TOO_LARGE', text))
    }
    this.#own(record, 'submitted', '', (error, accepted, copies) => {
      if (error !== undefined) return done(error)
      done(undefined, { record: accepted, durability: copies })
    })
  }

  /** The same request again: what the disks have now is the answer, also while the first one is still waiting for it. */
  #confirm(known: SessionRecord, done: (error: MeshError | undefined, result?: Submitted) => void): void {
    this.records.commit(known, this.#copiesWanted(known), (copies, error) => {
      const record = this.records.all.get(known.id) ?? known
      if (copies > 0) return done(undefined, { record, durability: copies })
      done(error ?? new MeshError('STORE_FAILED', 'the session could not be written to disk anywhere'))
    })
  }

  /** Two, or all that live. */
  #copiesWanted(record: SessionRecord): number {
    const live = record.keepers.filter((keeper) => keeper === this.#ctx.self || this.#ctx.reachable(keeper)).length
    return Math.min(2, Math.max(1, live))
  }

  /** Records the wish to stop wherever the record is; `done` when one copy has it. */
  stop(record: SessionRecord, by: string, done: (error?: MeshError) => void): void {
    const targets = new Set([record.owner, record.runner ?? record.owner, ...record.keepers])
    let waiting = 1
    let recorded = false
    const settle = (ok: boolean): void => {
      waiting--
      if (ok && !recorded) {
        recorded = true
        done()
      } else if (waiting === 0 && !recorded) {
        done(
          new MeshError(
            'PEER_UNREACHABLE',
            `no PC that keeps session ${record.id.slice(0, 8)} can be reached now; try again when one is back`
          )
        )
      }
    }
    for (const peer of targets) {
      if (peer === this.#ctx.self || !this.#ctx.reachable(peer)) continue
      waiting++
      this.records.askStop(peer, record.id, by, settle)
    }
    this.records.stopHere(record.id, by, settle)
  }

  /** The owner of this PC takes it back: everything that runs here stands still, nothing new comes. */
  pause(): void {
    this.admission.paused = true
    for (const [id, child] of this.#children ?? [])
      if (child.state === 'running') this.#ctx.ports.host.freeze(id, child.epoch)
    this.#ctx.changed('nodes')
  }

  resume(): void {
    this.admission.paused = false
    for (const [id, child] of this.#children ?? []) {
      if (this.#current(id, child.epoch) !== undefined && child.state !== 'exited')
        this.#ctx.ports.host.thaw(id, child.epoch)
    }
    this.#ctx.changed('nodes')
  }

  /** Nothing new; what may move, moves; the rest is stopped. `done` when nothing of ours runs here any more. */
  drain(done: () => void): void {
    this.admission.draining = true
    this.#drained = done
    // Others must hear of it before what moves looks for its next place.
    this.#ctx.changed('nodes')
    for (const [id, owned] of this.#owned) {
      // What waits for a place has nothing here that could move.
      if (!hasChild(owned)) continue
      const record = this.records.all.get(id)!
      const others = this.#ctx.alivePeers().some((peer) => peer !== this.#ctx.self)
      const moves = survivesRunner(record) && others
      const cause = `${this.#ctx.nameOf(this.#ctx.self)} is going down`
      this.#tell(owned, moves ? { type: 'session.drain', cause } : { type: 'session.stop', cause })
    }
    this.#checkDrained()
  }

  granted(): Offer {
    return granted(this.admission, this.#ctx.ports.clock.mono())
  }

  /** Sessions of others that run here, for "who uses this PC". */
  running(): SessionRecord[] {
    return [...this.#owned.keys()].flatMap((id) => {
      const record = this.records.all.get(id)
      return record !== undefined && record.runner === this.#ctx.self && record.state === 'running' ? [record] : []
    })
  }

  viewChanged(): void {
    for (const [id, owned] of this.#owned) {
      if (owned.step !== 'pending' || !this.#placer.hasCandidate(this.records.all.get(id)!)) continue
      this.#tell(owned, { type: 'view.changed' }, 'a PC that can take it is there')
    }
  }

  /** A member came, went or died: its sessions may be taken over after a while. */
  membersChanged(): void {
    this.#armWatch()
    this.#keeperTimer ??= this.#ctx.ports.clock.setTimeout(() => {
      this.#keeperTimer = undefined
      for (const id of this.#owned.keys()) this.#replaceKeepers(id)
      // One that has gone since, or nobody to take its place yet: look again.
      const missing = [...this.#owned.keys()].some((id) =>
        this.records.all.get(id)?.keepers.some((keeper) => this.#ctx.goneMs(keeper) !== undefined)
      )
      if (missing) this.membersChanged()
    }, REPLACE_KEEPER_MS + WATCH_MS)
  }

  /** Records of live sessions get back the copies that were lost with a keeper, or never were. */
  #replaceKeepers(id: SessionId): void {
    const record = this.records.all.get(id)
    if (record?.owner !== this.#ctx.self) return
    const gone = (peer: PeerId): boolean => (this.#ctx.goneMs(peer) ?? 0) >= REPLACE_KEEPER_MS
    const keepers = replaceKeepers(record, gone, this.#ctx.alivePeers(), this.#ctx.ports.crypto)
    if (keepers === undefined) return
    const next = this.#update(record, { keepers })
    this.records.commit(next, 2, () => this.#ctx.publish(summarize(next)))
  }

  linkUp(peer: PeerId): void {
    this.records.linkUp(peer)
    this.#placer.linkUp(peer)
  }

  linkDown(peer: PeerId): void {
    this.records.linkDown(peer)
    this.#placer.linkDown(peer)
  }

  sched(from: PeerId, frame: SchedFrame): void {
    if (frame.t === 'bind') return this.#onBind(from, frame.record)
    this.#placer.frame(from, frame)
  }

  // ---- children of this PC ----

  started(id: SessionId, epoch: number, pid: number): void {
    const record = this.#current(id, epoch)
    if (record === undefined) return this.#strayStarted(id, epoch, pid)
    this.#children?.set(id, { session: id, epoch, state: 'running', pid })
    this.#update(record, { startedAt: this.#ctx.ports.clock.wall() })
    this.#tell(this.#owned.get(id), { type: 'child.started' }, 'started')
    if (this.admission.paused) this.#ctx.ports.host.freeze(id, epoch)
  }

  /** It was superseded while it was being started: it has done nothing yet. Ours again means that the keepers are being asked. */
  #strayStarted(id: SessionId, epoch: number, pid: number): void {
    const record = this.records.all.get(id)
    const mayBeOurs = record?.epoch === epoch && record.owner === this.#ctx.self && !FINAL_STATES.has(record.state)
    if (mayBeOurs) this.#children?.set(id, { session: id, epoch, state: 'running', pid })
    else this.#ctx.ports.host.discard(id, epoch)
  }

  notStarted(id: SessionId, epoch: number, reason: string): void {
    this.#children?.delete(id)
    const record = this.#current(id, epoch)
    if (record === undefined) return
    release(this.admission, id)
    // A pause that came between the yes and the start says nothing against this PC: later it may.
    if (!this.admission.paused) {
      const tried = [...record.tried, { peer: this.#ctx.self, why: reason.slice(0, 300) }].slice(-16)
      this.#update(record, { tried })
    }
    this.#tell(this.#owned.get(id), { type: 'child.notStarted', cause: reason }, reason)
  }

  exited(id: SessionId, epoch: number, exit: Exit): void {
    this.#children?.delete(id)
    if (this.forks.get(id) === epoch) this.forks.delete(id)
    const found = this.records.all.get(id)
    // It ended while the keepers were still being asked whether it may go on.
    if (
      !this.#owned.has(id) &&
      found?.epoch === epoch &&
      found.owner === this.#ctx.self &&
      !FINAL_STATES.has(found.state)
    ) {
      this.#own(found, found.desired === 'stop' ? 'stopping' : 'running', 'adopted at its end')
    }
    const record = this.#current(id, epoch)
    // Nobody here waits for it: superseded, or recorded before this peer's last restart.
    if (record === undefined) return this.#ctx.ports.host.acknowledge(id, epoch)
    release(this.admission, id)
    const how = exit.signal === null ? `exit code ${exit.code}` : `ended by signal ${exit.signal}`
    this.#update(record, {
      exit: { code: exit.code, signal: exit.signal },
      output: exit.output,
      outputError: exit.outputError?.slice(0, 600),
      logBytes: exit.logBytes,
      endedAt: this.#ctx.ports.clock.wall()
    })
    this.#tell(this.#owned.get(id), { type: 'child.exited', end: exit, cause: how }, how)
  }

  /** sessiond is connected and tells all it holds. */
  children(list: readonly ChildReport[]): void {
    this.#children = new Map(list.map((child) => [child.session, child]))
    for (const child of list) {
      // Its room is taken from this moment on, though the keepers are still to be asked whose it is.
      const record = this.records.all.get(child.session)
      const mayBeOurs = child.state !== 'exited' && record?.owner === this.#ctx.self && record.epoch === child.epoch
      if (mayBeOurs) adopt(this.admission, child.session, record.spec, record.submitter)
    }
    for (const child of list) this.#reconcile(child)
    for (const record of [...this.records.all.values()]) {
      if (!this.#owned.has(record.id)) this.#takeUp(record)
      else if (this.#misses(record)) this.#childGone(record)
    }
    for (const id of [...this.#waiting]) {
      this.#waiting.delete(id)
      if (this.#owned.get(id)?.step === 'starting') this.#startChild(id)
    }
    // What waits for a place may have one here from now on.
    this.viewChanged()
  }

  lost(): void {
    this.#children = undefined
  }

  /** It should have a child here and has none: sessiond died with it. */
  #misses({ id, owner, state }: SessionRecord): boolean {
    const hadChild = state === 'starting' || state === 'running' || state === 'stopping'
    return owner === this.#ctx.self && hadChild && this.#children?.has(id) === false && !this.#waiting.has(id)
  }

  // ---- owning ----

  #own(record: SessionRecord, resume: SessionInput['resume'], cause: string, created?: Owned['created']): void {
    const before = this.#owned.get(record.id)
    if (before !== undefined && before.step !== 'frozen') return
    before?.actor.stop()
    const id = record.id
    this.records.all.set(id, record)
    const clock = this.#ctx.ports.clock
    const input: SessionInput = {
      resume,
      do: {
        create: () => this.#create(id),
        place: () => this.#place(id),
        startChild: () => this.#startChild(id),
        terminate: () => this.#signal(id, 'TERM'),
        kill: () => this.#signal(id, 'KILL'),
        publish: () => this.#publishResult(id),
        freeze: () => this.#freezeFork(id)
      },
      restartsAfter: (end) => this.#restartsAfter(id, end),
      backoffMs: () => Math.min(60_000, 1_000 * 2 ** Math.max(0, (this.records.all.get(id)?.restarts.length ?? 1) - 1)),
      mayTryElsewhere: () => (this.records.all.get(id)?.tried.length ?? TRIES_MAX) < TRIES_MAX
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
      ordered: false,
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
  }

  /** The machine is in a new state: record it, tell everyone. */
  #entered(id: SessionId, value: string, cause: string): void {
    const owned = this.#owned.get(id)
    const record = this.records.all.get(id)
    if (owned === undefined || record === undefined || value === 'entering') return
    const from = record.state
    owned.step = value
    if (value === 'handed' || value === 'discarded' || value === 'frozen') {
      if (value !== 'frozen') this.#disown(id)
      return
    }
    if (value === 'pending') this.#checkDrained()
    const state = value as SessionState
    const final = FINAL_STATES.has(state)
    if (state !== 'submitted') {
      const at = this.#ctx.ports.clock.wall()
      const entry = { at, state, by: this.#ctx.self, cause: cause.slice(0, 300) }
      const next = this.#update(record, {
        state,
        reason: cause.slice(0, 600) || undefined,
        history: [...record.history, entry].slice(-16),
        ...(final && record.endedAt === undefined ? { endedAt: at } : {}),
        // It goes on: how its last run ended is in the history.
        ...(state === 'placing' ? { endedAt: undefined, exit: undefined } : {})
      })
      // Two steps need no disk of their own: placing right after the record was accepted, and finishing, which
      // #publishResult writes before anyone is told that it has ended.
      if (!(state === 'placing' && from === 'submitted') && state !== 'finishing') {
        this.records.commit(next, 1, (copies) => {
          if (final && copies > 0) this.#ctx.ports.host.acknowledge(id, next.epoch)
        })
      }
    }
    this.#ctx.publish(summarize(this.records.all.get(id)!))
    if (final) {
      release(this.admission, id)
      this.#placer.forget(id)
      this.#disown(id)
      this.#ctx.changed('nodes')
    }
    this.#ctx.changed('sessions', id)
  }

  #disown(id: SessionId): void {
    this.#owned.get(id)?.actor.stop()
    this.#owned.delete(id)
    this.#armWatch()
    this.#checkDrained()
  }

  #checkDrained(): void {
    if (this.#drained === undefined || [...this.#owned.values()].some(occupies)) return
    const done = this.#drained
    this.#drained = undefined
    done()
  }

  #tell(owned: Owned | undefined, event: SessionEvent, cause?: string): void {
    if (owned === undefined || owned.actor.getSnapshot().status !== 'active') return
    owned.causes.push(cause ?? ('cause' in event ? event.cause : event.type))
    owned.actor.send(event)
  }

  #create(id: SessionId): void {
    const record = this.records.all.get(id)!
    const created = this.#owned.get(id)?.created
    this.records.commit(record, this.#copiesWanted(record), (copies, error) => {
      // By now it may be stopped, or another's: who asked is answered all the same.
      const owned = this.#owned.get(id)
      const now = this.records.all.get(id) ?? record
      if (copies === 0) {
        created?.(error ?? new MeshError('STORE_FAILED', 'the session could not be written to disk anywhere'), now, 0)
        this.#tell(owned, { type: 'record.rejected', cause: error?.message ?? 'no disk took the record' })
        return
      }
      created?.(undefined, now, copies)
      if (now.desired === 'stop') return this.#tell(owned, { type: 'session.stop', cause: 'stopped before it started' })
      this.#tell(owned, { type: 'record.accepted' }, `recorded on ${copies} ${copies === 1 ? 'disk' : 'disks'}`)
    })
  }

  #place(id: SessionId): void {
    const record = this.records.all.get(id)!
    this.#owned.get(id)!.step = 'placing'
    this.#placer.place(record, (outcome) => {
      const owned = this.#owned.get(id)
      const now = this.records.all.get(id)
      if (owned === undefined || now?.owner !== this.#ctx.self || owned.step !== 'placing') {
        if (outcome.k === 'self') release(this.admission, id)
        return
      }
      switch (outcome.k) {
        case 'self':
          this.#update(now, { why: outcome.why, runner: this.#ctx.self, epoch: now.epoch + 1, seq: 0 })
          return this.#tell(owned, { type: 'worker.self' }, outcome.why.sentence)
        case 'binding':
          // From here on the worker may run it: what the keepers know must say so.
          this.records.commit(this.#update(now, { why: outcome.why, runner: outcome.worker }), 1, () => {})
          return this.#placer.bind(outcome.worker, this.records.all.get(id)!)
        case 'bound':
          this.#handOver(now, outcome.worker, outcome.epoch)
          return this.#tell(owned, { type: 'worker.bound', cause: `runs on ${this.#ctx.nameOf(outcome.worker)}` })
        case 'lost':
          // The worker may have started it before it died: this owner's next run needs a number above the worker's.
          this.#update(now, { epoch: now.epoch + 2, seq: 0, runner: undefined })
          return this.#place(id)
        case 'none': {
          this.#update(now, { why: outcome.why })
          const last = now.tried.at(-1)
          const failed = last !== undefined && !outcome.couldLater
          return this.#tell(owned, {
            type: 'worker.none',
            cause: failed ? last.why : outcome.why.sentence,
            final: failed
          })
        }
      }
    })
  }

  /** The worker owns it from here on; a peer that is no keeper forgets the record. */
  #handOver(record: SessionRecord, worker: PeerId, epoch: number): void {
    if (this.records.all.get(record.id)!.epoch >= epoch) return
    this.records.note({ ...record, owner: worker, runner: worker, epoch, seq: 0, state: 'starting' })
  }

  #onBind(from: PeerId, record: SessionRecord): void {
    const id = record.id
    const mine = this.records.all.get(id)
    const self = this.#ctx.self
    if (mine !== undefined && mine.owner === self && mine.epoch > record.epoch) {
      this.#ctx.send(from, 'sched', { t: 'bound', id, epoch: mine.epoch })
      return
    }
    const refuse = (why: string): void =>
      void this.#ctx.send(from, 'sched', { t: 'unbound', id, why: why.slice(0, 300) })
    if (mine !== undefined && compareVersion(mine, record) > 0 && mine.epoch > record.epoch)
      return refuse('a newer record of it exists here')
    if (mine?.desired === 'stop' || record.desired === 'stop') return refuse('it is to be stopped')
    if (this.#owned.has(id)) return refuse('it is being looked after here already')
    const barred = this.#barred(id)
    if (barred !== undefined) return refuse(barred)
    if (!grant(this.admission, id, record.spec, from, this.#ctx.ports.clock.mono()))
      return refuse('the room was given away meanwhile')
    const next: SessionRecord = { ...record, owner: self, runner: self, epoch: record.epoch + 1, seq: 0 }
    this.#own(next, 'starting', record.why?.sentence ?? `bound by ${this.#ctx.nameOf(from)}`)
    this.#ctx.send(from, 'sched', { t: 'bound', id, epoch: next.epoch })
    this.#ctx.changed('nodes')
  }

  /** Why this PC cannot take a session whatever room it has. */
  #barred(id: SessionId): string | undefined {
    if (this.#children === undefined) return 'sessiond is not running here'
    return this.forks.has(id) || this.#children.has(id) ? 'an older run of it is kept here' : undefined
  }

  #startChild(id: SessionId): void {
    // sessiond's first report must not be older than our first order, or the new child would count as gone.
    if (this.#children === undefined) return void this.#waiting.add(id)
    const record = this.records.all.get(id)!
    const epoch = record.epoch
    const run = (): void => {
      this.#owned.get(id)!.ordered = true
      this.#ctx.ports.host.run(orderOf(record))
    }
    const input = record.spec.input
    if (input === undefined || this.#ctx.ports.host.hasBlob(input.hash)) return run()
    const sources = [record.submitter, ...record.keepers].filter((peer) => peer !== this.#ctx.self)
    this.#ctx.ports.fetchBlob(input, sources, (error) => {
      if (this.#current(id, epoch) === undefined || this.#owned.get(id)?.step !== 'starting') return
      if (error === undefined) return run()
      this.notStarted(id, epoch, `the files could not be fetched: ${error.message}`)
    })
  }

  #signal(id: SessionId, signal: 'TERM' | 'KILL'): void {
    const record = this.records.all.get(id)
    if (record === undefined) return
    const fork = this.forks.get(id)
    if (fork !== undefined) {
      this.forks.delete(id)
      this.#children?.delete(id)
      return this.#ctx.ports.host.discard(id, fork)
    }
    const child = this.#children?.get(id)
    const owned = this.#owned.get(id)
    if (child === undefined && owned?.ordered === false) {
      return this.#tell(owned, { type: 'child.gone', cause: 'it had not started', again: false })
    }
    // A frozen child cannot act on a polite signal.
    if (child?.state === 'frozen' || this.admission.paused) this.#ctx.ports.host.thaw(id, record.epoch)
    this.#ctx.ports.host.signal(id, record.epoch, signal)
  }

  /** The result is on at least two disks (or all that live) before anyone is told that the session has ended. */
  #publishResult(id: SessionId): void {
    const record = this.records.all.get(id)!
    const { epoch } = record
    this.records.commit(this.#update(record, {}), this.#copiesWanted(record), (copies) => {
      if (copies > 0) this.#ctx.ports.host.acknowledge(id, epoch)
      const { exit } = this.records.all.get(id) ?? {}
      const how = exit?.signal == null ? `exit code ${exit?.code}` : `ended by signal ${exit.signal}`
      this.#tell(this.#owned.get(id), { type: 'result.published' }, how)
    })
  }

  #restartsAfter(id: SessionId, end: ChildEnd): boolean {
    const record = this.records.all.get(id)
    if (record === undefined || record.desired === 'stop' || this.admission.draining) return false
    const policy = record.spec.restart
    const failed = end.code !== 0
    if (!(policy === 'always' || (policy === 'on-failure' && failed))) return false
    const now = this.#ctx.ports.clock.wall()
    const recent = record.restarts.filter((at) => now - at < RESTART_WINDOW_MS)
    if (recent.length >= RESTARTS_MAX) return false
    this.#update(record, { restarts: [...recent, now].slice(-16), endedAt: undefined })
    return true
  }

  // ---- others' sessions ----

  #recordAdopted(record: SessionRecord): void {
    const owned = this.#owned.get(record.id)
    if (owned !== undefined && record.owner !== this.#ctx.self) {
      const running = this.#children?.has(record.id) === true
      const cause = `${this.#ctx.nameOf(record.owner)} owns it now (epoch ${record.epoch})`
      if (running) {
        this.forks.set(record.id, this.#children!.get(record.id)!.epoch)
        release(this.admission, record.id)
        this.#placer.forget(record.id)
        this.#tell(owned, { type: 'session.superseded', cause })
        this.#ctx.event({
          kind: 'session',
          level: 'warn',
          text: `A second run of ${record.id.slice(0, 8)} is kept frozen here: ${cause}. Stop the session to discard it.`,
          subject: record.id
        })
      } else {
        release(this.admission, record.id)
        this.#placer.forget(record.id)
        this.#tell(owned, { type: 'worker.bound', cause })
        this.#disown(record.id)
      }
    }
    // A last word of ours that the keepers had and our own disk had not.
    if (owned === undefined) this.#takeUp(record)
    // A run kept frozen here is what a stop is about even when the session has ended elsewhere by then.
    if (record.desired === 'stop' && (!FINAL_STATES.has(record.state) || this.forks.has(record.id)))
      this.#stopWanted(record, 'its owner')
    this.#ctx.changed('sessions', record.id)
    this.#armWatch()
  }

  #stopWanted(record: SessionRecord, by: string): void {
    const fork = this.forks.get(record.id)
    if (fork !== undefined) {
      this.forks.delete(record.id)
      this.#children?.delete(record.id)
      this.#ctx.ports.host.discard(record.id, fork)
      if (this.#owned.get(record.id)?.step === 'frozen') return this.#disown(record.id)
    }
    const owned = this.#owned.get(record.id)
    if (owned !== undefined) {
      this.#placer.forget(record.id)
      return this.#tell(owned, { type: 'session.stop', cause: `stopped by ${by}` })
    }
    this.#ctx.changed('sessions', record.id)
    this.#armWatch()
  }

  #freezeFork(id: SessionId): void {
    const epoch = this.forks.get(id)
    if (epoch !== undefined) this.#ctx.ports.host.freeze(id, epoch)
  }

  /** Keepers watch owners that are gone; the timer runs only while there is something to watch. */
  #armWatch(): void {
    if (this.#watch !== undefined) return
    const due = [...this.records.all.values()].some((record) => this.#takeover(record) !== undefined)
    if (!due) return
    this.#watch = this.#ctx.ports.clock.setTimeout(() => {
      this.#watch = undefined
      for (const record of [...this.records.all.values()]) if (this.#takeover(record) === 0) this.#takeOver(record)
      this.#armWatch()
    }, WATCH_MS)
  }

  #takeover(record: SessionRecord): number | undefined {
    if (record.desired === 'run' && record.runner === record.owner && !survivesRunner(record)) return undefined
    const owned = this.#owned.get(record.id)
    if (owned !== undefined && owned.step !== 'frozen') return undefined
    return takeoverInMs(record, this.#ctx.self, (peer) => this.#ctx.goneMs(peer))
  }

  #takeOver(record: SessionRecord): void {
    const gone = this.#ctx.nameOf(record.owner)
    const cause = `${gone} is gone; taken over by ${this.#ctx.nameOf(this.#ctx.self)}`
    const at = this.#ctx.ports.clock.wall()
    const next: SessionRecord = {
      ...record,
      owner: this.#ctx.self,
      // Two above: a worker bound by the old owner counts one above the record that this keeper has.
      epoch: record.epoch + 2,
      seq: 0,
      history: [...record.history, { at, state: 'lost' as const, by: this.#ctx.self, cause }].slice(-16)
    }
    delete next.runner
    this.#ctx.event({ kind: 'session', level: 'warn', text: `${record.id.slice(0, 8)}: ${cause}`, subject: record.id })
    if (record.desired === 'stop') {
      const stopped: SessionRecord = { ...next, state: 'stopped', endedAt: at, reason: cause }
      return this.records.commit(stopped, 1, () => {
        this.#ctx.publish(summarize(stopped))
        this.#ctx.changed('sessions', record.id)
      })
    }
    // Two keepers may have the same thought in the same moment: the claim is on every keeper that lives before anything starts.
    const live = next.keepers.filter((keeper) => keeper === this.#ctx.self || this.#ctx.reachable(keeper)).length
    this.records.commit(next, Math.max(1, live), () => {
      const now = this.records.all.get(next.id)
      if (now?.owner === this.#ctx.self && now.epoch === next.epoch)
        this.#own(now, now.desired === 'stop' ? 'stopping' : 'placing', cause)
    })
  }

  /** A child that sessiond holds: ours, or superseded while this peer was away. */
  #reconcile(child: ChildReport): void {
    const owned = this.#owned.get(child.session)
    const record = this.records.all.get(child.session)
    if (child.state === 'exited' && record?.epoch === child.epoch && record.owner === this.#ctx.self) {
      if (owned === undefined && !FINAL_STATES.has(record.state))
        this.#own(record, record.desired === 'stop' ? 'stopping' : 'running', 'ended while this peer was away')
      if (child.exit !== undefined) this.exited(child.session, child.epoch, child.exit)
      return
    }
    if (child.state === 'exited') return
    if (owned !== undefined && child.state === 'running' && record?.epoch === child.epoch) return
    this.#askBeforeThaw(child)
  }

  /** A frozen child, or one found at start: the keepers say whether this peer still has the right to run it. */
  #askBeforeThaw(child: ChildReport): void {
    const keepers = this.records.all.get(child.session)?.keepers ?? this.#ctx.alivePeers()
    this.#askKeepers(child.session, keepers, (newest) => {
      if (this.#children?.get(child.session)?.epoch !== child.epoch) return
      const ours =
        newest !== undefined &&
        newest.epoch === child.epoch &&
        newest.owner === this.#ctx.self &&
        !FINAL_STATES.has(newest.state)
      if (!ours && newest?.desired === 'stop') {
        // Nobody wants it any more, here or where it went on.
        release(this.admission, child.session)
        this.#children.delete(child.session)
        return this.#ctx.ports.host.discard(child.session, child.epoch)
      }
      if (!ours) {
        release(this.admission, child.session)
        // Stopped while this peer was away: nobody will ask for this run any more.
        if (newest?.desired === 'stop') return this.#ctx.ports.host.discard(child.session, child.epoch)
        this.forks.set(child.session, child.epoch)
        this.#ctx.ports.host.freeze(child.session, child.epoch)
        const why =
          newest === undefined
            ? 'no keeper knows it'
            : `it went on at ${this.#ctx.nameOf(newest.owner)} (epoch ${newest.epoch})`
        this.#ctx.event({
          kind: 'session',
          level: 'warn',
          text: `${child.session.slice(0, 8)} is kept frozen here: ${why}. Stop the session to discard it.`,
          subject: child.session
        })
        this.#ctx.changed('status')
        return
      }
      adopt(this.admission, child.session, newest.spec, newest.submitter)
      if (!this.#owned.has(child.session))
        this.#own(newest, newest.desired === 'stop' ? 'stopping' : 'running', 'adopted again')
      if (!this.admission.paused && newest.desired !== 'stop') this.#ctx.ports.host.thaw(child.session, child.epoch)
    })
  }

  /** The record says it runs here, and it does not: the PC was restarted, or sessiond died with it. */
  #childGone(record: SessionRecord): void {
    const settle = (newest: SessionRecord | undefined): void => {
      if (newest === undefined || newest.owner !== this.#ctx.self || this.#children?.has(record.id) === true) return
      // It had ended, and this disk has lost the news: a keeper has it.
      if (FINAL_STATES.has(newest.state)) return this.records.note(newest)
      const again = survivesRunner(newest) && newest.desired !== 'stop'
      const cause = again
        ? 'its process was gone; it starts again'
        : `its process was gone when ${this.#ctx.nameOf(this.#ctx.self)} came back`
      release(this.admission, record.id)
      if (!this.#owned.has(record.id)) this.#own(newest, newest.desired === 'stop' ? 'stopping' : 'running', cause)
      // It had ended and only the last word of its story was missing.
      if (newest.exit !== undefined && newest.state === 'finishing') {
        const { exit } = newest
        return this.#tell(this.#owned.get(record.id), {
          type: 'child.exited',
          end: exit,
          cause: newest.reason ?? cause
        })
      }
      this.#tell(this.#owned.get(record.id), { type: 'child.gone', cause, again })
    }
    this.#askKeepers(record.id, record.keepers, settle)
  }

  /** Ours from an earlier life, and nobody looks after it yet. What has no process waits for nothing but the keepers. */
  #takeUp(record: SessionRecord): void {
    const { id } = record
    if (record.owner !== this.#ctx.self || FINAL_STATES.has(record.state) || this.#owned.has(id)) return
    if (record.runner !== this.#ctx.self || waitsForPlace(record)) return this.#resume(record)
    if (this.#children !== undefined && !this.#children.has(id) && !this.#waiting.has(id)) this.#childGone(record)
  }

  /** Owned here when this peer went away, and running nowhere: it goes on here unless it went on elsewhere meanwhile. */
  #resume(record: SessionRecord): void {
    this.#askKeepers(record.id, record.keepers, (newest) => {
      if (newest?.owner !== this.#ctx.self || FINAL_STATES.has(newest.state) || this.#owned.has(record.id)) return
      if (newest.runner !== this.#ctx.self || waitsForPlace(newest))
        this.#own(newest, newest.desired === 'stop' ? 'stopping' : 'placing', 'this peer is back')
    })
  }

  /**
   * The newest record, once every keeper has answered or enough time has passed: also a peer that only slept wakes with
   * links that are gone without its knowing, while the others have long gone on without it.
   */
  #askKeepers(
    id: SessionId,
    keepers: readonly PeerId[],
    then: (newest: SessionRecord | undefined) => void,
    since = this.#ctx.ports.clock.mono()
  ): void {
    const { clock } = this.#ctx.ports
    const others = keepers.filter((keeper) => keeper !== this.#ctx.self)
    const isOver = (): boolean => clock.mono() - since >= ASK_KEEPERS_MS
    const again = (): void => void clock.setTimeout(() => this.#askKeepers(id, keepers, then, since), ASK_AGAIN_MS)
    if (!isOver() && others.some((keeper) => !this.#ctx.reachable(keeper))) return again()
    this.records.newest(id, keepers, (newest, answered) =>
      answered < others.length && !isOver() ? again() : then(newest)
    )
  }

  // ---- small ----

  #current(id: SessionId, epoch: number): SessionRecord | undefined {
    const record = this.records.all.get(id)
    return this.#owned.has(id) && record?.epoch === epoch && record.owner === this.#ctx.self ? record : undefined
  }

  /** A new version by this owner; `undefined` removes a field. */
  #update(record: SessionRecord, patch: { [K in keyof SessionRecord]?: SessionRecord[K] | undefined }): SessionRecord {
    const latest = this.records.all.get(record.id) ?? record
    const next = { ...latest, seq: latest.seq + 1, ...patch } as SessionRecord
    for (const key of Object.keys(patch) as (keyof SessionRecord)[]) if (patch[key] === undefined) delete next[key]
    this.records.all.set(record.id, next)
    return next
  }
}

/** It runs here, or is on its way in or out. */
function hasChild({ step }: Owned): boolean {
  return step === 'starting' || step === 'running' || step === 'finishing' || step === 'stopping'
}

/** A draining peer waits for it: it runs here, or will have a place or none in a moment. */
function occupies(owned: Owned): boolean {
  return hasChild(owned) || owned.step === 'submitted' || owned.step === 'placing'
}

function orderOf(record: SessionRecord): RunOrder {
  const { spec } = record
  const colon = spec.appUri.indexOf(':')
  const scheme = spec.appUri.slice(0, colon)
  const rest = spec.appUri.slice(colon + 1).replace(/^\/\//, '')
  return {
    session: record.id,
    epoch: record.epoch,
    launcher: scheme === 'shell' ? 'shell' : 'exec',
    argv: [rest, ...spec.args],
    env: spec.env,
    cwd: spec.cwd,
    ...(spec.input === undefined ? {} : { input: spec.input }),
    stdin: spec.stdin,
    cpuMilli: spec.cpuMilli,
    memoryBytes: spec.memoryBytes
  }
}
