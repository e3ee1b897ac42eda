/**
 * The owner's half of arrays. An array runs at its owner as if it were one child: its tasks are handed out in chunks, each
 * chunk finds its place like a session (placer.ts), and is bound to tasks only when a PC holds room for it. The first
 * result of a task counts, however often it ran; results are on disk before a worker may forget them.
 */
import type { PeerId, SessionId } from '../ports.ts'
import { release } from '../placement/index.ts'
import type { Admission } from '../placement/index.ts'
import { CHUNK_RANGES_MAX, chunkId, progressInWords, progressOf, summarize, TaskSet } from '../session/index.ts'
import type { Chunk, SessionRecord } from '../session/index.ts'
import type { PeerContext } from './context.ts'
import type { ChildOrders, Owning } from './owning.ts'
import type { Outcome, Placer } from './placer.ts'
import type { Records } from './records.ts'
import type { Did, Tasks } from './tasks.ts'

/** Work of about so long is handed out at a time. */
const CHUNK_MS = 2_000
const CHUNK_TASKS_MAX = 4_096
/** Chunks that look for a place while none has one yet. */
const FIRST_CHUNKS = 4
/** Progress is written and told this often while there is any; chunks are looked after. */
const TICK_MS = 1_000
/** A chunk whose worker has said nothing for so long is given to another: three signs of life were missed. */
const SILENT_MS = 6_500
/** A worker keeps those that wait for 45 s, unless they are asked for again. */
const ASK_AGAIN_MS = 30_000
/** Attempts after the first, where the restart policy asks for any. */
const RETRIES_MAX = 5
/** PCs that may fail to start it before it fails for good. */
const TRIES_MAX = 3
/** An owner whose disk did not take the record tries again after this. */
const DISK_AGAIN_MS = 5_000

interface Placed {
  /** Of the chunk as it was bound last. */
  n: number
  state: 'asking' | 'waiting' | 'binding' | 'running'
  worker: PeerId | undefined
  left: TaskSet
  /** Results up to here were counted. */
  seen: number
  /** Of the last word from the worker, or of the last time that places were asked for. */
  atMs: number
}

interface Job {
  id: SessionId
  epoch: number
  total: number
  todo: TaskSet
  over: TaskSet
  failed: TaskSet
  /** Failed under an earlier owner, whose record had no room for which. */
  unlisted: number
  /** Of those that failed and may be tried again. */
  attempts: Map<number, number>
  chunks: Map<SessionId, Placed>
  n: number
  meanMs: number | undefined
  /** Results to be acknowledged once they are on disk. */
  toTake: Map<SessionId, { to: PeerId; upTo: number }>
  dirty: boolean
  writing: boolean
  lookedAtMs: number
  waits: string
  timer: unknown
}

interface Parts {
  records: Records
  admission: Admission
  owning: Owning
  placer: Placer
  tasks: Tasks
}

export class Arrays implements ChildOrders {
  readonly #ctx: PeerContext
  readonly #parts: Parts
  readonly #jobs = new Map<SessionId, Job>()
  /** Whose chunk it is. */
  readonly #of = new Map<SessionId, Job>()

  constructor(ctx: PeerContext, parts: Parts) {
    this.#ctx = ctx
    this.#parts = parts
  }

  // ---- as a child of its session ----

  startChild(id: SessionId): void {
    const owned = this.#parts.owning.of(id)!
    if (!owned.recorded) return void (owned.start = () => this.startChild(id))
    owned.recorded = false
    const record = this.#parts.records.all.get(id)!
    this.#begin(record)
    if (record.startedAt === undefined) this.#parts.owning.update(record, { startedAt: this.#ctx.ports.clock.wall() })
    this.#parts.owning.tell(owned, { type: 'child.started' }, 'its tasks are handed out')
    this.#goOn(this.#jobs.get(id)!)
  }

