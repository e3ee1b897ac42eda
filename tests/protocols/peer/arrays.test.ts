/** Arrays over simulated PCs: each task's result is counted once, whoever dies, and nobody gives more than it has. */
import { expect, test } from 'vitest'
import { wrongArrays } from '../../../sim/checkers.ts'
import { startMesh } from '../../../sim/mesh.ts'
import type { Job, SimMesh } from '../../../sim/mesh.ts'
import { FINAL_STATES, isTaskRun } from '../../../protocols/session/index.ts'
import type { SessionSpec } from '../../../protocols/session/index.ts'

function formed(seed: number, peers: number): SimMesh {
  const mesh = startMesh({ seed, peers })
  mesh.until(() => mesh.running.length === peers && mesh.agree() && mesh.advertised(), {
    withinMs: 30_000,
    what: 'the mesh has formed'
  })
  return mesh
}

function started(mesh: SimMesh, array: number, command: string, spec: Partial<SessionSpec> = {}): Job {
  const job = mesh.submit(0, command, { array, ...spec })
  mesh.until(() => mesh.session(job.id)?.state === 'running', { withinMs: 5000, what: 'it is handed out' })
  return job
}
const over = (mesh: SimMesh, job: Job): number => {
  const { done = 0, failed = 0 } = mesh.session(job.id)?.progress ?? {}
  return done + failed
}
function ended(mesh: SimMesh, job: Job, withinMs = 60_000): void {
  mesh.until(() => FINAL_STATES.has(mesh.session(job.id)!.state), { withinMs, what: 'it has ended' })
  expect(wrongArrays(mesh, [job])).toEqual([])
}
const taskRuns = (mesh: SimMesh) => mesh.world.runs.runs.filter((run) => isTaskRun(run.epoch))
/** When all slots are given, all PCs run as much as they give. */
const most = (mesh: SimMesh, peer: string): number => {
  const runs = taskRuns(mesh).filter((run) => run.peer === peer)
  const at = (ms: number): number =>
    runs.filter((run) => run.fromMs <= ms && ms < (run.toMs ?? Infinity)).reduce((sum, run) => sum + run.cpuMilli, 0)
  return Math.max(0, ...runs.map((run) => at(run.fromMs)))
}

test('its tasks fill the slots of every PC, each runs once, and the record holds ranges', () => {
  const mesh = formed(501, 3)
  const job = started(mesh, 120, 'sleep 1')
  const sinceMs = mesh.nowMs
  ended(mesh, job)
  // 12 slots: ten rounds of a second, and what starting and the last tick take.
  expect(mesh.nowMs - sinceMs).toBeLessThan(13_000)
  expect(taskRuns(mesh)).toHaveLength(120)
  for (const pc of mesh.pcs) expect(most(mesh, pc.id)).toBe(4000)
  expect(mesh.session(job.id)).toMatchObject({
    state: 'finished',
    exit: { code: 0, signal: null },
    progress: { done: 120, failed: 0, running: 0, over: [0, 120], failing: [] }
  })
  expect(mesh.session(job.id)!.runner).toBeUndefined()
  mesh.run(3000)
  for (const pc of mesh.pcs) expect(pc.peer!.sessions.granted()).toEqual({ cpuMilli: 0, memoryBytes: 0 })
})

test('short tasks go out many at a time: starting one costs no more than its run', () => {
  const mesh = formed(502, 2)
  const job = started(mesh, 2000, 'true')
  const sinceMs = mesh.nowMs
  ended(mesh, job)
  const meanMs = taskRuns(mesh).reduce((sum, run) => sum + run.toMs! - run.fromMs, 0) / 2000 + 10
  expect((mesh.nowMs - sinceMs) * 8).toBeLessThan(2.5 * 2000 * meanMs)
  expect(taskRuns(mesh)).toHaveLength(2000)
})

test('a task that fails is tried again as often as its policy allows, then counted', () => {
  const mesh = formed(503, 2)
  const never = started(mesh, 5, 'exit 3')
  ended(mesh, never)
  expect(taskRuns(mesh)).toHaveLength(5)
  expect(mesh.session(never.id)).toMatchObject({
    state: 'finished',
    exit: { code: 1, signal: null },
    reason: '0 of 5 tasks done, 5 failed',
    progress: { done: 0, failed: 5, failing: [0, 5] }
  })
  const again = started(mesh, 5, 'exit 3', { restart: 'on-failure' })
  ended(mesh, again)
  expect(taskRuns(mesh)).toHaveLength(5 + 5 * 6)
})

test('what no PC can start fails with its reason', () => {
  const mesh = formed(504, 3)
  const job = mesh.submit(0, 'no-such-program', { array: 20 })
  mesh.until(() => mesh.session(job.id)?.state === 'failed', { withinMs: 30_000, what: 'it has failed' })
  expect(mesh.session(job.id)!.reason).toContain('no such program')
  mesh.run(2000)
  for (const pc of mesh.pcs) expect(pc.peer!.sessions.granted()).toEqual({ cpuMilli: 0, memoryBytes: 0 })
})

