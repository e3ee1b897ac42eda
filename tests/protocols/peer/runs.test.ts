/** What holds for the children of one PC while it is paused, restarted or superseded. */
import { expect, test } from 'vitest'
import { startMesh } from '../../../sim/mesh.ts'
import type { MeshError } from '../../../protocols/errors.ts'
import type { Job, SimMesh } from '../../../sim/mesh.ts'

function formed(seed: number, peers: number): SimMesh {
  const mesh = startMesh({ seed, peers })
  mesh.until(() => mesh.running.length === peers && mesh.agree() && mesh.advertised(), {
    withinMs: 30_000,
    what: 'the mesh has formed'
  })
  return mesh
}
const openRuns = (mesh: SimMesh, job: Job) => mesh.world.runs.of(job.id ?? '').filter((run) => run.toMs === undefined)

test('a PC that was paused by its owner is paused after a restart of its peer, until its owner gives again', () => {
  const mesh = formed(411, 2)
  const pc = mesh.pc(0)
  let kept = false
  pc.peer!.sessions.pause(() => (kept = true))
  mesh.until(() => kept, { withinMs: 1000, what: 'the wish is on disk' })
  mesh.kill(pc)
  mesh.run(1000)
  mesh.restart(pc)
  mesh.until(() => pc.peer?.phase === 'active' && mesh.agree(), { withinMs: 30_000, what: 'it is back' })
  const job = mesh.submit(1, 'sleep 5', { on: 'pc0' })
  mesh.run(10_000)
  expect(mesh.session(job.id)).toMatchObject({
    state: 'pending',
    reason: expect.stringContaining('paused by its owner')
  })
  pc.peer!.sessions.resume()
  mesh.until(() => openRuns(mesh, job).length === 1, { withinMs: 10_000, what: 'it runs there' })
  mesh.kill(pc)
  mesh.restart(pc)
  mesh.until(() => pc.peer?.phase === 'active', { withinMs: 30_000, what: 'it is back' })
  expect(pc.peer!.sessions.admission.paused).toBe(false)
})

test('a run that ended while its peer was away does not bar its PC from the next one', () => {
  const mesh = formed(413, 2)
  const pc = mesh.pc(1)
  const job = mesh.submit(0, 'sleep 3', { on: 'pc1', restart: 'on-node-loss' })
  mesh.until(() => openRuns(mesh, job).length === 1 && mesh.session(job.id)?.state === 'running', {
    withinMs: 30_000,
    what: 'it runs'
  })
  mesh.killPeerProcess(pc)
  mesh.until(() => mesh.session(job.id)?.owner === mesh.pc(0).id, { withinMs: 30_000, what: 'it is taken over' })
  expect(openRuns(mesh, job)).toEqual([])
  mesh.restart(pc)
  mesh.until(() => openRuns(mesh, job).length === 1, { withinMs: 30_000, what: 'it runs there again' })
  expect(openRuns(mesh, job)[0]).toMatchObject({ peer: pc.id, epoch: mesh.session(job.id)!.epoch })
})

test('a worker that is bound again says that it has the session', () => {
  const mesh = formed(414, 2)
  const [owner, worker] = [mesh.pc(0), mesh.pc(1)]
  const job = mesh.submit(owner, 'sleep infinity', { on: 'pc1' })
  mesh.until(() => mesh.session(job.id)?.state === 'running', { withinMs: 30_000, what: 'it runs' })
  const said: string[] = []
  mesh.world.fabric.tap = {
    sent(from, _to, plane, kind) {
      if (from === worker.station && plane === 'sched') said.push(kind)
      return 'pass'
    }
  }
  const now = mesh.session(job.id)!
  const asked = { ...now, owner: owner.id, epoch: now.epoch - 1, seq: 3, state: 'placing' }
  owner.station.program!.hand(worker.id, 'sched', { t: 'bind', record: asked })
  mesh.run(1000)
  expect(said).toEqual(['bound'])
  expect(mesh.world.runs.of(now.id)).toHaveLength(1)
})