  notStarted(id: SessionId, epoch: number, reason: string): void {
    this.#ctx.ports.clock.setTimeout(() => {
      if (this.#parts.owning.current(id, epoch) !== undefined)
        this.#parts.owning.tell(this.#parts.owning.of(id), { type: 'child.notStarted', cause: reason }, reason)
    }, DISK_AGAIN_MS)
  }

  signal(id: SessionId): void {
    const job = this.#jobs.get(id)
    let cause = 'it had not started'
    if (job !== undefined) {
      const progress = progressOf(job.over, job.failed, job.unlisted, 0)
      cause = progressInWords(this.#parts.owning.update(this.#record(job), { progress }))
    }
    this.left(id)
    const end = { code: null, signal: 'SIGTERM' }
    this.#parts.owning.tell(this.#parts.owning.of(id), { type: 'child.exited', end, cause })
  }

  freezeFork(): void {
    // A superseded array has no process here; its chunks were dropped with it.
  }

  /** Nobody here looks after it any more. */
  left(id: SessionId): void {
    const job = this.#jobs.get(id)
    if (job === undefined) return
    this.#ctx.ports.clock.clearTimeout(job.timer)
    for (const chunk of [...job.chunks.keys()]) this.#forget(job, chunk)
    this.#jobs.delete(id)
  }

  // ---- what happens ----

  /** A queue has come to this chunk. */
  pulled(chunk: SessionId): void {
    const job = this.#of.get(chunk)
    if (job?.chunks.get(chunk)?.state === 'waiting') this.#place(job, chunk)
  }

  viewChanged(): void {
    const now = this.#ctx.ports.clock.mono()
    for (const job of this.#jobs.values()) {
      if (now - job.lookedAtMs < TICK_MS) continue
      job.lookedAtMs = now
      if (this.#parts.placer.hasCandidate(this.#record(job))) this.#askAgain(job, 0)
    }
  }

  did(from: PeerId, frame: Did): void {
    const job = this.#jobs.get(frame.of)
    if (job?.epoch !== frame.epoch) return this.#send(from, { t: 'drop', id: frame.id })
    const chunk = job.chunks.get(frame.id)
    const mine = chunk?.worker === from ? chunk : undefined
    if (mine !== undefined) {
      // Its first word may be faster than its yes.
      if (mine.state === 'binding') this.#parts.placer.forget(frame.id)
      mine.state = 'running'
      mine.atMs = this.#ctx.ports.clock.mono()
    }
    // Something before it was lost on the way: all of it comes again.
    if (mine !== undefined && frame.from > mine.seen) return
    const fresh = mine === undefined ? frame.list : frame.list.slice(mine.seen - frame.from)
    for (const [task, code, tookMs] of fresh) this.#result(job, mine, task, code, tookMs)
    const upTo = frame.from + frame.list.length
    if (mine !== undefined) mine.seen = Math.max(mine.seen, upTo)
    if (frame.list.length > 0 || frame.over !== undefined) {
      job.toTake.set(frame.id, { to: from, upTo })
      job.dirty = true
    }
    if (frame.over !== undefined && mine !== undefined) this.#chunkOver(job, frame.id, mine, frame.over)
    this.#goOn(job)
  }

  // ---- steps ----

  #begin(record: SessionRecord): void {
    const { id, epoch, progress, spec } = record
    const total = spec.array!
    const over = TaskSet.of(progress?.over ?? [], total)
    const failed = TaskSet.of(progress?.failing ?? [], total)
    const todo = TaskSet.of([0, total], total)
    for (let i = 0; i < over.pairs.length; i += 2) todo.remove(over.pairs[i]!, over.pairs[i + 1])
    const job: Job = {
      id,
      epoch,
      total,
      todo,
      over,
      failed,
      unlisted: Math.max(0, (progress?.failed ?? 0) - failed.size),
      attempts: new Map(),
      chunks: new Map(),
      n: 0,
      meanMs: undefined,
      toTake: new Map(),
      dirty: false,
      writing: false,
      lookedAtMs: this.#ctx.ports.clock.mono(),
      waits: '',
      timer: undefined
    }
    this.left(id)
    this.#jobs.set(id, job)
    this.#tick(job)
  }

  /** More chunks where there may be room for them; or the end of it. */
  #goOn(job: Job): void {
    if (this.#jobs.get(job.id) !== job) return
    if (job.over.size === job.total) return this.#finish(job)
    for (;;) {
      const running = runningIn(job)
      const looking = job.chunks.size - running
      if (looking >= Math.min(Math.max(FIRST_CHUNKS, running), job.todo.size)) return
      const id = chunkId(job.id, job.epoch, ++job.n, this.#ctx.ports.crypto)
      job.chunks.set(id, { n: 0, state: 'asking', worker: undefined, left: new TaskSet(), seen: 0, atMs: 0 })
      this.#of.set(id, job)
      this.#place(job, id)
      if (this.#jobs.get(job.id) !== job) return
    }
  }

  #place(job: Job, id: SessionId): void {
    const chunk = job.chunks.get(id)!
    chunk.state = 'asking'
    chunk.atMs = this.#ctx.ports.clock.mono()
    this.#parts.placer.place(this.#chunkRecord(job, id), (outcome) => this.#placed(job, id, outcome))
  }

  #placed(job: Job, id: SessionId, outcome: Outcome): void {
    const chunk = job.chunks.get(id)
    if (chunk === undefined) {
      if (outcome.k === 'self') release(this.#parts.admission, id)
      return
    }
    chunk.atMs = this.#ctx.ports.clock.mono()
    switch (outcome.k) {
      case 'self':
      case 'binding':
        return this.#bind(job, id, chunk, outcome.k === 'self' ? this.#ctx.self : outcome.worker)
      case 'bound':
        chunk.state = 'running'
        job.waits = ''
        return this.#goOn(job)
      case 'lost':
        return this.#backTo(job, id, chunk)
      case 'none':
        chunk.state = 'waiting'
        job.waits = outcome.why.sentence
        if (!outcome.couldLater) this.#nobody(job)
    }
  }

  /** Room is held there: only now is it said which tasks these are. */
  #bind(job: Job, id: SessionId, chunk: Placed, worker: PeerId): void {
    // A worker that refused at the last moment leaves the tasks for the next.
    this.#return(job, chunk)
    const tasks = job.todo.take(this.#chunkSize(job), CHUNK_RANGES_MAX)
    const isSelf = worker === this.#ctx.self
    if (tasks.length === 0) {
      if (isSelf) release(this.#parts.admission, id)
      return this.#forget(job, id)
    }
    chunk.n = ++job.n
    chunk.left = TaskSet.of(tasks, job.total)
    chunk.worker = worker
    chunk.seen = 0
    const what: Chunk = { of: job.id, n: chunk.n, tasks }
    const record: SessionRecord = { ...this.#chunkRecord(job, id), chunk: what }
    if (!isSelf) {
      chunk.state = 'binding'
      return this.#parts.placer.bind(worker, record)
    }
    chunk.state = 'running'
    this.#parts.tasks.begin(worker, record, what)
    this.#goOn(job)
  }

  #chunkSize(job: Job): number {
    const { todo, meanMs } = job
    const share = Math.ceil(todo.size / (2 * Math.max(1, runningIn(job))))
    const inTime = meanMs === undefined ? 1 : Math.floor(CHUNK_MS / Math.max(1, meanMs))
    return Math.max(1, Math.min(share, inTime, CHUNK_TASKS_MAX))
  }

  /** What counts is the first result of a task; that of a chunk given up counts when it is good. */
  #result(job: Job, chunk: Placed | undefined, task: number, code: number | null, tookMs: number): void {
    if (task >= job.total || job.over.has(task)) return
    if (chunk === undefined && code !== 0) return
    job.meanMs = job.meanMs === undefined ? tookMs : 0.8 * job.meanMs + 0.2 * tookMs
    chunk?.left.remove(task)
    const attempts = (job.attempts.get(task) ?? 0) + 1
    const { restart } = this.#record(job).spec
    const mayAgain = code !== 0 && (restart === 'on-failure' || restart === 'always') && attempts <= RETRIES_MAX
    if (mayAgain) {
      job.attempts.set(task, attempts)
      job.todo.add(task)
      return
    }
    job.attempts.delete(task)
    job.todo.remove(task)
    job.over.add(task)
    if (code !== 0) job.failed.add(task)
    job.dirty = true
  }

  #chunkOver(job: Job, id: SessionId, chunk: Placed, { why, blame }: NonNullable<Did['over']>): void {
    const worker = chunk.worker!
    this.#return(job, chunk)
    this.#remove(job, id)
    const record = this.#record(job)
    if (!blame || record.tried.some(({ peer }) => peer === worker)) return
    const tried = [...record.tried, { peer: worker, why }].slice(-16)
    this.#parts.owning.update(record, { tried })
    job.dirty = true
    if (tried.length >= TRIES_MAX) this.#nobody(job)
  }

  /** Where no PC could start it, it ends; where some could, it waits for them. */
  #nobody(job: Job): void {
    const last = this.#record(job).tried.at(-1)
    const runs = [...job.chunks.values()].some(({ state }) => state === 'running' || state === 'binding')
    if (last === undefined || runs || job.over.size > 0) return
    this.left(job.id)
    const owned = this.#parts.owning.of(job.id)
    this.#parts.owning.tell(owned, { type: 'child.gone', cause: last.why, again: false })
  }

  #finish(job: Job): void {
    const failed = job.failed.size + job.unlisted
    const patch = {
      progress: progressOf(job.over, job.failed, job.unlisted, 0),
      exit: { code: failed === 0 ? 0 : 1, signal: null },
      endedAt: this.#ctx.ports.clock.wall()
    }
    const record = this.#parts.owning.update(this.#record(job), patch)
    this.left(job.id)
    const cause = progressInWords(record)
    this.#parts.owning.tell(this.#parts.owning.of(job.id), { type: 'child.exited', end: patch.exit, cause })
  }

  #tick(job: Job): void {
    job.timer = this.#ctx.ports.clock.setTimeout(() => {
      this.#tick(job)
      this.#lookAfter(job)
      this.#write(job)
      this.#goOn(job)
    }, TICK_MS)
  }

  /** Chunks of workers that are gone or silent go to others; those that wait for room go on waiting. */
  #lookAfter(job: Job): void {
    const now = this.#ctx.ports.clock.mono()
    for (const [id, chunk] of [...job.chunks]) {
      if (chunk.state !== 'running' && chunk.state !== 'binding') continue
      const isGone = this.#ctx.goneMs(chunk.worker!) !== undefined
      if (isGone || now - chunk.atMs > SILENT_MS) this.#backTo(job, id, chunk)
    }
    if (job.todo.size > 0) return this.#askAgain(job, ASK_AGAIN_MS)
    for (const [id, chunk] of [...job.chunks]) if (chunk.state === 'waiting') this.#forget(job, id)
  }

  #askAgain(job: Job, afterMs: number): void {
    const now = this.#ctx.ports.clock.mono()
    for (const [id, chunk] of [...job.chunks])
      if (chunk.state === 'waiting' && now - chunk.atMs >= afterMs) this.#place(job, id)
  }

  /** Where it is being done, nobody waits for it any more. */
  #backTo(job: Job, id: SessionId, chunk: Placed): void {
    this.#return(job, chunk)
    this.#forget(job, id)
  }

  #return(job: Job, chunk: Placed): void {
    const { pairs } = chunk.left
    for (let i = 0; i < pairs.length; i += 2) job.todo.add(pairs[i]!, pairs[i + 1])
    // A result of a chunk that was given up may have been faster.
    for (let i = 0; i < pairs.length; i += 2)
      for (let task = pairs[i]!; task < pairs[i + 1]!; task++) if (job.over.has(task)) job.todo.remove(task)
    chunk.left = new TaskSet()
  }

  #forget(job: Job, id: SessionId): void {
    const chunk = job.chunks.get(id)
    this.#parts.placer.forget(id)
    this.#remove(job, id)
    if (chunk?.worker !== undefined) this.#send(chunk.worker, { t: 'drop', id })
  }

  #remove(job: Job, id: SessionId): void {
    job.chunks.delete(id)
    this.#of.delete(id)
  }

  /** Progress is on disk, then the workers may forget their results; and everyone is told. */
  #write(job: Job): void {
    const record = this.#record(job)
    const running = runningIn(job)
    const reason = running > 0 ? `${job.over.size} of ${job.total} tasks are over` : job.waits || undefined
    const isNew = job.dirty || running !== record.progress?.running || (reason ?? '') !== (record.reason ?? '')
    if (job.writing || !isNew) return
    job.dirty = false
    job.writing = true
    const taken = [...job.toTake]
    job.toTake.clear()
    const progress = progressOf(job.over, job.failed, job.unlisted, running)
    const next = this.#parts.owning.update(record, { progress, reason: reason?.slice(0, 600) })
    this.#parts.records.commit(next, this.#parts.owning.copiesWanted(next), (copies) => {
      job.writing = false
      if (copies === 0) job.dirty = true
      for (const [id, { to, upTo }] of taken) {
        if (copies > 0) this.#send(to, { t: 'took', id, upTo })
        else if (!job.toTake.has(id)) job.toTake.set(id, { to, upTo })
      }
    })
    this.#ctx.publish(summarize(next))
    this.#ctx.changed('sessions', job.id)
  }

  #send(to: PeerId, frame: { t: 'drop'; id: SessionId } | { t: 'took'; id: SessionId; upTo: number }): void {
    if (to !== this.#ctx.self) return void this.#ctx.send(to, 'sched', frame)
    if (frame.t === 'drop') this.#parts.tasks.drop(to, frame.id)
    else this.#parts.tasks.took(to, frame.id, frame.upTo)
  }

  #record(job: Job): SessionRecord {
    return this.#parts.records.all.get(job.id)!
  }

  /** Looks like a session on its way to a worker, and is on no keeper. */
  #chunkRecord(job: Job, id: SessionId): SessionRecord {
    const record: SessionRecord = { ...this.#record(job), id, history: [], restarts: [] }
    delete record.progress
    delete record.why
    return record
  }
}

const runningIn = ({ chunks }: Job): number => [...chunks.values()].filter(({ state }) => state === 'running').length
