/** Scenes with one strict session: where it runs, and that it never ran twice. */
import { expect } from 'vitest'
import { startMesh } from '../../sim/mesh.ts'
import type { Job, SimMesh } from '../../sim/mesh.ts'
import type { SimPc } from '../../sim/pc.ts'
import type { Tie } from '../../protocols/session/index.ts'

/** PROTOCOLS.md 2.4.3: the lease of a runner that was cut off. */
export const LEASE_MS = 6_000

export function formed(seed: number, peers: readonly string[], witnesses: readonly string[] = []): SimMesh {
  const mesh = startMesh({ seed, peers, witnesses })
  mesh.until(() => mesh.running.length === mesh.pcs.length && mesh.agree() && mesh.advertised(), {
    withinMs: 30_000,
    what: 'the mesh has formed'
  })
  return mesh
}

/** PCs where a process of it runs now. */
export const open = (mesh: SimMesh, job: Job): string[] =>
  mesh.world.runs.of(job.id ?? '').flatMap((run) => (run.toMs === undefined ? [run.peer] : []))

/** Waits until it runs, and says where. */
export function runs(mesh: SimMesh, job: Job, withinMs = 30_000): SimPc {
  mesh.until(() => open(mesh, job).length === 1 && mesh.session(job.id)?.state === 'running', {
    withinMs,
    what: 'the strict session runs'
  })
  return mesh.pcs.find((pc) => pc.id === open(mesh, job)[0])!
}

export const once = (mesh: SimMesh): void => expect(mesh.world.runs.overlaps()).toEqual([])

export function other(mesh: SimMesh, pc: SimPc): SimPc {
  return mesh.pcs.find((one) => one !== pc)!
}

/** Everyone has heard of the rule. */
export function tied(mesh: SimMesh, tie: Tie): void {
  mesh.running[0]!.peer!.setTie(tie, () => {})
  mesh.until(() => mesh.running.every((pc) => JSON.stringify(pc.peer!.tie) === JSON.stringify(tie)), {
    withinMs: 10_000,
    what: 'all know the rule'
  })
}

/** Who votes, as every record of the session says. */
export function voters(mesh: SimMesh, job: Job): string[] {
  return (mesh.session(job.id)?.voters ?? []).map((id) => mesh.pcs.find((pc) => pc.id === id)!.name).sort()
}

export function voting(mesh: SimMesh, job: Job, names: readonly string[]): void {
  mesh.until(() => voters(mesh, job).join() === [...names].sort().join(), {
    withinMs: 90_000,
    what: `${names.join(' and ')} vote`
  })
}

/** At that PC a person may say that another one is off. */
export function awaited(mesh: SimMesh, job: Job, at: SimPc): void {
  mesh.until(() => at.peer!.sessions.awaitsWordOn(mesh.session(job.id)!).length > 0, {
    withinMs: 30_000,
    what: `a person is asked at ${at.name}`
  })
}

/** For so long it runs there and nowhere else. */
export function stays(mesh: SimMesh, job: Job, where: readonly SimPc[], forMs: number): void {
  for (let ms = 0; ms < forMs; ms += 500) {
    mesh.run(500)
    expect(open(mesh, job), `at ${mesh.nowMs} ms, seed ${mesh.seed}`).toEqual(where.map((pc) => pc.id))
  }
}
