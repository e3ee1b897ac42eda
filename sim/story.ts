/** What happened in a run, for people: faults, messages about sessions, what ran where. Recorded only when asked for. */
import { lastsMs } from './faults.ts'
import type { Fault } from './faults.ts'
import type { SimMesh } from './mesh.ts'
import type { Plan } from './plan.ts'
import { play, START_MS } from './run.ts'
import type { Outcome, PlayOptions } from './run.ts'

/** Kept at most; the last ones count. */
const STEPS_MAX = 50_000

export type Step = { atMs: number } & (
  | { k: 'message'; from: number; to: number; what: string; session: string }
  | { k: 'run' | 'halt'; pc: number; what: string; session: string }
  | { k: 'fault'; pcs: number[]; what: string; forMs: number }
)

export interface Story {
  outcome: Outcome
  names: string[]
  steps: Step[]
}

export function record(plan: Plan, options: PlayOptions = {}): Story {
  const steps: Step[] = []
  let mesh: SimMesh | undefined
  const outcome = play(plan, {
    ...options,
    onStart(started) {
      mesh = started
      listen(started, steps)
    }
  })
  for (const fault of plan.faults)
    if (fault.k !== 'site')
      steps.push({
        atMs: START_MS + fault.atMs,
        k: 'fault',
        pcs: touched(fault, plan),
        what: nameOf(fault),
        forMs: lastsMs(fault)
      })
  for (const { atMs, fault, pc } of mesh!.sites.struck)
    steps.push({ atMs, k: 'fault', pcs: [mesh!.pc(pc).index], what: fault.site, forMs: 0 })
  steps.sort((a, b) => a.atMs - b.atMs)
  return { outcome, names: mesh!.pcs.map((pc) => pc.name), steps }
}

/** A line a step. */
export function tell(plan: Plan, options: PlayOptions = {}): { outcome: Outcome; lines: string[] } {
  const { outcome, names, steps } = record(plan, options)
  return { outcome, lines: steps.map((step) => `${(step.atMs / 1000).toFixed(4)} ${sentence(step, names)}`) }
}

function sentence(step: Step, names: readonly string[]): string {
  switch (step.k) {
    case 'message':
      return `${names[step.from]} -> ${names[step.to]} ${step.what} ${step.session}`
    case 'fault':
      return `! ${step.what} (${step.pcs.map((pc) => names[pc]).join(' ')})`
    default:
      return `${names[step.pc]} ${step.k === 'run' ? 'runs' : 'halts'} ${step.what} ${step.session}`
  }
}

function listen(mesh: SimMesh, steps: Step[]): void {
  const { fabric, runs, timeline } = mesh.world
  const indexOf = new Map(mesh.pcs.map((pc) => [pc.id, pc.index]))
  const push = (step: Step): void => {
    steps.push(step)
    if (steps.length > STEPS_MAX) steps.splice(0, STEPS_MAX / 2)
  }
  const { tap } = fabric
  fabric.tap = {
    sent(from, to, plane, kind, message) {
      const fate = tap?.sent(from, to, plane, kind, message) ?? 'pass'
      if (plane !== 'reg' && plane !== 'sched') return fate
      const { record: told, id } = message as {
        record?: { id: string; epoch: number; state: string; desired: string } | null
        id?: string
      }
      const session = (told?.id ?? id ?? '').slice(0, 6)
      const version = told == null ? '' : ` ${told.state} e${told.epoch}${told.desired === 'stop' ? ' stop' : ''}`
      push({
        atMs: timeline.nowMs,
        k: 'message',
        from: from.index,
        to: to.index,
        what: `${kind}${version}${fate === 'reset' ? ' (lost)' : ''}`,
        session
      })
      return fate
    }
  }
  const { watcher } = runs
  const note = (k: 'run' | 'halt', { peer, session, epoch }: { peer: string; session: string; epoch: number }): void =>
    push({ atMs: timeline.nowMs, k, pc: indexOf.get(peer)!, what: `epoch ${epoch}`, session: session.slice(0, 6) })
  runs.watcher = {
    ordered: (session, epoch, peer) => watcher?.ordered(session, epoch, peer),
    begins(run) {
      watcher?.begins(run)
      note('run', run)
    },
    ends(run) {
      watcher?.ends(run)
      note('halt', run)
    }
  }
}

function touched(fault: Fault, { options }: Plan): number[] {
  if ('pc' in fault) return [fault.pc]
  if ('left' in fault) return [...fault.left, ...fault.right]
  if ('from' in fault) return [fault.from, fault.to]
  if ('a' in fault) return [fault.a, fault.b]
  return Array.from({ length: options.peers }, (_, i) => i)
}

export function nameOf(fault: Fault): string {
  const s = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
  switch (fault.k) {
    case 'cut':
      return `cut for ${s(fault.forMs)}`
    case 'deaf':
      return `one way cut for ${s(fault.forMs)}`
    case 'reset':
      return 'link reset'
    case 'wall':
      return `date off by ${s(fault.byMs)}`
    case 'night':
      return `all sleep for ${s(fault.sleepMs)}`
    case 'site':
      return fault.site
    default:
      return 'forMs' in fault ? `${fault.k} for ${s(fault.forMs)}` : fault.k
  }
}
