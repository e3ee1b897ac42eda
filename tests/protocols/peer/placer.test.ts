/** How sessions find room in a mesh that has little of it (PROTOCOLS.md 2.3). */
import { expect, test } from 'vitest'
import { startMesh } from '../../../sim/mesh.ts'
import type { Job, SimMesh } from '../../../sim/mesh.ts'

function formed(seed: number, peers: number): SimMesh {
  const mesh = startMesh({ seed, peers })
  mesh.until(() => mesh.running.length === peers && mesh.agree() && mesh.advertised(), {
    withinMs: 30_000,
    what: 'the mesh has formed'
  })
  return mesh
}
const runs = (mesh: SimMesh, job: Job) => mesh.world.runs.of(job.id ?? '')
function filled(mesh: SimMesh, command: string): Job[] {
  const jobs = mesh.pcs.map((pc) => mesh.submit(0, command, { on: pc.name, cpuMilli: 4000 }))
  mesh.until(() => jobs.every((job) => runs(mesh, job).length === 1), { withinMs: 10_000, what: 'every PC is full' })
  return jobs
}

test('a session without room waits in queues, says so, and starts the moment that room is free', () => {
  const mesh = formed(421, 4)
  const jobs = filled(mesh, 'sleep infinity')
  const late = mesh.submit(1, 'sleep 5')
  mesh.until(() => mesh.session(late.id)?.state === 'pending', { withinMs: 5000, what: 'it waits' })
  expect(mesh.session(late.id)?.reason).toMatch(/waits there as number 1/)
  mesh.run(12_000)
  const { sessions } = mesh.pc(0).peer!
  sessions.stop(sessions.records.all.get(jobs[2]!.id!) ?? mesh.session(jobs[2]!.id)!, 'ann', () => {})
  mesh.until(() => runs(mesh, jobs[2]!)[0]!.toMs !== undefined, { withinMs: 10_000, what: 'one has ended' })
  const freedMs = runs(mesh, jobs[2]!)[0]!.toMs!
  mesh.until(() => runs(mesh, late).length === 1, { withinMs: 5000, what: 'it runs' })
  expect(runs(mesh, late)[0]!.peer).toBe(mesh.pc(2).id)
  expect(runs(mesh, late)[0]!.fromMs - freedMs).toBeLessThan(200)
})

test('who has waited longest at a PC gets its room, though others ask when it is free', () => {
  const mesh = formed(422, 3)
  const [first] = filled(mesh, 'sleep 20')
  const waiting = [0, 1, 2].map((from) => {
    const job = mesh.submit(from, 'sleep 3', { on: 'pc0', cpuMilli: 4000 })
    mesh.run(1000)
    return job
  })
  mesh.until(() => runs(mesh, first!)[0]!.toMs !== undefined, { withinMs: 30_000, what: 'the first has ended' })
  const pushy = mesh.submit(0, 'sleep 3', { on: 'pc0', cpuMilli: 4000 })
  const all = [...waiting, pushy]
  mesh.until(() => all.every((job) => mesh.session(job.id)?.state === 'finished'), {
    withinMs: 60_000,
    what: 'all have run'
  })
  const starts = all.map((job) => runs(mesh, job)[0]!.fromMs)
  expect(starts).toEqual(starts.toSorted((a, b) => a - b))
})

test('a paused PC sends those away who wait there, and a worker that loses its queue is asked again', () => {
  const mesh = formed(423, 2)
  filled(mesh, 'sleep infinity')
  const late = mesh.submit(0, 'sleep 2', { on: 'pc1' })
  mesh.until(() => mesh.session(late.id)?.reason?.includes('as number 1') === true, {
    withinMs: 5000,
    what: 'it waits'
  })
  mesh.pc(1).peer!.sessions.pause()
  mesh.run(35_000)
  expect(mesh.session(late.id)?.reason).toContain('paused by its owner')
  // It comes back with nothing running and an empty queue.
  mesh.kill(1)
  mesh.run(2000)
  mesh.restart(1)
  mesh.until(() => mesh.pc(1).peer?.phase === 'active', { withinMs: 10_000, what: 'it is back' })
  mesh.pc(1).peer!.sessions.resume()
  mesh.until(() => mesh.session(late.id)?.state === 'finished', { withinMs: 60_000, what: 'it has run' })
})

test('a burst spreads over the mesh without one PC being promised too much', () => {
  const mesh = formed(424, 5)
  const jobs = Array.from({ length: 40 }, (_, i) => mesh.submit(i % 5, 'sleep 4'))
  for (let ms = 0; ms < 30_000; ms += 50) {
    mesh.run(50)
    for (const { peer, name } of mesh.running) expect(peer!.sessions.granted().cpuMilli, name).toBeLessThanOrEqual(4000)
  }
  expect(jobs.map((job) => mesh.session(job.id)?.state)).toEqual(jobs.map(() => 'finished'))
  // 20 at a time: two waves of 4 s.
  const ends = jobs.map((job) => runs(mesh, job)[0]!.toMs!)
  const starts = jobs.map((job) => runs(mesh, job)[0]!.fromMs)
  expect(Math.max(...ends) - Math.min(...starts)).toBeLessThan(9000)
})
