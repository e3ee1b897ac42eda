/**
 * Plays a plan: PCs come up, faults strike while work comes in, then everything is mended and must come to its end. What
 * was wrong is said in words, at the moment it was seen.
 */
import type { PeerId } from '../protocols/ports.ts'
import { FINAL_STATES } from '../protocols/session/index.ts'
import {
  doubleRuns,
  forgottenStops,
  lostSessions,
  staleSummaries,
  strictDoubleRuns,
  twinResults,
  unfinished,
  wentWithItsPc,
  wrongArrays
} from './checkers.ts'
import { FAMILIES, familyOf } from './families.ts'
import { disturbs, lastsMs, strike } from './faults.ts'
import type { Fault } from './faults.ts'
import { siteOf } from './sites.ts'
import { startMesh } from './mesh.ts'
import type { Job, SimMesh } from './mesh.ts'
import type { Program } from './pc.ts'
import type { Plan, PlannedJob } from './plan.ts'
import { RegisterLog } from './register-log.ts'
import { reached } from './sometimes.ts'
import { Watch } from './watch.ts'
import type { Violation } from './watch.ts'

/** All have started and found each other by then. */
export const START_MS = 8000
/** How long after healing the PCs may not have heard of each other yet, nor two owners of one session. */
export const MERGE_MS = 60_000
/** Longest time to come to an end in: suspicion, takeover, redials each 30 s, keepers replaced after a minute. */
const QUIET_MS = 240_000
/** Work that has to wait for room or is tried again goes on beyond that, as long as something starts now and then. */
const QUIET_MAX_MS = 600_000
const IDLE_MS = 60_000
/** All has ended; what comes after that should be nothing. */
const CALM_MS = 15_000
const SAMPLE_MS = 500
/** After this the PCs agree again on who is there. */
const CONVERGED_MAX_MS = 90_000

export interface Outcome {
  family: string
  seed: number
  traceHash: string
  simulatedMs: number
  /** Of it, nights in which all PCs slept. */
  asleepMs: number
  peers: number
  entries: number
  /** Struck, by kind. */
  faults: Record<string, number>
  jobs: { submitted: number; accepted: number }
  /** From the end of the last fault until all agree on who is alive. */
  convergedMs: number | undefined
  /** Rare things that happened. */
  sometimes: string[]
  violations: Violation[]
}

export interface PlayOptions {
  /** Virtual time, since the start of the PCs. */
  untilMs?: number
  wire?: boolean
  program?: Program
  /** Looks at the mesh before anything happens. */
  onStart?: (mesh: SimMesh) => void
}

export function play(plan: Plan, options: PlayOptions = {}): Outcome {
  return new Play(plan, options).all()
}

interface Work {
  planned: PlannedJob
  job: Job
  /** Where it was submitted, and in which life of that peer. */
  pc: number
  start: number
}

class Stopped extends Error {}

class Play {
  readonly #plan: Plan
  readonly #mesh: SimMesh
  readonly #watch: Watch
  readonly #registers: RegisterLog
  readonly #work: Work[] = []
  readonly #faults: Record<string, number> = {}
  readonly #untilMs: number
  #convergedMs: number | undefined
  #asleepMs = 0
  /** Then no end of a run is to be trusted, nor that it ran once. */
  readonly #lies: boolean

