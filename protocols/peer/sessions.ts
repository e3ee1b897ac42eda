/**
 * The sessions of one peer: those it owns (owning.ts), the children that run here (runs.ts), and those it keeps, taken over
 * when their owner is gone (keepers.ts, takeover.ts). One direction: submit -> record on keepers -> place -> bind -> the
 * worker owns it -> child -> result on keepers -> everyone is told.
 */
import { encodeCbor, peerKey, toHex } from '../codec.ts'
import { MeshError } from '../errors.ts'
import { createAdmission, grant, granted, release } from '../placement/index.ts'
import type { Admission, Offer, SchedFrame } from '../placement/index.ts'
import type { PeerId, SessionId } from '../ports.ts'
import { chooseKeepers, compareVersion, FINAL_STATES, SUBMITTED_MAX_BYTES, summarize } from '../session/index.ts'
import type { SessionRecord, SessionSpec } from '../session/index.ts'
import type { PeerContext } from './context.ts'
import { Arrays } from './arrays.ts'
import { Keepers } from './keepers.ts'
import { Owning, wasRejected } from './owning.ts'
import { Placer } from './placer.ts'
import { Records } from './records.ts'
import { Runs } from './runs.ts'
import { isStrict, Strict } from './strict.ts'
import { Takeover } from './takeover.ts'
import { Tasks } from './tasks.ts'
import { Worker } from './worker.ts'

/** Live sessions owned by one peer. */
const OWNED_MAX = 10_000

/** Of what has ended longer ago, nobody is told any more because there is so much of it. */
const UNTOLD_MS = 60_000

/** On disk while the owner of this PC wants it for himself. */
const PAUSED_KEY = 'paused'

export interface Submitted {
  record: SessionRecord
  durability: number
}

export class Sessions {
  readonly records: Records
  readonly admission: Admission
  readonly runs: Runs
  readonly strict: Strict
  readonly #ctx: PeerContext
  readonly #placer: Placer
  readonly #worker: Worker
  readonly #owning: Owning
  readonly #arrays: Arrays
  readonly #tasks: Tasks
  readonly #keepers: Keepers
  readonly #takeover: Takeover

