/** What must be true whatever happened (PROTOCOLS.md 2.8.4), looked at from outside of the peers. Violations are sentences. */
import { FINAL_STATES } from '../protocols/session/index.ts'
import type { Job, SimMesh } from './mesh.ts'

/** Time in which some PCs did not hear others, and may rightly have taken them for dead. */
export interface Disturbance {
  fromMs: number
  toMs: number
}

/** How long after healing two owners of one session may not have heard of each other yet. */
const MERGE_MS = 60_000

/** Each accepted session is still known to somebody. */
export function lostSessions(mesh: SimMesh, jobs: readonly Job[]): string[] {
  const lost = jobs.filter((job) => job.id !== undefined && mesh.session(job.id) === undefined)
  return lost.map(
    (job) => `session ${job.id} was accepted with ${job.durability} copies on disk and no PC knows it any more`
  )
}

/** After the quiet phase each accepted session has ended, or runs because it should. */
export function unfinished(mesh: SimMesh, jobs: readonly Job[]): string[] {
  const found: string[] = []
  for (const { id } of jobs) {
    const record = mesh.session(id)
    if (record === undefined || FINAL_STATES.has(record.state)) continue
    const open = mesh.world.runs.of(record.id).filter((run) => run.toMs === undefined)
    if (open.length === 1 && record.state === 'running' && open[0]!.peer === record.runner) continue
    found.push(
      `session ${record.id} is "${record.state}" (epoch ${record.epoch}) and ${open.length} processes of it run`
    )
  }
  return found
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