  constructor(plan: Plan, { untilMs, wire, program, onStart }: PlayOptions) {
    const { seed, family, options } = plan
    this.#plan = plan
    this.#lies = familyOf(family).lies === true
    this.#untilMs = untilMs ?? Infinity
    const mesh = startMesh({
      seed,
      peers: options.peers,
      capacity: { cpuMilli: options.cpuMilli, memoryBytes: 64 * 2 ** 30 },
      shape: {
        latencyMs: options.latencyMs,
        jitterMs: options.jitterMs,
        bytesPerMs: 125_000,
        ...(options.datagrams === undefined ? {} : { datagrams: options.datagrams })
      },
      syncMaxMs: options.syncMaxMs,
      wire: wire === true,
      ...(program === undefined ? {} : { program }),
      replay: `omega sim replay --family ${family} --seed ${seed}`
    })
    this.#mesh = mesh
    mesh.pcs.forEach((pc, i) => (pc.clock.rate = options.rates[i] ?? 1))
    const names = new Map(mesh.pcs.map((pc) => [pc.id, pc.name]))
    this.#watch = new Watch({
      nowMs: () => mesh.nowMs,
      nameOf: (peer) => names.get(peer) ?? peer,
      cpuMilli: options.cpuMilli,
      lies: this.#lies,
      // who stalls past its leash publishes the end of its own run before it hears that there was another
      excused: (atMs) => this.#excused(atMs, true),
      woke: (peer, atMs) => this.#woke(peer, atMs, atMs),
      answers: (peer) => mesh.pcs.some((pc) => pc.id === peer && pc.peer?.phase === 'active' && !pc.paused),
      holds: (session, peer) => this.#registers.holds(session, peer)
    })
    mesh.watch = this.#watch
    this.#registers = mesh.world.registers = new RegisterLog(() => mesh.nowMs)
    this.#registers.over = (id, alone) => this.#watch.toldOver(id, alone)
    mesh.world.runs.watcher = this.#watch
    mesh.sites.watch()
    onStart?.(mesh)
  }

  all(): Outcome {
    const { faultPhaseMs } = this.#plan.options
    try {
      this.#lay()
      this.#pass(START_MS + faultPhaseMs)
      this.#mend()
      this.#quiet()
    } catch (error) {
      if (!(error instanceof Stopped)) this.#watch.violate('crash', (error as Error).message.split('\n', 1)[0]!)
    }
    return this.#outcome()
  }

  /** All that is planned goes onto the timeline. */
  #lay(): void {
    const { timeline } = this.#mesh.world
    for (const fault of this.#plan.faults) {
      timeline.at(START_MS + fault.atMs, () => {
        this.#count(fault.k)
        if (fault.k === 'night') this.#asleepMs += fault.sleepMs
        strike(this.#mesh, fault)
      })
    }
    for (const planned of this.#plan.jobs) {
      timeline.at(START_MS + planned.atMs, () => this.#submit(planned))
    }
  }

  /** Lets time pass until then, looking now and then. */
  #pass(toMs: number): void {
    const mesh = this.#mesh
    while (mesh.nowMs < toMs) {
      if (mesh.nowMs >= this.#untilMs) throw new Stopped()
      mesh.run(Math.min(SAMPLE_MS, toMs - mesh.nowMs, Math.max(1, this.#untilMs - mesh.nowMs)))
      this.#watch.sample(mesh, this.#work.length, this.#chunks())
    }
  }

  /** Parts of arrays that may look for a place or run at once, at most. */
  #chunks(): number {
    const { peers, cpuMilli } = this.#plan.options
    const slots = this.#work.map(({ planned }) =>
      planned.array === undefined ? 0 : Math.min(planned.array, 8 + (2 * peers * cpuMilli) / planned.cpuMilli)
    )
    return slots.reduce((sum, one) => sum + one, 0)
  }

  #submit(planned: PlannedJob): void {
    const { pcs } = this.#mesh
    const order = [...pcs.slice(planned.pc), ...pcs.slice(0, planned.pc)]
    const pc = order.find((one) => one.peer?.phase === 'active' && !one.paused && !one.peer.sessions.admission.draining)
    if (pc === undefined) return
    const { command, restart, cpuMilli, key, mode, array } = planned
    const spec = {
      restart,
      cpuMilli,
      memoryBytes: 64 * 2 ** 20,
      ...(mode === undefined ? {} : { mode }),
      ...(array === undefined ? {} : { array })
    }
    const job = this.#mesh.submit(pc, command, spec, key)
    const work: Work = { planned, job, pc: pc.index, start: pc.starts }
    this.#work.push(work)
    const { stop } = planned
    if (stop !== undefined)
      this.#mesh.world.timeline.at(Math.max(0, START_MS + stop.atMs - this.#mesh.nowMs), () =>
        this.#stop(work, stop.pc)
      )
  }

  #stop({ job: { id } }: Work, at: number): void {
    if (id !== undefined && !this.#mesh.stopped.has(id)) this.#mesh.stop(id, at)
  }

  /** No fault is left, and none comes. */
  #mend(): void {
    const mesh = this.#mesh
    while (mesh.pcs.some((pc) => pc.asleep || pc.paused)) {
      if (mesh.nowMs >= this.#untilMs) throw new Stopped()
      mesh.run(1000)
    }
    mesh.sites.disarm()
    mesh.world.fabric.heal()
    for (const pc of mesh.pcs) {
      pc.disk.full = pc.disk.readOnly = pc.disk.unreadable = false
      // two slow spells that overlap end with what the second began with
      pc.disk.times.syncMaxMs = Math.max(pc.disk.times.syncMinMs, this.#plan.options.syncMaxMs)
      pc.slow(0)
      pc.peer?.sessions.resume()
    }
  }

  #quiet(): void {
    const mesh = this.#mesh
    const sinceMs = mesh.nowMs
    const liveness = FAMILIES[this.#plan.family].liveness
    let calmSinceMs: number | undefined
    let untilMs = sinceMs + QUIET_MS
    let starts = 0
    for (let nextStopMs = sinceMs + 2000; mesh.nowMs < untilMs;) {
      for (const pc of mesh.pcs) {
        if (!pc.running) pc.start()
        // whose program was away when its owner gave it back
        if (pc.peer?.phase === 'active' && pc.peer.sessions.admission.paused) pc.peer.sessions.resume()
      }
      if (mesh.nowMs >= nextStopMs) {
        nextStopMs += 5000
        for (const work of this.#work) if (work.planned.command === 'sleep infinity') this.#stop(work, 0)
      }
      this.#pass(mesh.nowMs + 1000)
      const agree = mesh.running.length === mesh.left.length && mesh.agree()
      if (agree) this.#convergedMs ??= mesh.nowMs - sinceMs
      if (mesh.world.runs.runs.length > starts) {
        starts = mesh.world.runs.runs.length
        untilMs = Math.max(untilMs, Math.min(mesh.nowMs + IDLE_MS, sinceMs + QUIET_MAX_MS))
      }
      calmSinceMs = agree && this.#isOver() && this.#isTold() ? (calmSinceMs ?? mesh.nowMs) : undefined
      if (calmSinceMs !== undefined && mesh.nowMs - calmSinceMs >= CALM_MS) break
      if (!liveness && mesh.nowMs - sinceMs > MERGE_MS) break
    }
    this.#judge(liveness)
  }

  #isOver(): boolean {
    return this.#work.every(({ job }) => {
      const record = this.#mesh.session(job.id)
      return record === undefined || FINAL_STATES.has(record.state) || wentWithItsPc(this.#mesh, record)
    })
  }

  /** What a screen shows comes by gossip, and what was missed mends itself within some comparisons. */
  #isTold(): boolean {
    const jobs = this.#work.map((work) => work.job)
    return staleSummaries(this.#mesh, jobs).length === 0
  }

  #judge(liveness: boolean): void {
    const mesh = this.#mesh
    const watch = this.#watch
    if (this.#lies) return
    const jobs = this.#work.map((work) => work.job)
    const say = (checker: string, found: readonly string[]): void =>
      found.forEach((text) => watch.violate(checker, text))
    for (const { text, atMs } of strictDoubleRuns(mesh.world.runs, watch.strict, ({ peer }, fromMs, toMs) =>
      this.#woke(peer, fromMs, toMs)
    ))
      watch.violate('double run', text, atMs)
    say('register', this.#registers.violations())
    for (const { text, atMs } of this.#registers.twofold) watch.violate('right', text, atMs)
    const double = doubleRuns(
      mesh.world.runs,
      (atMs) => this.#excused(atMs),
      (atMs) => this.#excused(atMs, true),
      watch.unheard
    )
    for (const { text, atMs } of double) if (liveness) watch.violate('double run', text, atMs)
    if (!liveness) return
    const forgetful = this.#disksLost()
    say('lost session', lostSessions(mesh, jobs, forgetful.size))
    // who alone voted and lost its disk is off for ever: a person says so
    say(
      'unfinished',
      unfinished(mesh, jobs, (id) => this.#registers.needs(id, forgetful))
    )
    if (forgetful.size === 0) say('stop', forgottenStops(mesh))
    say('result', twinResults(mesh, jobs))
    say('array', wrongArrays(mesh, jobs))
    say('stale', staleSummaries(mesh, jobs))
    if (this.#convergedMs === undefined || this.#convergedMs > CONVERGED_MAX_MS)
      watch.violate(
        'membership',
        `${CONVERGED_MAX_MS / 1000} s after the last fault the PCs do not agree on who is alive`
      )
    for (const { job, pc, start, planned } of this.#work)
      if (job.id === undefined && job.error === undefined && mesh.pcs[pc]!.running && mesh.pcs[pc]!.starts === start)
        watch.violate('answer', `job ${planned.key} was never answered at ${mesh.pcs[pc]!.name}`)
  }

  /** Those that have another disk than they had, or none. */
  #disksLost(): Set<PeerId> {
    const isLoss = (fault: Fault): fault is Fault & { pc: number } => fault.k === 'newDisk' || fault.k === 'stolen'
    return new Set(this.#plan.faults.filter(isLoss).map(({ pc }) => this.#mesh.pcs[pc]!.id))
  }

  #woke(peer: PeerId, fromMs: number, toMs: number): boolean {
    return this.#mesh.pcs.find((pc) => pc.id === peer)!.host.wokeBefore(fromMs, toMs)
  }

  #excused(atMs: number, alsoStalls = false): boolean {
    if (this.#lies) return true
    const counts = (fault: Fault): boolean => disturbs(fault) || (alsoStalls && fault.k === 'pause')
    for (const fault of this.#plan.faults) {
      const fromMs = START_MS + fault.atMs
      if (fault.k !== 'site' && counts(fault) && atMs >= fromMs && atMs <= fromMs + lastsMs(fault) + MERGE_MS)
        return true
    }
    return this.#mesh.sites.struck.some(
      ({ fault, atMs: struckMs }) =>
        (disturbs(fault) || (alsoStalls && siteOf(fault).stalls === true)) &&
        atMs >= struckMs &&
        atMs <= struckMs + fault.forMs + MERGE_MS
    )
  }

  #count(kind: string): void {
    this.#faults[kind] = (this.#faults[kind] ?? 0) + 1
  }

  #outcome(): Outcome {
    const mesh = this.#mesh
    const { seed, family } = this.#plan
    for (const { fault } of mesh.sites.struck) this.#count(`site: ${fault.site}`)
    return {
      family,
      seed,
      traceHash: mesh.traceHash(),
      simulatedMs: Math.round(mesh.nowMs),
      asleepMs: Math.round(Math.min(this.#asleepMs, mesh.nowMs)),
      peers: mesh.pcs.length,
      entries: mesh.world.timeline.fired,
      faults: this.#faults,
      jobs: { submitted: this.#work.length, accepted: this.#work.filter(({ job }) => job.id !== undefined).length },
      convergedMs: this.#convergedMs,
      sometimes: reached(mesh, this.#registers),
      violations: this.#watch.violations.sort((a, b) => a.atMs - b.atMs)
    }
  }
}
