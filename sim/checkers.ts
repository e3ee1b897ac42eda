/** What must be true whatever happened (PROTOCOLS.md 2.8.4), looked at from outside of the peers. Violations are sentences. */
import { FINAL_STATES, isTaskRun, survivesRunner, TaskSet } from '../protocols/session/index.ts'
import type { PeerId, SessionId } from '../protocols/ports.ts'
import type { SessionRecord } from '../protocols/session/index.ts'
import type { Job, SimMesh } from './mesh.ts'
import type { Run, RunLog } from './run-log.ts'

/** Time in which some PCs did not hear others, and may rightly have taken them for dead. */
export interface Disturbance {
  fromMs: number
  toMs: number
}

/** How long after healing two owners of one session may not have heard of each other yet. */
const MERGE_MS = 60_000

/** Each accepted session is still known to somebody, unless as many disks were lost as it was on. */
export function lostSessions(mesh: SimMesh, jobs: readonly Job[], disksLost = 0): string[] {
  const lost = jobs.filter(
    (job) => job.id !== undefined && (job.durability ?? 0) > disksLost && mesh.session(job.id) === undefined
  )
  return lost.map(
    (job) => `session ${job.id} was accepted with ${job.durability} copies on disk and no PC knows it any more`
  )
}

/**
 * After the quiet phase each accepted session has ended, or runs because it should. `decides`: a person has to say how it
 * goes on.
 */
export function unfinished(
  mesh: SimMesh,
  jobs: readonly Job[],
  decides: (id: SessionId) => boolean = () => false
): string[] {
  const found: string[] = []
  for (const { id } of jobs) {
    const record = mesh.session(id)
    if (record === undefined || FINAL_STATES.has(record.state) || decides(record.id)) continue
    if (wentWithItsPc(mesh, record)) continue
    const open = mesh.world.runs.of(record.id).filter((run) => run.toMs === undefined)
    // each PC keeps a frozen run of it: a person must say which one counts
    if (record.state === 'pending' && mesh.running.every(({ peer }) => peer?.sessions.forks.has(record.id) === true))
      continue
    if (open.length === 1 && record.state === 'running' && open[0]!.peer === record.runner) continue
    found.push(
      `session ${record.id} is "${record.state}" (epoch ${record.epoch}) and ${open.length} processes of it run`
    )
  }
  return found
}

/** It ran where nobody will come back from, and may run nowhere else. */
export function wentWithItsPc(mesh: Pick<SimMesh, 'pcs'>, record: SessionRecord): boolean {
  const runner = mesh.pcs.find(({ id }) => id === record.runner)
  return runner?.stolen === true && record.owner === record.runner && !survivesRunner(record)
}

/** Who stopped a session and had an answer finds it over in the end, also where it would be started again for ever. */
export function forgottenStops(mesh: Pick<SimMesh, 'session' | 'stopped'>): string[] {
  return [...mesh.stopped].flatMap((id) => {
    const record = mesh.session(id)
    if (record === undefined || FINAL_STATES.has(record.state)) return []
    return [`session ${id} was stopped, and is "${record.state}" (epoch ${record.epoch})`]
  })
}

/** Without a partition nothing runs twice; during one, and until the sides have merged, it may. */
export function untimelyOverlaps(mesh: SimMesh, disturbances: readonly Disturbance[]): string[] {
  const excused = (fromMs: number): boolean =>
    disturbances.some((d) => fromMs >= d.fromMs && fromMs <= d.toMs + MERGE_MS)
  return mesh.world.runs
    .overlaps()
    .filter(([, second]) => !excused(second.fromMs))
    .map(
      ([a, b]) =>
        `session ${b.session} ran twice at ${(b.fromMs / 1000).toFixed(3)} s: epoch ${a.epoch} and epoch ${b.epoch}, without a partition`
    )
}

/** A peer that wakes from a stall goes on with what it owned before, until the first word is heard of where it went on. */
const FALSE_START_MS = 50

/**
 * Runs of one session that overlap in time, and epochs that ran on two PCs, outside of the excused times. `stalled`: a
 * peer program had stood still for longer than its leash. `unheard`: sessions of which a PC could not know the epoch.
 */
