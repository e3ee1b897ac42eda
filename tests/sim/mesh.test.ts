/** Many peers in one simulated LAN: the very protocols/peer of real PCs, in virtual time. */
import { expect, test } from 'vitest'
import { startMesh } from '../../sim/mesh.ts'
import type { Job, MeshOptions, SimMesh } from '../../sim/mesh.ts'

const FORM_MS = 30_000
/** DESIGN.md section 4: nobody takes a session over earlier than this after the last word of its runner. */
const TAKEOVER_MIN_MS = 6500

function formed(options: MeshOptions): SimMesh {
  const mesh = startMesh(options)
  mesh.until(() => mesh.running.length === mesh.pcs.length && mesh.agree() && mesh.advertised(), {
    withinMs: FORM_MS,
    what: 'the mesh has formed'
  })
  return mesh
}
const runsOf = (mesh: SimMesh, job: Job) => mesh.world.runs.of(job.id ?? '')
const isRunning = (mesh: SimMesh, job: Job): boolean => runsOf(mesh, job).some((run) => run.toMs === undefined)
function running(mesh: SimMesh, job: Job, on?: string): void {
  const there = on === undefined ? undefined : mesh.pc(on).id
  const runs = (): boolean =>
    runsOf(mesh, job).some((run) => run.toMs === undefined && (there === undefined || run.peer === there))
  mesh.until(() => runs() && mesh.session(job.id)?.state === 'running', {
    withinMs: 30_000,
    what: `the job runs${on === undefined ? '' : ` on ${on}`}`
  })
}

test('a hundred peers form a mesh, gossip what they have, and share the work of one', { timeout: 300_000 }, () => {
  const mesh = formed({ seed: 1, peers: 100 })
  expect(mesh.nowMs).toBeLessThan(10_000)
  const jobs = Array.from({ length: 50 }, () => mesh.submit(0, 'sleep 6', { cpuMilli: 4000 }))
  mesh.until(() => jobs.every((job) => isRunning(mesh, job)), { withinMs: 10_000, everyMs: 100, what: 'all jobs run' })
  expect(jobs.every((job) => job.durability === 2)).toBe(true)
  const places = new Set(mesh.world.runs.runs.map((run) => run.peer))
  expect(places.size, 'one of these takes a whole PC').toBe(50)
  mesh.until(() => jobs.every((job) => mesh.session(job.id)?.state === 'finished'), {
    withinMs: 20_000,
    everyMs: 250,
    what: 'all jobs have finished'
  })
  expect(mesh.world.runs.runs).toHaveLength(50)
})

test('the same seed is the same run, to the last event; another seed is another', () => {
  const story = (seed: number): string => {
    const mesh = formed({ seed, peers: 5 })
    mesh.submit(0, 'sleep 3')
    mesh.run(1000)
    mesh.kill(4)
    mesh.submit(1, 'work 2 1', { restart: 'on-failure' })
    mesh.run(10_000)
    mesh.restart(4, { readdress: true })
    mesh.run(10_000)
    return mesh.traceHash()
  }
  const first = story(7)
  expect(first).toMatch(/^[0-9a-f]{16}$/)
  expect(story(7)).toBe(first)
  expect(story(8)).not.toBe(first)
})

test('a restartable session goes on elsewhere when its runner loses power, and not before its leash is over', () => {
  const mesh = formed({ seed: 2, peers: ['attic', 'den', 'office'] })
  const job = mesh.submit('attic', 'sleep infinity', { notOn: 'attic', restart: 'on-node-loss' })
  running(mesh, job)
  const runner = mesh.pcs.find((pc) => pc.id === mesh.session(job.id)?.runner)!
  const killedMs = mesh.nowMs
  mesh.kill(runner)
  mesh.until(() => isRunning(mesh, job), { withinMs: 20_000, what: 'the job runs again' })
  const [before, after, ...more] = runsOf(mesh, job)
  expect(more).toEqual([])
  expect(after!.peer).not.toBe(before!.peer)
  expect(after!.fromMs - killedMs).toBeGreaterThan(TAKEOVER_MIN_MS - 1000)
  expect(after!.fromMs - killedMs).toBeLessThan(12_000)
})