test.each([
  ['loses power', (mesh: SimMesh) => mesh.kill(1)],
  ['has its peer restarted', (mesh: SimMesh) => (mesh.killPeerProcess(1), mesh.run(500), mesh.restart(1))],
  ['is paused by its owner', (mesh: SimMesh) => mesh.pc(1).peer!.sessions.pause()],
  ['goes down', (mesh: SimMesh) => mesh.pc(1).down({ drain: true, forever: false }, () => {})]
])('a worker that %s gives its tasks back, and only those run again', (_, strike) => {
  const mesh = formed(505, 3)
  const job = started(mesh, 60, 'sleep 2')
  mesh.until(() => over(mesh, job) >= 12, { withinMs: 10_000, what: 'the first are over' })
  strike(mesh)
  ended(mesh, job)
  expect(mesh.session(job.id)!.progress).toMatchObject({ done: 60, failed: 0 })
  expect(taskRuns(mesh).length).toBeLessThanOrEqual(60 + 8)
  mesh.run(20_000)
  for (const pc of mesh.running) expect(pc.peer!.sessions.granted()).toEqual({ cpuMilli: 0, memoryBytes: 0 })
})

test.each([
  ['loses power', (mesh: SimMesh) => mesh.kill(0)],
  ['goes down', (mesh: SimMesh) => mesh.pc(0).down({ drain: true, forever: false }, () => {})]
])('an owner that %s is replaced by a keeper, which goes on from what was over', (_, strike) => {
  const mesh = formed(506, 3)
  const job = started(mesh, 60, 'sleep 2')
  mesh.until(() => over(mesh, job) >= 24, { withinMs: 20_000, what: 'some are over' })
  const before = over(mesh, job)
  const ranBefore = taskRuns(mesh).length
  strike(mesh)
  ended(mesh, job)
  const record = mesh.session(job.id)!
  expect(record.progress).toMatchObject({ done: 60, failed: 0 })
  expect(record.owner).not.toBe(mesh.pc(0).id)
  // What was over is not done again; what was under way is, because its results were for the old owner.
  expect(taskRuns(mesh).length - ranBefore).toBeLessThanOrEqual(60 - before + 12)
})

test('an owner back from a restart of its peer goes on with a higher epoch, and old chunks are let go of', () => {
  const mesh = formed(507, 3)
  const job = started(mesh, 60, 'sleep 2')
  mesh.until(() => over(mesh, job) >= 12, { withinMs: 20_000, what: 'some are over' })
  const { epoch } = mesh.session(job.id)!
  mesh.killPeerProcess(0)
  mesh.run(300)
  mesh.restart(0)
  ended(mesh, job)
  expect(mesh.session(job.id)!.epoch).toBeGreaterThan(epoch)
  expect(mesh.session(job.id)!.progress).toMatchObject({ done: 60, failed: 0 })
})

test("both sides of a cut finish it, and after healing one of the two results is everybody's", () => {
  const mesh = formed(510, 4)
  const job = started(mesh, 80, 'sleep 2')
  mesh.until(() => over(mesh, job) >= 12, { withinMs: 10_000, what: 'the first are over' })
  mesh.cut([0, 1], [2, 3])
  mesh.run(60_000)
  mesh.heal()
  mesh.run(60_000)
  ended(mesh, job)
  const told = mesh.pcs.map((pc) => pc.peer!.summary(job.id!)!)
  expect(new Set(told.map(({ epoch, state }) => `${state} ${epoch}`)).size).toBe(1)
  expect(mesh.session(job.id)!.progress).toMatchObject({ done: 80, failed: 0 })
  for (const pc of mesh.pcs) expect(pc.peer!.sessions.granted()).toEqual({ cpuMilli: 0, memoryBytes: 0 })
})

test('a stop, said anywhere, ends the tasks everywhere and says how far it came', () => {
  const mesh = formed(508, 3)
  const job = started(mesh, 1000, 'sleep 2')
  mesh.until(() => over(mesh, job) >= 12, { withinMs: 20_000, what: 'some are over' })
  mesh.pc(2).peer!.sessions.stop(mesh.session(job.id)!, 'ann', () => {})
  mesh.until(() => mesh.session(job.id)?.state === 'stopped', { withinMs: 5000, what: 'it is stopped' })
  mesh.until(() => taskRuns(mesh).every((run) => run.toMs !== undefined), { withinMs: 8000, what: 'nothing runs' })
  expect(mesh.session(job.id)!.progress!.done).toBeGreaterThanOrEqual(12)
  for (const pc of mesh.pcs) expect(pc.peer!.sessions.granted()).toEqual({ cpuMilli: 0, memoryBytes: 0 })
})

test('where everything is full, the class says who has the next room', () => {
  const mesh = formed(511, 2)
  const full = Array.from({ length: 8 }, () => mesh.submit(0, 'sleep 20'))
  mesh.until(() => full.every((job) => mesh.session(job.id)?.state === 'running'), { withinMs: 9000, what: 'full' })
  const [last, usual, first] = [4, 2, 0].map((rank) => {
    const job = mesh.submit(1, 'sleep 1', { class: rank, cpuMilli: 4000 })
    mesh.run(1000)
    return job
  })
  const startOf = (job: Job | undefined): number => mesh.session(job?.id)?.startedAt ?? Infinity
  mesh.until(() => [last, usual, first].every((job) => mesh.session(job?.id)?.state === 'finished'), {
    withinMs: 60_000,
    what: 'all have run'
  })
  expect(startOf(first)).toBeLessThanOrEqual(startOf(usual))
  expect(startOf(usual)).toBeLessThan(startOf(last))
})

test('a session beside it gets its turn, though the array would fill everything', () => {
  const mesh = formed(509, 2)
  started(mesh, 1000, 'sleep 1')
  mesh.run(3000)
  const single = mesh.submit(1, 'sleep 1')
  mesh.until(() => mesh.session(single.id)?.state === 'finished', { withinMs: 8000, what: 'it has had its turn' })
})