export function doubleRuns(
  log: Pick<RunLog, 'runs' | 'overlaps'>,
  excused: (atMs: number) => boolean,
  stalled: (atMs: number) => boolean = () => false,
  unheard: ReadonlySet<string> = new Set()
): { text: string; atMs: number }[] {
  const found: { text: string; atMs: number }[] = []
  for (const [a, b] of log.overlaps()) {
    // A task may run twice; its result counts once.
    if (isTaskRun(b.epoch) || excused(b.fromMs)) continue
    const falseStart = Math.min(a.toMs ?? Infinity, b.toMs ?? Infinity) - b.fromMs < FALSE_START_MS
    if (falseStart && stalled(b.fromMs)) continue
    const text = `session ${b.session.slice(0, 6)} ran twice at ${(b.fromMs / 1000).toFixed(3)} s: epoch ${a.epoch} and epoch ${b.epoch}, though nothing parted the PCs`
    found.push({ text, atMs: b.fromMs })
  }
  const places = new Map<string, Run>()
  for (const run of log.runs) {
    const key = `${run.session}/${run.epoch}`
    const before = places.get(key)
    if (before === undefined) places.set(key, run)
    else if (before.peer !== run.peer && !excused(run.fromMs) && !unheard.has(run.session)) {
      const text = `epoch ${run.epoch} of session ${run.session.slice(0, 6)} ran on two PCs, though nothing parted them`
      found.push({ text, atMs: run.fromMs })
    }
  }
  return found
}

/** A strict session runs once at a time, whatever has happened. `woke`: sessiond has not seen yet that its PC slept. */
export function strictDoubleRuns(
  log: Pick<RunLog, 'overlaps'>,
  strict: { has(session: string): boolean },
  woke: (run: Run, fromMs: number, toMs: number) => boolean = () => false
): { text: string; atMs: number }[] {
  return log.overlaps().flatMap(([a, b]) => {
    if (!strict.has(b.session)) return []
    const toMs = Math.min(a.toMs ?? Infinity, b.toMs ?? Infinity)
    if (woke(a, b.fromMs, toMs) || woke(b, b.fromMs, toMs)) return []
    const text = `strict session ${b.session.slice(0, 6)} ran twice at ${(b.fromMs / 1000).toFixed(3)} s, for ${Math.round(toMs - b.fromMs)} ms: epoch ${a.epoch} and epoch ${b.epoch}`
    return [{ text, atMs: b.fromMs }]
  })
}

/** In the end all that keep a session tell the same of it. */
export function twinResults(mesh: Pick<SimMesh, 'pcs'>, jobs: readonly Job[]): string[] {
  const found: string[] = []
  for (const { id } of jobs) {
    const told = new Map<string, PeerId>()
    for (const { peer } of mesh.pcs) {
      const record = id === undefined ? undefined : peer?.sessions.records.all.get(id)
      if (record !== undefined && FINAL_STATES.has(record.state) && record.keepers.includes(peer!.self))
        told.set(endOf(record), peer!.self)
    }
    if (told.size > 1)
      found.push(`session ${id!.slice(0, 6)} ended in ${told.size} ways: ${[...told.keys()].join(' and ')}`)
  }
  return found
}

const endOf = ({ state, epoch, exit }: SessionRecord): string =>
  `${state} in epoch ${epoch}${exit === undefined ? '' : ` with ${exit.code ?? exit.signal}`}`

/** An array that has finished has a result of each of its tasks, once, and each result is that of a run. */
export function wrongArrays(mesh: Pick<SimMesh, 'session' | 'world'>, jobs: readonly Job[]): string[] {
  const found: string[] = []
  for (const { id } of jobs) {
    const record = mesh.session(id)
    const total = record?.spec.array
    if (record?.state !== 'finished' || total === undefined) continue
    const { done = 0, failed = 0, over = [], failing = [] } = record.progress ?? {}
    const say = (text: string): void => void found.push(`array ${record.id.slice(0, 6)} of ${total} tasks ${text}`)
    if (done + failed !== total || TaskSet.of(over, total).size !== total)
      say(`has finished with ${done} done and ${failed} failed`)
    const bad = TaskSet.of(failing, total)
    for (let task = 0; task < total; task++) {
      const codes = mesh.world.runs.codesOf(record.id, task)
      // More may have failed than the record has room to name.
      const fits = bad.has(task) ? codes.some((code) => code !== 0) : codes.includes(0) || failed > bad.size
      if (!fits)
        say(
          `says that task ${task} ${bad.has(task) ? 'failed' : 'is done'}, and its runs ended with ${codes.join(', ') || 'nothing'}`
        )
    }
  }
  return found
}

/** In the end everyone is told the same of each session as its keepers know. */
export function staleSummaries(mesh: Pick<SimMesh, 'left' | 'session'>, jobs: readonly Job[]): string[] {
  const found: string[] = []
  for (const { id } of jobs) {
    const record = mesh.session(id)
    if (record === undefined) continue
    for (const { name, peer } of mesh.left) {
      const told = peer?.summary(record.id)
      if (told?.epoch === record.epoch && told.state === record.state) continue
      const what = told === undefined ? 'nothing' : `"${told.state}" in epoch ${told.epoch}`
      found.push(
        `${name} shows ${what} for session ${record.id.slice(0, 6)}, which is "${record.state}" in epoch ${record.epoch}`
      )
    }
  }
  return found
}