test('a peer process back within three seconds finds its session and nothing runs twice', () => {
  const mesh = formed({ seed: 3, peers: ['attic', 'den', 'office'] })
  const job = mesh.submit('attic', 'sleep 30', { on: 'den', restart: 'on-node-loss' })
  running(mesh, job, 'den')
  mesh.killPeerProcess('den')
  mesh.run(3000)
  mesh.restart('den')
  mesh.until(() => mesh.session(job.id)?.state === 'finished', { withinMs: 60_000, what: 'the job has finished' })
  expect(runsOf(mesh, job)).toHaveLength(1)
})

test('a peer process that stays away: its child stands still before another one starts', () => {
  const mesh = formed({ seed: 4, peers: ['attic', 'den', 'office'] })
  const job = mesh.submit('attic', 'sleep infinity', { notOn: 'attic', restart: 'on-node-loss' })
  running(mesh, job)
  const first = mesh.session(job.id)!.runner
  mesh.killPeerProcess(mesh.pcs.find((pc) => pc.id === first)!)
  mesh.until(() => isRunning(mesh, job) && runsOf(mesh, job).length === 2, {
    withinMs: 20_000,
    what: 'the job runs elsewhere'
  })
  const [before, after] = runsOf(mesh, job)
  expect(after!.peer).not.toBe(first)
  expect(before!.toMs).toBeLessThanOrEqual(after!.fromMs)
  // back again, the old child stays frozen: the session has another owner now
  mesh.restart(mesh.pcs.find((pc) => pc.id === first)!)
  mesh.run(30_000)
  expect(runsOf(mesh, job)).toHaveLength(2)
  expect(mesh.world.runs.overlaps()).toEqual([])
})

test('what was accepted is not lost with its submitter', () => {
  const mesh = formed({ seed: 5, peers: 3 })
  const job = mesh.submit(0, 'sleep 10', { on: 'pc1' })
  mesh.until(() => job.id !== undefined, { withinMs: 5000, what: 'the job is accepted' })
  mesh.kill(0)
  expect(job.durability).toBe(2)
  mesh.until(() => mesh.session(job.id)?.state === 'finished', {
    withinMs: 60_000,
    what: 'the job has finished without its submitter'
  })
})

test('the survivor of two works on alone', () => {
  const mesh = formed({ seed: 6, peers: 2 })
  mesh.kill(1)
  mesh.until(() => mesh.agree(), { withinMs: 20_000, what: 'the survivor knows that it is alone' })
  const job = mesh.submit(0, 'sleep 1')
  mesh.until(() => mesh.session(job.id)?.state === 'finished', { withinMs: 10_000, what: 'its own job has finished' })
})

test('a partition makes two halves that each agree, and healing makes one mesh again', () => {
  const mesh = formed({ seed: 7, peers: 6 })
  const [left, right] = [mesh.pcs.slice(0, 3), mesh.pcs.slice(3)]
  mesh.cut([...left], [...right])
  mesh.until(() => mesh.agree(left) && mesh.agree(right), { withinMs: 30_000, what: 'each half agrees on itself' })
  const jobs = [mesh.submit(0, 'sleep 2'), mesh.submit(5, 'sleep 2')]
  mesh.until(() => jobs.every((job) => mesh.session(job.id)?.state === 'finished'), {
    withinMs: 10_000,
    what: 'each half works'
  })
  mesh.heal()
  mesh.until(() => mesh.agree(), { withinMs: 60_000, what: 'all six agree again' })
})

test('a PC that restarts at another address is found there', () => {
  const mesh = formed({ seed: 8, peers: 4, discovery: true })
  mesh.kill(3)
  mesh.until(() => mesh.agree(), { withinMs: 20_000, what: 'the others miss it' })
  mesh.restart(3, { readdress: true })
  mesh.until(() => mesh.running.length === 4 && mesh.agree(), { withinMs: 20_000, what: 'it is back' })
})

test('a failure names the seed and the command that shows it again', () => {
  const mesh = startMesh({ seed: 42, peers: 2 })
  expect(() => mesh.until(() => false, { withinMs: 100, what: 'the moon is cheese' })).toThrow(
    /not within 100 ms from 0\.000 s: the moon is cheese\nat 0\.100 s, seed 42; again: omega sim replay --seed 42/
  )
})