  constructor(ctx: PeerContext, offer: Offer) {
    this.#ctx = ctx
    const admission = (this.admission = createAdmission(offer))
    const records = (this.records = new Records(ctx, {
      adopted: (record) => this.#recordAdopted(record),
      stopWanted: (record, by) => this.#stopWanted(record, by),
      finishedBefore: (ended) => this.#owning.endedBefore(ended),
      discardWanted: (id) => this.#discardHere(id),
      pruned: (id) => this.strict.forget(id)
    }))
    const asWorker = {
      admission,
      barred: (id: SessionId) => this.runs.barred(id),
      answer: (to: PeerId, frame: SchedFrame) =>
        to === ctx.self ? this.#toOwner(to, frame) : void ctx.send(to, 'sched', frame)
    }
    const worker = (this.#worker = new Worker(ctx, asWorker))
    const tasks = (this.#tasks = new Tasks(ctx, asWorker))
    const placer: Placer = (this.#placer = new Placer(ctx, {
      admission,
      worker,
      pulled: (id, peer) => {
        const owned = this.#owning.of(id)
        if (owned === undefined) this.#arrays.pulled(id)
        else if (owned.step === 'pending')
          this.#owning.tell(owned, { type: 'view.changed' }, `${ctx.nameOf(peer)} has room now`)
      }
    }))
    const strict: Strict = (this.strict = new Strict(ctx, records, (record, voters) => {
      // Its keepers are still being asked whether it may go on here.
      if (!owning.has(record.id)) return
      const next = owning.update(record, { voters })
      records.commit(next, 1, () => ctx.publish(summarize(next)))
    }))
    const owning: Owning = (this.#owning = new Owning(ctx, {
      records,
      admission,
      placer,
      orders: {
        startChild: (id) => this.runs.startChild(id),
        notStarted: (id, epoch, reason) => this.runs.notStarted(id, epoch, reason),
        signal: (id, signal) => this.runs.signal(id, signal),
        freezeFork: (id) => this.runs.freezeFork(id)
      },
      arrays: () => this.#arrays,
      strict,
      waits: (id) => this.#lookForPlace(id),
      left: (id) => {
        this.#arrays.left(id)
        strict.left(id)
        this.#takeover.watch()
      }
    }))
    this.#arrays = new Arrays(ctx, { records, admission, owning, placer, tasks })
    const keepers = (this.#keepers = new Keepers(ctx, records, owning))
    const runs = (this.runs = new Runs(ctx, {
      records,
      admission,
      owning,
      keepers,
      strict,
      tasks,
      unowned: (record) => this.#takeover.takeUp(record),
      ready: () => this.viewChanged()
    }))
    this.#takeover = new Takeover(ctx, { records, admission, owning, keepers, strict, runs })
  }

  /** Runs of an older epoch that are kept frozen here because another owner exists. */
  get forks(): ReadonlyMap<SessionId, number> {
    return this.runs.forks
  }

  /** Loads the records, then takes up what this peer owned. */
  start(done: (error?: MeshError) => void): void {
    this.#ctx.ports.store.load(PAUSED_KEY, (pauseError, paused) => {
      if (pauseError !== undefined) return done(pauseError)
      if (paused.length > 0) this.admission.paused = true
      // What this peer has promised as a voter comes first.
      this.strict.load((error) => (error === undefined ? this.#startRecords(done) : done(error)))
    })
  }

  #startRecords(done: (error?: MeshError) => void): void {
    this.records.load((error) => {
      if (error !== undefined) return done(error)
      for (const record of this.records.all.values()) {
        this.#ctx.publish(summarize(record))
        this.strict.heed(record)
        // Runs are taken up when sessiond has said which children live.
        this.#takeover.takeUp(record)
      }
      this.#takeover.watch()
      done()
    })
  }

  submit(spec: SessionSpec, nonce: Uint8Array, done: (error: MeshError | undefined, result?: Submitted) => void): void {
    const ctx = this.#ctx
    const id = toHex(ctx.ports.crypto.sha256(peerKey(ctx.self), nonce)).slice(0, 32)
    const known = this.records.all.get(id)
    if (known !== undefined && !wasRejected(known)) return this.#confirm(known, done)
    if (this.#owning.size >= OWNED_MAX)
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
      seq: known === undefined ? 0 : known.seq + 1,
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
    this.#owning.own(record, 'submitted', '', (error, accepted, copies) => {
      if (error !== undefined) return done(error)
      done(undefined, { record: accepted, durability: copies })
    })
  }

  /** The same request again: what the disks have now is the answer, also while the first one is still waiting for it. */
  #confirm(known: SessionRecord, done: (error: MeshError | undefined, result?: Submitted) => void): void {
    this.records.commit(known, this.#owning.copiesWanted(known), (copies, error) => {
      const record = this.records.all.get(known.id) ?? known
      if (copies > 0) return done(undefined, { record, durability: copies })
      done(error ?? new MeshError('STORE_FAILED', 'the session could not be written to disk anywhere'))
    })
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
    this.#discardEverywhere(record.id, () => {})
  }

  /** PCs that are gone, and whose being off a person here would have to vouch for before the session can go on. */
  awaitsWordOn(record: SessionRecord): PeerId[] {
    return this.strict.whyNotSeized(record) === undefined ? this.strict.voters.missing(record) : []
  }

  /** A strict session that waits for PCs of which a person says that they are off (PROTOCOLS.md 2.4.7). */
  takeOver(record: SessionRecord, by: string, done: (error?: MeshError) => void): void {
    const why = this.strict.whyNotSeized(record)
    if (why !== undefined) return done(new MeshError('BAD_REQUEST', why))
    this.#takeover.force(record, by, done)
  }

  /** Ends the older runs that are kept frozen, wherever they are told of; the session goes on. */
  discardForks(id: SessionId, done: (error?: MeshError) => void): void {
    this.#discardEverywhere(id, (discarded, asked) => {
      if (discarded > 0) return done()
      const short = id.slice(0, 8)
      if (asked === 0) return done(new MeshError('BAD_REQUEST', `no PC keeps a frozen run of session ${short}`))
      const text = `the ${asked} PCs that keep a frozen run of session ${short} cannot be reached now; try again when one is back`
      done(new MeshError('PEER_UNREACHABLE', text))
    })
  }

  #discardEverywhere(id: SessionId, done: (discarded: number, asked: number) => void): void {
    const others = this.#ctx.forksOf(id).filter((peer) => peer !== this.#ctx.self)
    let discarded = this.#discardHere(id) ? 1 : 0
    const asked = others.length + discarded
    let waiting = others.length
    if (waiting === 0) return done(discarded, asked)
    for (const peer of others)
      this.records.askDiscard(peer, id, (ok) => {
        if (ok) discarded++
        if (--waiting === 0) done(discarded, asked)
      })
  }

  /**
   * The owner of this PC takes it back: everything that runs here stands still, nothing new comes, also after a restart.
   * `done` without an error: the wish is on disk.
   */
  pause(done: (error?: MeshError) => void = () => {}): void {
    this.admission.paused = true
    this.runs.freezeAll()
    this.#tasks.giveBack('paused by its owner')
    this.#ctx.changed('nodes')
    this.#ctx.ports.store.write([{ put: PAUSED_KEY, value: new Uint8Array() }], { sync: true }, done)
  }

  resume(done: (error?: MeshError) => void = () => {}): void {
    this.admission.paused = false
    this.runs.thawAll()
    this.#ctx.changed('nodes')
    this.#ctx.ports.store.write([{ del: PAUSED_KEY }], { sync: true }, done)
  }

  /** Nothing new; what may move, moves; the rest is stopped. `done` when nothing of ours runs here any more. */
  drain(done: () => void): void {
    this.admission.draining = true
    // Others must hear of it before what moves looks for its next place.
    this.#ctx.changed('nodes')
    this.#tasks.giveBack(`${this.#ctx.nameOf(this.#ctx.self)} is going down`)
    this.#owning.drain(done)
  }

  granted(): Offer {
    return granted(this.admission, this.#ctx.ports.clock.mono())
  }

  /** Sessions of others that run here, for "who uses this PC". */
  running(): SessionRecord[] {
    const sessions = [...this.#owning.ids()].flatMap((id) => {
      const record = this.records.all.get(id)
      return record !== undefined && record.runner === this.#ctx.self && record.state === 'running' ? [record] : []
    })
    return [...sessions, ...this.#tasks.records]
  }

  viewChanged(): void {
    for (const id of this.#owning.ids()) this.#lookForPlace(id)
    this.#arrays.viewChanged()
  }

  #lookForPlace(id: SessionId): void {
    const owned = this.#owning.of(id)
    if (owned?.step !== 'pending' || this.#ctx.ports.clock.mono() < owned.quietUntil) return
    const record = this.records.all.get(id)!
    if (record.spec.array !== undefined || !this.#placer.hasCandidate(record)) return
    this.#owning.tell(owned, { type: 'view.changed' }, 'a PC that can take it is there')
  }

  /** A member came, went or died: its sessions may be taken over after a while. */
  membersChanged(): void {
    this.#takeover.watch()
    this.#tellForTheGone()
    this.#keepers.membersChanged()
    // Sessions of a PC that is gone look different at once, and again when a person may be asked about it.
    this.#ctx.changed('sessions')
    if ([...this.records.all.values()].some(isStrict)) this.strict.askLater()
  }

  /** Who is gone may have written more than it could tell everyone, up to an end; its keepers have that. */
  #tellForTheGone(): void {
    for (const record of this.records.all.values()) {
      if (this.#ctx.goneMs(record.owner) === undefined) continue
      const told = this.#ctx.summary(record.id)
      const isRecent =
        !FINAL_STATES.has(record.state) || this.#ctx.ports.clock.wall() - (record.endedAt ?? 0) < UNTOLD_MS
      if (told === undefined ? isRecent : compareVersion(record, told) > 0) this.#ctx.publish(summarize(record))
    }
  }

  /** Everyone was told of a newer version: also of what this peer believes to own, from an owner it has no link to. */
  summaryCame(id: SessionId): void {
    const told = this.#ctx.summary(id)
    // A PC that ran it once need not be one of its keepers, who hear of a stop at once.
    if (told?.desired === 'stop') this.#discardHere(id)
    if (told !== undefined) this.#tasks.heard(told)
    const mine = this.records.all.get(id)
    if (told !== undefined) this.strict.heed(told)
    if (told?.owner === this.#ctx.self && !FINAL_STATES.has(told.state)) return this.#ownedBefore(told, mine)
    if (told === undefined || mine === undefined || told.owner === this.#ctx.self) return
    // Two owners may have replaced keepers: who is none any more is not sent the end of it.
    const concerns = this.#owning.has(id) || FINAL_STATES.has(told.state)
    if (concerns && compareVersion(told, mine) > 0) this.records.catchUp(told)
  }

  /** This peer told of it in an earlier life, and its disk has lost it: whoever keeps it still counts on this peer. */
  #ownedBefore(told: SessionRecord, mine: SessionRecord | undefined): void {
    if (this.#owning.has(told.id) || (mine !== undefined && compareVersion(told, mine) <= 0)) return
    this.records.catchUp(told)
  }

  linkUp(peer: PeerId): void {
    this.records.linkUp(peer)
    this.#placer.linkUp(peer)
    this.#tasks.linkUp(peer)
  }

  linkDown(peer: PeerId): void {
    this.records.linkDown(peer)
    this.#placer.linkDown(peer)
  }

  sched(from: PeerId, frame: SchedFrame): void {
    if (frame.t === 'bind') return this.#onBind(from, frame.record)
    if (frame.t === 'reserve') return this.#worker.reserve(from, frame)
    if (frame.t === 'cancel') return this.#worker.cancel(from, frame.id)
    if (frame.t === 'took') return this.#tasks.took(from, frame.id, frame.upTo)
    if (frame.t === 'drop') return this.#tasks.drop(from, frame.id)
    this.#toOwner(from, frame)
  }

  #toOwner(from: PeerId, frame: SchedFrame): void {
    if (frame.t === 'did') this.#arrays.did(from, frame)
    else this.#placer.frame(from, frame)
  }

  #onBind(from: PeerId, record: SessionRecord): void {
    if (record.chunk !== undefined) return this.#tasks.bind(from, record, record.chunk)
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
    if (this.#owning.has(id)) return refuse('it is being looked after here already')
    const barred = this.runs.barred(id)
    if (barred !== undefined) return refuse(barred)
    if (!grant(this.admission, id, record.spec, from, this.#ctx.ports.clock.mono()))
      return refuse('the room was given away meanwhile')
    const next: SessionRecord = { ...record, owner: self, runner: self, epoch: record.epoch + 1, seq: 0 }
    this.#owning.own(next, 'starting', record.why?.sentence ?? `bound by ${this.#ctx.nameOf(from)}`)
    this.#ctx.send(from, 'sched', { t: 'bound', id, epoch: next.epoch })
    this.#ctx.changed('nodes')
  }

  #recordAdopted(record: SessionRecord): void {
    this.strict.heed(record)
    const owned = this.#owning.of(record.id)
    if (owned !== undefined && record.owner !== this.#ctx.self) {
      const running = this.runs.keepAsFork(record.id)
      if (running) this.strict.superseded(record.id)
      const cause = `${this.#ctx.nameOf(record.owner)} owns it now (epoch ${record.epoch})`
      if (running) {
        this.#placer.forget(record.id)
        this.#owning.tell(owned, { type: 'session.superseded', cause })
        this.#ctx.event({
          kind: 'session',
          level: 'warn',
          text: `A second run of ${record.id.slice(0, 8)} is kept frozen here: ${cause}. \`omega stop --fork\` discards it.`,
          subject: record.id
        })
        this.#ctx.changed('nodes')
      } else {
        this.runs.callOff(record.id)
        release(this.admission, record.id)
        this.#placer.forget(record.id)
        // The worker's first word of the session was faster than its answer.
        this.strict.handOn(record, record.owner)
        this.#owning.tell(owned, { type: 'worker.bound', cause })
        this.#owning.disown(record.id)
      }
    }
    // A last word of ours that the keepers had and our own disk had not; and nobody else would tell of it.
    if (record.owner === this.#ctx.self) this.#ctx.publish(summarize(record))
    if (owned === undefined) this.#takeover.takeUp(record)
    // A run kept frozen here is what a stop is about even when the session has ended elsewhere by then.
    if (record.desired === 'stop' && (!FINAL_STATES.has(record.state) || this.forks.has(record.id)))
      this.#stopWanted(record, 'its owner')
    this.#ctx.changed('sessions', record.id)
    this.#takeover.watch([record])
  }

  /** The run kept frozen here is over; the session itself goes on where it is. False: there was none. */
  #discardHere(id: SessionId): boolean {
    if (!this.runs.discardFork(id)) return false
    if (this.#owning.of(id)?.step === 'frozen') this.#owning.disown(id)
    this.#ctx.changed('nodes')
    this.#ctx.changed('status')
    return true
  }

  #stopWanted(record: SessionRecord, by: string): void {
    const wasFrozen = this.#owning.of(record.id)?.step === 'frozen'
    if (this.#discardHere(record.id) && wasFrozen) return
    const owned = this.#owning.of(record.id)
    if (owned !== undefined) {
      this.#placer.forget(record.id)
      return this.#owning.tell(owned, { type: 'session.stop', cause: `stopped by ${by}` })
    }
    this.#ctx.changed('sessions', record.id)
    this.#takeover.watch([record])
  }
}