test('a run kept frozen counts with its memory and without its processor, until it is discarded', () => {
  const mesh = formed(412, 4)
  const job = mesh.submit(0, 'sleep infinity', { notOn: 'pc0', restart: 'always', memoryBytes: 3 * 2 ** 30 })
  mesh.until(() => openRuns(mesh, job).length === 1 && mesh.session(job.id)?.state === 'running', {
    withinMs: 30_000,
    what: 'it runs'
  })
  const old = mesh.pcs.find((pc) => pc.id === mesh.session(job.id)!.runner)!
  mesh.cut(
    [old],
    mesh.pcs.filter((pc) => pc !== old)
  )
  mesh.until(() => openRuns(mesh, job).length === 2, { withinMs: 30_000, what: 'both sides run it' })
  mesh.heal()
  const kept = { cpuMilli: 0, memoryBytes: 3 * 2 ** 30 }
  mesh.until(() => old.peer!.sessions.forks.has(job.id!), { withinMs: 60_000, what: 'the older run is kept' })
  expect(old.peer!.sessions.granted()).toEqual(kept)
  // Also where the peer was restarted and has only the report of sessiond.
  mesh.killPeerProcess(old)
  mesh.run(1000)
  mesh.restart(old)
  mesh.until(() => old.peer?.sessions.forks.has(job.id!) === true, { withinMs: 30_000, what: 'it is still kept' })
  expect(old.peer!.sessions.granted()).toEqual(kept)
  // Everyone is told where it is kept, and may discard it without the session itself being touched.
  const asker = mesh.pc(0).peer!
  mesh.until(() => asker.forksOf(job.id!).length === 1, { withinMs: 5000, what: 'all know where it is kept' })
  expect(asker.forksOf(job.id!)).toEqual([old.id])
  let answer: MeshError | 'discarded' | undefined
  asker.sessions.discardForks(job.id!, (error) => (answer = error ?? 'discarded'))
  mesh.until(() => answer !== undefined, { withinMs: 5000, what: 'an answer' })
  expect(answer).toBe('discarded')
  expect(old.peer!.sessions.forks.size).toBe(0)
  expect(old.peer!.sessions.granted()).toEqual({ cpuMilli: 0, memoryBytes: 0 })
  mesh.run(5000)
  expect(openRuns(mesh, job)).toHaveLength(1)
  expect(mesh.session(job.id)?.state).toBe('running')
  expect(asker.forksOf(job.id!)).toEqual([])
  asker.sessions.discardForks(job.id!, (error) => (answer = error ?? 'discarded'))
  expect(answer).toMatchObject({ code: 'BAD_REQUEST', message: expect.stringContaining('no PC keeps a frozen run') })
})

test('a stop reaches a run kept frozen on a PC that keeps no record of the session', () => {
  const mesh = formed(412, 4)
  const spec = { notOn: 'pc0', restart: 'always', cpuMilli: 500 } as const
  const jobs = Array.from({ length: 12 }, () => mesh.submit(0, 'sleep infinity', spec))
  mesh.until(() => jobs.every((job) => mesh.session(job.id)?.state === 'running'), {
    withinMs: 30_000,
    what: 'all run'
  })
  // three of four PCs keep a record: some of twelve run on the fourth
  const job = jobs.find(({ id }) => !mesh.session(id)!.keepers.includes(mesh.session(id)!.runner!))!
  const old = mesh.pcs.find((pc) => pc.id === mesh.session(job.id)!.runner)!
  mesh.cut(
    [old],
    mesh.pcs.filter((pc) => pc !== old)
  )
  mesh.until(() => openRuns(mesh, job).length === 2, { withinMs: 30_000, what: 'both sides run it' })
  mesh.heal()
  mesh.until(() => old.peer!.sessions.forks.has(job.id!), { withinMs: 60_000, what: 'the older run is kept' })
  const { sessions } = mesh.pc(0).peer!
  sessions.stop(sessions.records.all.get(job.id!)!, 'ann', () => {})
  mesh.until(() => openRuns(mesh, job).length === 0 && !old.peer!.sessions.forks.has(job.id!), {
    withinMs: 10_000,
    what: 'nothing of it is left'
  })
})

test('a report of sessiond that crosses the order to start a child says nothing about that child', () => {
  const mesh = formed(413, 3)
  const reported: string[] = []
  mesh.world.runs.watcher = {
    ordered: (id) => {
      reported.push(id)
      mesh.world.timeline.at(0, () => mesh.pc(0).peer!.sessions.runs.children([]))
    },
    begins: () => {},
    ends: () => {}
  }
  const job = mesh.submit(0, 'sleep 5', { restart: 'on-node-loss', on: 'pc0' })
  mesh.until(() => mesh.session(job.id)?.state === 'finished', { withinMs: 20_000, what: 'it has ended' })
  expect(reported).toEqual([job.id])
  expect(mesh.world.runs.of(job.id!)).toHaveLength(1)
})

test('a start that sessiond could not tell of is seen in its next report', () => {
  const mesh = formed(414, 3)
  const job = mesh.submit(0, 'sleep 5', { restart: 'on-node-loss', on: 'pc0' })
  const { runs, records } = mesh.pc(0).peer!.sessions
  const started = runs.started.bind(runs)
  runs.started = (id, epoch, pid) => {
    runs.started = started
    mesh.world.timeline.at(10, () => runs.children([{ session: id, epoch, state: 'running', pid }]))
  }
  mesh.until(() => records.all.get(job.id!)?.state === 'running', { withinMs: 3000, what: 'it runs' })
  mesh.until(() => mesh.session(job.id)?.state === 'finished', { withinMs: 20_000, what: 'it has ended' })
  expect(mesh.world.runs.of(job.id!)).toHaveLength(1)
})
