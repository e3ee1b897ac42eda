/**
 * The children of this PC, as sessiond tells of them: started, ended, found again after either process was away. A child
 * runs on only while the keepers say that this peer may run it; a run that went on elsewhere is kept frozen as a fork.
 */
import { adopt, grant, release } from '../placement/index.ts'
import type { Admission } from '../placement/index.ts'
import type { ChildReport, Exit, HostHandler, RunOrder, SessionId } from '../ports.ts'
import { FINAL_STATES, isTaskRun, survivesRunner } from '../session/index.ts'
import type { SessionRecord } from '../session/index.ts'
import type { PeerContext } from './context.ts'
import type { Keepers } from './keepers.ts'
import { orderOf } from './order.ts'
import type { ChildOrders, Owning } from './owning.ts'
import type { Records } from './records.ts'
import { isStrict } from './strict.ts'
import type { Strict } from './strict.ts'
import type { Tasks } from './tasks.ts'

/** A strict session that has room waits so long in it for its keepers. */
const RIGHT_WAIT_MS = 10_000

interface Parts {
  records: Records
  admission: Admission
  owning: Owning
  keepers: Keepers
  strict: Strict
  /** Children that are no sessions of their own. */
  tasks: Tasks
  /** Nobody here looks after this record, whatever sessiond holds. */
  unowned(record: SessionRecord): void
  /** sessiond can start children from now on. */
  ready(): void
}

export class Runs implements HostHandler, ChildOrders {
  /** A run of an older epoch that was frozen here because another owner exists. */
  readonly forks = new Map<SessionId, number>()
  readonly #ctx: PeerContext
  readonly #parts: Parts
  /** Children of sessiond as of its last report; undefined while it is not connected. */
  #children: Map<SessionId, ChildReport> | undefined
  /** To be started once sessiond has reported. */
  readonly #waiting = new Set<SessionId>()

  constructor(ctx: PeerContext, parts: Parts) {
    this.#ctx = ctx
    this.#parts = parts
  }

  started(id: SessionId, epoch: number, pid: number): void {
    if (isTaskRun(epoch)) return this.#parts.tasks.started(id, epoch)
    this.#answered(id, epoch)
    const record = this.#parts.owning.current(id, epoch)
    if (record === undefined) return this.#strayStarted(id, epoch, pid)
    this.#children?.set(id, { session: id, epoch, state: 'running', pid })
    this.#parts.owning.update(record, { startedAt: this.#ctx.ports.clock.wall() })
    this.#parts.owning.tell(this.#parts.owning.of(id), { type: 'child.started' }, 'started')
    if (this.#parts.admission.paused) this.#ctx.ports.host.freeze(id, epoch)
  }

  #answered(id: SessionId, epoch: number): void {
    const owned = this.#parts.owning.of(id)
    if (owned?.unanswered === epoch) owned.unanswered = undefined
  }

