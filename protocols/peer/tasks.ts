/**
 * The worker's half of arrays: chunks that this PC was given, their tasks one after the other in the room of one session.
 * A chunk stays its owner's: results are told until they are on its disk, and a chunk that is superseded, dropped or cannot
 * go on here is let go of at once, because any of its tasks may run again elsewhere.
 */
import { grant, release, RESULTS_MAX } from '../placement/index.ts'
import type { Admission, SchedFrame } from '../placement/index.ts'
import type { ChildReport, Exit, PeerId, RunOrder, SessionId } from '../ports.ts'
import { FINAL_STATES, taskRun, TaskSet } from '../session/index.ts'
import type { Chunk, SessionRecord } from '../session/index.ts'
import type { PeerContext } from './context.ts'
import { orderOf } from './order.ts'

/** Results gather for so long. */
const GATHER_MS = 100
/** Told this often though nothing is new, so that the owner knows that it goes on. */
const BEAT_MS = 2_000
/** A task that is not wanted any more may end by itself for so long. */
const GRACE_MS = 5_000
/** Chunks that are over and whose owner has not taken the last results; and for how long they are told. */
const UNTAKEN_MAX = 1_000
const UNTAKEN_MS = 600_000

export type Did = Extract<SchedFrame, { t: 'did' }>

interface Current {
  task: number
  session: SessionId
  epoch: number
  order: RunOrder
  sinceMs: number
}

interface Held {
  record: SessionRecord
  chunk: Chunk
  owner: PeerId
  left: TaskSet
  current: Current | undefined
  /** Not yet taken, from number `from` on. */
  results: Did['list']
  from: number
  /** So many of them were told already. */
  told: number
  /** When the owner hears of it next; everything that it has not taken comes at the latest then. */
  tellAtMs: number
  beatAtMs: number
  over: Did['over']
  /** Nobody waits for it. */
  dropped: boolean
  overAtMs: number
  timer: unknown
}

interface Parts {
  admission: Admission
  /** Why this PC cannot take anything just now. */
  barred(id: SessionId): string | undefined
  /** To the owner, which may be this peer itself. */
  answer(to: PeerId, frame: SchedFrame): void
}

export class Tasks {
  readonly #ctx: PeerContext
  readonly #parts: Parts
  readonly #held = new Map<SessionId, Held>()
  /** By the session of the task that runs. */
  readonly #running = new Map<SessionId, Held>()

  constructor(ctx: PeerContext, parts: Parts) {
    this.#ctx = ctx
    this.#parts = parts
  }

