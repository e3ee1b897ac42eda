/** When each session ran where, in true time, over all simulated PCs: what no peer can see and the checkers need. */
import type { PeerId, SessionId } from '../protocols/ports.ts'
import type { Timeline } from './clock.ts'
import type { Trace } from './trace.ts'

export interface Run {
  session: SessionId
  epoch: number
  peer: PeerId
  /** What it was promised. */
  cpuMilli: number
  fromMs: number
  /** Undefined while it runs. Time in which it was frozen is no run. */
  toMs: number | undefined
}

export interface RunWatcher {
  ordered(session: SessionId, epoch: number, peer: PeerId): void
  begins(run: Run): void
  ends(run: Run): void
}

export class RunLog {
  readonly runs: Run[] = []
  readonly #open = new Map<string, Run>()
  /** Exit codes of the runs of each task of an array that ended by themselves or by a signal. */
  readonly #codes = new Map<string, (number | null)[]>()
  readonly #timeline: Timeline

  readonly #trace: Trace

  constructor(timeline: Timeline, trace: Trace) {
    this.#timeline = timeline
    this.#trace = trace
  }

  /** What watches as it happens. */
  watcher: RunWatcher | undefined

  ordered(session: SessionId, epoch: number, peer: PeerId): void {
    this.watcher?.ordered(session, epoch, peer)
  }

  begins(session: SessionId, epoch: number, peer: PeerId, cpuMilli: number): void {
    const run: Run = { session, epoch, peer, cpuMilli, fromMs: this.#timeline.nowMs, toMs: undefined }
    this.runs.push(run)
    this.watcher?.begins(run)
    this.#note('run', run)
    this.#open.set(`${session}/${epoch}/${peer}`, run)
  }

  ends(session: SessionId, epoch: number, peer: PeerId): void {
    const key = `${session}/${epoch}/${peer}`
    const run = this.#open.get(key)
    if (run === undefined) return
    run.toMs = this.#timeline.nowMs
    this.watcher?.ends(run)
    this.#note('halt', run)
    this.#open.delete(key)
  }

  taskEnded(array: SessionId, task: number, code: number | null): void {
    const key = `${array}/${task}`
    const codes = this.#codes.get(key) ?? []
    this.#codes.set(key, codes)
    codes.push(code)
  }

  codesOf(array: SessionId, task: number): readonly (number | null)[] {
    return this.#codes.get(`${array}/${task}`) ?? []
  }

  of(session: SessionId): Run[] {
    return this.runs.filter((run) => run.session === session)
  }

  /** Pairs of runs of one session that overlap in time: work that ran twice at once. */
  overlaps(): [Run, Run][] {
    const found: [Run, Run][] = []
    const latest = new Map<SessionId, Run>()
    for (const run of [...this.runs].sort((a, b) => a.fromMs - b.fromMs)) {
      const before = latest.get(run.session)
      if (before !== undefined && run.fromMs < (before.toMs ?? Infinity)) found.push([before, run])
      if (before === undefined || (run.toMs ?? Infinity) > (before.toMs ?? Infinity)) latest.set(run.session, run)
    }
    return found
  }

  #note(what: string, { session, epoch, peer }: Run): void {
    this.#trace.text(what)
    this.#trace.number(this.#timeline.nowMs)
    this.#trace.text(session)
    this.#trace.number(epoch)
    this.#trace.text(peer)
  }
}