  /** It was superseded while it was being started: it has done nothing yet. Ours again means that the keepers are being asked. */
  #strayStarted(id: SessionId, epoch: number, pid: number): void {
    const record = this.#parts.records.all.get(id)
    const mayBeOurs = record?.epoch === epoch && record.owner === this.#ctx.self && !FINAL_STATES.has(record.state)
    if (mayBeOurs) this.#children?.set(id, { session: id, epoch, state: 'running', pid })
    else this.#ctx.ports.host.discard(id, epoch)
  }

  notStarted(id: SessionId, epoch: number, reason: string): void {
    if (isTaskRun(epoch)) return this.#parts.tasks.notStarted(id, epoch, reason)
    this.#answered(id, epoch)
    this.#children?.delete(id)
    const record = this.#parts.owning.current(id, epoch)
    if (record === undefined) return
    release(this.#parts.admission, id)
    // A pause that came between the yes and the start says nothing against this PC: later it may.
    if (!this.#parts.admission.paused) {
      const tried = [...record.tried, { peer: this.#ctx.self, why: reason.slice(0, 300) }].slice(-16)
      this.#parts.owning.update(record, { tried })
    }
    this.#parts.owning.tell(this.#parts.owning.of(id), { type: 'child.notStarted', cause: reason }, reason)
  }

  exited(id: SessionId, epoch: number, exit: Exit): void {
    if (isTaskRun(epoch)) return this.#parts.tasks.exited(id, epoch, exit)
    this.#answered(id, epoch)
    this.#children?.delete(id)
    if (this.forks.get(id) === epoch) this.#forgetFork(id)
    const found = this.#parts.records.all.get(id)
    // It ended while the keepers were still being asked whether it may go on.
    if (
      !this.#parts.owning.has(id) &&
      found?.epoch === epoch &&
      found.owner === this.#ctx.self &&
      !FINAL_STATES.has(found.state)
    ) {
      this.#parts.owning.own(found, found.desired === 'stop' ? 'stopping' : 'running', 'adopted at its end')
    }
    const record = this.#parts.owning.current(id, epoch)
    // Nobody here waits for it: superseded, or recorded before this peer's last restart.
    if (record === undefined) return this.#ctx.ports.host.acknowledge(id, epoch)
    if (exit.lapsed === true) {
      this.#ctx.ports.host.acknowledge(id, epoch)
      return this.gone(record, 'its right to run was over, and it was stopped')
    }
    release(this.#parts.admission, id)
    const how = exit.signal === null ? `exit code ${exit.code}` : `ended by signal ${exit.signal}`
    this.#parts.owning.update(record, {
      exit: { code: exit.code, signal: exit.signal },
      output: exit.output,
      outputError: exit.outputError?.slice(0, 600),
      logBytes: exit.logBytes,
      endedAt: this.#ctx.ports.clock.wall()
    })
    this.#parts.owning.tell(this.#parts.owning.of(id), { type: 'child.exited', end: exit, cause: how }, how)
  }

  /** sessiond is connected and tells all it holds. */
  children(all: readonly ChildReport[]): void {
    const list = all.filter(({ epoch }) => !isTaskRun(epoch))
    this.#parts.tasks.children(all.filter(({ epoch }) => isTaskRun(epoch)))
    this.#children = new Map(list.map((child) => [child.session, child]))
    for (const child of list) {
      this.#answered(child.session, child.epoch)
      // Its room is taken from this moment on, though the keepers are still to be asked whose it is.
      const record = this.#parts.records.all.get(child.session)
      if (child.state === 'exited' || record === undefined) continue
      const mayBeOurs = record.owner === this.#ctx.self && record.epoch === child.epoch
      // Another's that runs goes on until it has been told to stand still.
      if (mayBeOurs || child.state === 'running')
        adopt(this.#parts.admission, child.session, record.spec, record.submitter)
      else this.#countMemory(record)
    }
    for (const id of [...this.forks.keys()]) if (!this.#children.has(id)) this.#forgetFork(id)
    for (const child of list) this.#reconcile(child)
    for (const record of [...this.#parts.records.all.values()]) {
      if (!this.#parts.owning.has(record.id)) this.#parts.unowned(record)
      else if (this.#misses(record)) this.gone(record)
    }
    for (const id of [...this.#waiting]) {
      this.#waiting.delete(id)
      if (this.#parts.owning.of(id)?.step === 'starting') this.startChild(id)
    }
    // What waits for a place may have one here from now on.
    this.#parts.ready()
  }

  lost(): void {
    this.#children = undefined
  }

  startChild(id: SessionId): void {
    // sessiond's first report must not be older than our first order, or the new child would count as gone.
    if (this.#children === undefined) return void this.#waiting.add(id)
    const owned = this.#parts.owning.of(id)!
    if (!owned.recorded) return void (owned.start = () => this.startChild(id))
    owned.recorded = false
    const record = this.#parts.records.all.get(id)!
    const epoch = record.epoch
    const order = (more: Partial<RunOrder>): void => {
      const owned = this.#parts.owning.of(id)!
      owned.ordered = true
      owned.unanswered = epoch
      this.#ctx.ports.host.run({ ...orderOf(record), ...more })
    }
    const run = (): void => {
      if (!isStrict(record)) return order({})
      const start = (until: number | 'over'): void => {
        if (until !== 'over') return order({ leaseUntil: until })
        const cause = 'its keepers hold it for ended, and how it ended is lost'
        this.#parts.owning.tell(this.#parts.owning.of(id), { type: 'child.gone', cause, again: false })
      }
      const leaseUntil = this.#parts.strict.mayRun(id, (until) => {
        if (!this.#isStarting(id, epoch)) return
        if (until === 'over' || this.#hasRoom(record)) return start(until)
        const cause = 'while it waited for its keepers its room went to others'
        this.#parts.owning.tell(this.#parts.owning.of(id), { type: 'child.notStarted', cause })
      })
      if (leaseUntil !== undefined) return start(leaseUntil)
      this.#parts.owning.update(record, { reason: 'waits until its keepers agree that it runs here' })
      // They may agree after weeks, on a person's word; until then others use the room.
      this.#ctx.ports.clock.setTimeout(() => {
        if (this.#isStarting(id, epoch) && this.#parts.owning.of(id)?.ordered === false)
          release(this.#parts.admission, id)
      }, RIGHT_WAIT_MS)
    }
    const input = record.spec.input
    if (input === undefined || this.#ctx.ports.host.hasBlob(input.hash)) return run()
    const sources = [record.submitter, ...record.keepers].filter((peer) => peer !== this.#ctx.self)
    this.#ctx.ports.fetchBlob(input, sources, (error) => {
      if (!this.#isStarting(id, epoch)) return
      if (error === undefined) return run()
      this.notStarted(id, epoch, `the files could not be fetched: ${error.message}`)
    })
  }

  #isStarting(id: SessionId, epoch: number): boolean {
    return this.#parts.owning.current(id, epoch) !== undefined && this.#parts.owning.of(id)?.step === 'starting'
  }

  #hasRoom({ id, spec, submitter }: SessionRecord): boolean {
    return grant(this.#parts.admission, id, spec, submitter, this.#ctx.ports.clock.mono())
  }

  signal(id: SessionId, signal: 'TERM' | 'KILL'): void {
    const record = this.#parts.records.all.get(id)
    if (record === undefined) return
    if (this.discardFork(id)) return
    const child = this.#children?.get(id)
    const owned = this.#parts.owning.of(id)
    if (child === undefined && owned?.ordered === false) {
      return this.#parts.owning.tell(owned, { type: 'child.gone', cause: 'it had not started', again: false })
    }
    // A frozen child cannot act on a polite signal.
    if (child?.state === 'frozen' || this.#parts.admission.paused) this.#ctx.ports.host.thaw(id, record.epoch)
    this.#ctx.ports.host.signal(id, record.epoch, signal)
  }

  freezeFork(id: SessionId): void {
    const epoch = this.forks.get(id)
    if (epoch !== undefined) this.#ctx.ports.host.freeze(id, epoch)
  }

  /** The owner of this PC takes it back: everything that runs here stands still. */
  freezeAll(): void {
    for (const [id, child] of this.#children ?? [])
      if (child.state === 'running') this.#ctx.ports.host.freeze(id, child.epoch)
  }

  /** He gives it back. Meanwhile this peer may have stood still, too, and what runs here may have gone on elsewhere. */
  thawAll(): void {
    for (const [id, child] of this.#children ?? []) {
      if (this.#parts.owning.current(id, child.epoch) !== undefined && child.state !== 'exited')
        this.#askBeforeThaw(child)
    }
  }

  /** Why this PC cannot take a session whatever room it has. */
  barred(id: SessionId): string | undefined {
    if (this.#children === undefined) return 'sessiond is not running here'
    const child = this.#children.get(id)
    const kept = this.forks.has(id) || (child !== undefined && child.state !== 'exited')
    return kept ? 'an older run of it is kept here' : undefined
  }

  /** What runs here now is a second run of that session: it is to be kept. False when nothing runs. */
  keepAsFork(id: SessionId): boolean {
    const child = this.#children?.get(id)
    if (child === undefined) return false
    this.#addFork(id, child.epoch, this.#parts.records.all.get(id))
    return true
  }

  /** What was ordered here and has not been heard of yet: it has done nothing, and its room is about to be given away. */
  callOff(id: SessionId): void {
    const epoch = this.#parts.owning.of(id)?.unanswered
    if (epoch !== undefined) this.#ctx.ports.host.discard(id, epoch)
  }

  #addFork(id: SessionId, epoch: number, record: SessionRecord | undefined): void {
    this.forks.set(id, epoch)
    if (record === undefined) release(this.#parts.admission, id)
    else this.#countMemory(record)
  }

  /** A process that stands still takes no processor, and keeps its memory. */
  #countMemory({ id, spec, submitter }: SessionRecord): void {
    adopt(this.#parts.admission, id, { cpuMilli: 0, memoryBytes: spec.memoryBytes }, submitter)
  }

  #forgetFork(id: SessionId): void {
    this.forks.delete(id)
    release(this.#parts.admission, id)
  }

  discardFork(id: SessionId): boolean {
    const fork = this.forks.get(id)
    if (fork === undefined) return false
    this.#forgetFork(id)
    this.#children?.delete(id)
    this.#ctx.ports.host.discard(id, fork)
    return true
  }

  /** sessiond has told what it holds, and that session is not among it, nor about to be. */
  lacks(id: SessionId): boolean {
    return this.#children !== undefined && !this.#children.has(id) && !this.#waiting.has(id)
  }

  /** The record says it runs here, and it does not: the PC was restarted, or sessiond died with it. */
  gone(record: SessionRecord, why = 'its process was gone'): void {
    const settle = (newest: SessionRecord | undefined): void => {
      if (newest === undefined || newest.owner !== this.#ctx.self || this.#children?.has(record.id) === true) return
      // It has been looked after since, and has another run.
      if (this.#parts.owning.has(record.id) && newest.epoch !== record.epoch) return
      // It had ended, and this disk has lost the news: a keeper has it.
      if (FINAL_STATES.has(newest.state)) return this.#parts.records.note(newest)
      const again = survivesRunner(newest) && newest.desired !== 'stop'
      const cause = again ? `${why}; it starts again` : `${why} on ${this.#ctx.nameOf(this.#ctx.self)}`
      release(this.#parts.admission, record.id)
      // Last words that no disk took may have been heard: what is said from now on must not count as older.
      if (!this.#parts.owning.has(record.id))
        this.#parts.owning.own(
          { ...newest, epoch: newest.epoch + 1, seq: 0 },
          newest.desired === 'stop' ? 'stopping' : 'running',
          cause
        )
      // It had ended and only the last word of its story was missing.
      if (newest.exit !== undefined && newest.state === 'finishing') {
        const { exit } = newest
        return this.#parts.owning.tell(this.#parts.owning.of(record.id), {
          type: 'child.exited',
          end: exit,
          cause: newest.reason ?? cause
        })
      }
      this.#parts.owning.tell(this.#parts.owning.of(record.id), { type: 'child.gone', cause, again })
    }
    this.#parts.keepers.ask(record.id, record.keepers, settle)
  }

  /** It should have a child here and has none: sessiond died with it. */
  #misses({ id, spec, owner, epoch, state }: SessionRecord): boolean {
    if (spec.array !== undefined) return false
    const hadChild = state === 'starting' || state === 'running' || state === 'stopping'
    const { step, start, unanswered } = this.#parts.owning.of(id) ?? {}
    // Also one that waits for its files or its right: what has started is in step "running".
    const isComing = step === 'starting' || start !== undefined || unanswered === epoch
    return owner === this.#ctx.self && hadChild && this.lacks(id) && !isComing
  }

  /** A child that sessiond holds: ours, or superseded while this peer was away. */
  #reconcile(child: ChildReport): void {
    const owned = this.#parts.owning.of(child.session)
    const record = this.#parts.records.all.get(child.session)
    if (child.state === 'exited' && record?.epoch === child.epoch && record.owner === this.#ctx.self) {
      if (owned !== undefined || FINAL_STATES.has(record.state)) {
        if (child.exit !== undefined) this.exited(child.session, child.epoch, child.exit)
      } else this.#publishAfterAsking(child, record)
      return
    }
    if (child.state === 'exited') {
      // Nobody waits for it any more; kept, it would bar this PC from ever running the session again.
      if (record !== undefined && record.epoch > child.epoch)
        this.#ctx.ports.host.acknowledge(child.session, child.epoch)
      return
    }
    if (owned !== undefined && child.state === 'running' && record?.epoch === child.epoch) {
      // The link to sessiond broke after its start, and before that was told.
      if (owned.step === 'starting') this.started(child.session, child.epoch, child.pid)
      return
    }
    this.#askBeforeThaw(child)
  }

  /** It ended while this peer was away: that is its result unless it went on elsewhere, and has or will have another. */
  #publishAfterAsking(child: ChildReport, record: SessionRecord): void {
    this.#parts.keepers.ask(record.id, record.keepers, (newest) => {
      if (newest === undefined || child.exit === undefined) return
      const ours = newest.epoch === child.epoch && newest.owner === this.#ctx.self && !FINAL_STATES.has(newest.state)
      if (ours && !this.#parts.owning.has(record.id))
        this.#parts.owning.own(
          newest,
          newest.desired === 'stop' ? 'stopping' : 'running',
          'ended while this peer was away'
        )
      this.exited(child.session, child.epoch, child.exit)
    })
  }

  /** A frozen child, or one found at start: the keepers say whether this peer still has the right to run it. */
  #askBeforeThaw(child: ChildReport): void {
    const record = this.#parts.records.all.get(child.session)
    const keepers = record?.keepers ?? this.#ctx.alivePeers()
    // Its right would end while a keeper that is off is waited for. Where the register still says so, nobody else has it.
    if (record?.owner === this.#ctx.self && record.epoch === child.epoch) this.#parts.strict.lookAfter(record)
    this.#parts.keepers.ask(child.session, keepers, (newest) => {
      if (this.#children?.get(child.session)?.epoch !== child.epoch) return
      const ours =
        newest !== undefined &&
        newest.epoch === child.epoch &&
        newest.owner === this.#ctx.self &&
        !FINAL_STATES.has(newest.state)
      if (!ours) this.#parts.strict.superseded(child.session)
      if (!ours && newest?.desired === 'stop') {
        // Nobody wants it any more, here or where it went on.
        release(this.#parts.admission, child.session)
        this.#children.delete(child.session)
        return this.#ctx.ports.host.discard(child.session, child.epoch)
      }
      // Also one that is no keeper must know it, or the next thaw of all would let the old run go on.
      if (newest !== undefined && newest.owner !== this.#ctx.self && this.#parts.owning.has(child.session))
        return this.#parts.records.take(newest)
      if (!ours) {
        this.#addFork(child.session, child.epoch, newest)
        this.#ctx.ports.host.freeze(child.session, child.epoch)
        const why =
          newest === undefined
            ? 'no keeper knows it'
            : `it went on at ${this.#ctx.nameOf(newest.owner)} (epoch ${newest.epoch})`
        this.#ctx.event({
          kind: 'session',
          level: 'warn',
          text: `${child.session.slice(0, 8)} is kept frozen here: ${why}. \`omega stop --fork\` discards it.`,
          subject: child.session
        })
        this.#ctx.changed('status')
        this.#ctx.changed('nodes')
        return
      }
      adopt(this.#parts.admission, child.session, newest.spec, newest.submitter)
      if (!this.#parts.owning.has(child.session))
        this.#parts.owning.own(newest, newest.desired === 'stop' ? 'stopping' : 'running', 'adopted again')
      if (!this.#parts.admission.paused && newest.desired !== 'stop')
        this.#ctx.ports.host.thaw(child.session, child.epoch)
    })
  }
}