  /** What runs here, for "who uses this PC". */
  get records(): SessionRecord[] {
    return [...this.#running.values()].map(({ record }) => record)
  }

  bind(from: PeerId, record: SessionRecord, chunk: Chunk): void {
    const { id } = record
    const refuse = (why: string): void => this.#parts.answer(from, { t: 'unbound', id, why: why.slice(0, 300) })
    if (!this.#held.has(id)) {
      const why = this.#unwanted(record, chunk) ?? this.#parts.barred(id)
      if (why !== undefined) return refuse(why)
      if (!grant(this.#parts.admission, id, record.spec, from, this.#ctx.ports.clock.mono()))
        return refuse('the room was given away meanwhile')
      this.begin(from, record, chunk)
    }
    this.#parts.answer(from, { t: 'bound', id, epoch: record.epoch })
  }

  /** Its room is granted. */
  begin(owner: PeerId, record: SessionRecord, chunk: Chunk): void {
    const held: Held = {
      record,
      chunk,
      owner,
      left: TaskSet.of(chunk.tasks, record.spec.array ?? 0),
      current: undefined,
      results: [],
      from: 0,
      told: 0,
      tellAtMs: Infinity,
      beatAtMs: this.#ctx.ports.clock.mono() + BEAT_MS,
      over: undefined,
      dropped: false,
      overAtMs: 0,
      timer: undefined
    }
    this.#giveUpFor(held)
    this.#held.set(record.id, held)
    this.#ctx.changed('nodes')
    const { input } = record.spec
    this.#tellIn(held, BEAT_MS)
    if (input === undefined || this.#ctx.ports.host.hasBlob(input.hash)) return this.#next(held)
    const sources = [record.submitter, ...record.keepers].filter((peer) => peer !== this.#ctx.self)
    this.#ctx.ports.fetchBlob(input, sources, (error) => {
      if (held.over !== undefined || this.#held.get(record.id) !== held) return
      if (error === undefined) return this.#next(held)
      this.#end(held, `the files could not be fetched: ${error.message}`, true)
    })
  }

  /** Tasks that are given out anew belong to no older chunk, nor does what is left of their runs. */
  #giveUpFor({ chunk, left }: Held): void {
    for (const held of [...this.#held.values()]) {
      const { current } = held
      const shares = held.left.within(left) > 0 || (current !== undefined && left.has(current.task))
      if (held.chunk.of !== chunk.of || !shares) continue
      if (held.over === undefined) this.#end(held, 'its tasks were given out anew', false)
      else this.#discardCurrent(held)
      if (held.dropped) this.#leave(held)
    }
  }

  took(from: PeerId, id: SessionId, upTo: number): void {
    const held = this.#held.get(id)
    if (held === undefined || held.owner !== from || upTo <= held.from) return this.#settled(held)
    const taken = Math.min(upTo - held.from, held.results.length)
    held.results = held.results.slice(taken)
    held.from += taken
    held.told = Math.max(0, held.told - taken)
    this.#settled(held)
  }

  /** The owner wants no more of it; a task that runs may end by itself for a moment. */
  drop(from: PeerId, id: SessionId): void {
    const held = this.#held.get(id)
    if (held?.owner === from) this.#drop(held)
  }

  /** Word of an array, or of its next owner. */
  heard(told: SessionRecord): void {
    for (const held of [...this.#held.values()])
      if (held.chunk.of === told.id && this.#unwanted(held.record, held.chunk) !== undefined) this.#drop(held)
  }

  /** Nothing goes on here: the chunks go back. */
  giveBack(why: string): void {
    for (const held of [...this.#held.values()]) if (held.over === undefined) this.#end(held, why, false)
  }

  linkUp(peer: PeerId): void {
    for (const held of this.#held.values()) if (held.owner === peer) this.#tellAgain(held)
  }

  // ---- what sessiond tells ----

  started(id: SessionId, epoch: number): void {
    const { current } = this.#running.get(id) ?? {}
    if (current?.epoch !== epoch) this.#ctx.ports.host.discard(id, epoch)
    else current.sinceMs = this.#ctx.ports.clock.mono()
  }

  notStarted(id: SessionId, epoch: number, reason: string): void {
    const held = this.#running.get(id)
    if (held?.current?.epoch !== epoch) return
    this.#forgetCurrent(held)
    this.#end(held, reason, !this.#parts.admission.paused)
  }

  exited(id: SessionId, epoch: number, exit: Exit): void {
    this.#ctx.ports.host.acknowledge(id, epoch)
    const held = this.#running.get(id)
    const current = held?.current
    if (held === undefined || current?.epoch !== epoch) return
    this.#forgetCurrent(held)
    // It was being ended.
    if (held.over !== undefined) return this.#leave(held)
    const tookMs = Math.max(0, Math.round(this.#ctx.ports.clock.mono() - current.sinceMs))
    held.results.push([current.task, exit.code, tookMs])
    this.#next(held)
  }

  /** All of its children that are tasks. What an earlier life of this peer began is nobody's any more. */
  children(list: readonly ChildReport[]): void {
    const { host } = this.#ctx.ports
    for (const { session, epoch, state, exit } of list) {
      const known = this.#running.get(session)?.current?.epoch === epoch
      if (state === 'exited' && exit !== undefined) this.exited(session, epoch, exit)
      else if (!known) host.discard(session, epoch)
      else if (state === 'frozen' && !this.#parts.admission.paused) host.thaw(session, epoch)
    }
    // An order that sessiond has lost is given again; one that it has, it remembers.
    const told = new Set(list.map(({ session, epoch }) => `${session}/${epoch}`))
    for (const { current } of [...this.#running.values()])
      if (current !== undefined && !told.has(`${current.session}/${current.epoch}`)) host.run(current.order)
  }

  // ---- steps ----

  #next(held: Held): void {
    const { record, chunk, left } = held
    const [task] = left.take(1, 1)
    if (task === undefined) return this.#end(held, 'done', false)
    const { crypto, clock, host } = this.#ctx.ports
    const run = taskRun(chunk.of, task, record.epoch, chunk.n, crypto)
    const env = { ...record.spec.env, OMEGA_TASK: String(task), OMEGA_TASK_COUNT: String(record.spec.array) }
    const order: RunOrder = { ...orderOf(record), ...run, env, stdin: false, partOf: chunk.of }
    held.current = { task, ...run, order, sinceMs: clock.mono() }
    this.#running.set(run.session, held)
    host.run(order)
    if (held.results.length > held.told) this.#tellIn(held, GATHER_MS)
  }

  /** Nothing more is done of it here. What was done is still to be told. */
  #end(held: Held, why: string, blame: boolean): void {
    if (held.over !== undefined) return
    held.over = { why: why.slice(0, 300), blame }
    held.overAtMs = this.#ctx.ports.clock.mono()
    this.#discardCurrent(held)
    release(this.#parts.admission, held.record.id)
    this.#ctx.changed('nodes')
    this.#tell(held)
    this.#makeRoom()
  }

  #drop(held: Held): void {
    if (held.dropped) return
    held.dropped = true
    const { current } = held
    held.over ??= { why: 'dropped', blame: false }
    held.results = []
    this.#ctx.ports.clock.clearTimeout(held.timer)
    if (current === undefined) return this.#leave(held)
    this.#ctx.ports.host.signal(current.session, current.epoch, 'TERM')
    held.timer = this.#ctx.ports.clock.setTimeout(() => {
      this.#discardCurrent(held)
      this.#leave(held)
    }, GRACE_MS)
  }

  #leave(held: Held): void {
    this.#ctx.ports.clock.clearTimeout(held.timer)
    release(this.#parts.admission, held.record.id)
    this.#held.delete(held.record.id)
    this.#ctx.changed('nodes')
  }

  #discardCurrent(held: Held): void {
    const { current } = held
    if (current === undefined) return
    this.#ctx.ports.host.discard(current.session, current.epoch)
    this.#forgetCurrent(held)
  }

  #forgetCurrent(held: Held): void {
    if (held.current !== undefined) this.#running.delete(held.current.session)
    held.current = undefined
  }

  /** Over, and its owner has all of it. */
  #settled(held: Held | undefined): void {
    if (held?.over === undefined || held.results.length > 0 || held.current !== undefined) return
    this.#leave(held)
  }

  #makeRoom(): void {
    const untaken = [...this.#held.values()].filter(({ over }) => over !== undefined)
    for (const held of untaken.slice(0, Math.max(0, untaken.length - UNTAKEN_MAX))) this.#drop(held)
  }

  /** What the owner has not taken by now may be lost on the way. */
  #tellAgain(held: Held): void {
    held.told = 0
    held.beatAtMs = this.#ctx.ports.clock.mono() + BEAT_MS
    this.#tell(held)
  }

  #tell(held: Held): void {
    const { record, chunk, owner, results, over, told } = held
    if (held.dropped) return
    const list = results.slice(told, told + RESULTS_MAX)
    held.told += list.length
    const all = held.told === results.length
    held.tellAtMs = Infinity
    this.#tellIn(held, all ? held.beatAtMs - this.#ctx.ports.clock.mono() : 0)
    this.#parts.answer(owner, {
      t: 'did',
      id: record.id,
      of: chunk.of,
      epoch: record.epoch,
      from: held.from + told,
      list,
      ...(over !== undefined && all ? { over } : {})
    })
  }

  /** Then, or earlier where it is due earlier. */
  #tellIn(held: Held, ms: number): void {
    const { clock } = this.#ctx.ports
    const now = clock.mono()
    if (now + ms >= held.tellAtMs) return
    held.tellAtMs = now + ms
    clock.clearTimeout(held.timer)
    held.timer = clock.setTimeout(
      () => {
        if (held.over !== undefined && clock.mono() - held.overAtMs > UNTAKEN_MS) return this.#leave(held)
        if (clock.mono() >= held.beatAtMs) this.#tellAgain(held)
        else this.#tell(held)
      },
      Math.max(0, ms)
    )
  }

  /** Why no more of that array is to be done for this owner. */
  #unwanted({ epoch }: SessionRecord, { of }: Chunk): string | undefined {
    const told = this.#ctx.summary(of)
    if (told === undefined) return undefined
    if (told.epoch > epoch) return 'it has another owner now'
    return told.desired === 'stop' || FINAL_STATES.has(told.state) ? 'it is over' : undefined
  }
}
