/** Strict sessions in whole peers: one run at a time, whoever dies or is cut off, for each number of PCs. */
import { expect, test } from 'vitest'
import type { SimPc } from '../../sim/pc.ts'
import { formed, LEASE_MS, once, open, runs, voters } from './strict-scene.ts'

test.each([[['den']], [['den', 'attic']], [['den', 'attic', 'office']], [['a', 'b', 'c', 'd', 'e']]])(
  'a strict session runs and ends on a mesh of %j',
  (peers) => {
    const mesh = formed(31, peers)
    const job = mesh.submit(0, 'sleep 20', { mode: 'strict' })
    runs(mesh, job)
    mesh.until(() => mesh.session(job.id)?.state === 'finished', { withinMs: 40_000, what: 'it has finished' })
    expect(job.durability).toBe(Math.min(2, peers.length))
    expect(mesh.session(job.id)?.exit).toEqual({ code: 0, signal: null })
    expect(mesh.world.runs.of(job.id!)).toHaveLength(1)
  }
)

test.each([41, 42, 43, 44])('it goes on elsewhere when its runner loses power, once (seed %i)', (seed) => {
  const mesh = formed(seed, ['den', 'attic', 'office', 'shed'])
  const job = mesh.submit(0, 'sleep infinity', { mode: 'strict', restart: 'on-node-loss' })
  const runner = runs(mesh, job)
  mesh.run(5_000)
  const killedMs = mesh.nowMs
  mesh.kill(runner)
  mesh.run(100)
  const next = runs(mesh, job)
  expect(next.id).not.toBe(runner.id)
  const again = mesh.world.runs.of(job.id!).at(-1)!
  expect(again.fromMs - killedMs).toBeLessThan(15_000)
  mesh.restart(runner)
  mesh.run(30_000)
  expect(open(mesh, job)).toHaveLength(1)
  once(mesh)
})

test.each([51, 52, 53, 54])(
  'a runner that is cut off stops within its lease, and before the others start (seed %i)',
  (seed) => {
    const mesh = formed(seed, ['den', 'attic', 'office', 'shed'])
    const job = mesh.submit(0, 'sleep infinity', { mode: 'strict', restart: 'on-node-loss' })
    const runner = runs(mesh, job)
    mesh.run(5_000)
    const cutMs = mesh.nowMs
    mesh.cut(
      [runner],
      mesh.pcs.filter((pc) => pc !== runner)
    )
    mesh.until(() => !open(mesh, job).includes(runner.id), { withinMs: LEASE_MS + 100, what: 'the one cut off stops' })
    mesh.until(() => open(mesh, job).length === 1, { withinMs: 20_000, what: 'the majority goes on' })
    expect(open(mesh, job)).not.toContain(runner.id)
    expect(mesh.nowMs - cutMs).toBeLessThan(20_000)
    mesh.run(20_000)
    mesh.heal()
    mesh.run(40_000)
    expect(open(mesh, job)).toHaveLength(1)
    once(mesh)
  }
)

test('of two PCs the one that runs it votes alone: a cut and the death of the other disturb nothing', () => {
  for (const seed of [61, 62, 63, 64]) {
    const mesh = formed(seed, ['den', 'attic'])
    const job = mesh.submit(0, 'sleep infinity', { mode: 'strict', restart: 'on-node-loss' })
    const runner = runs(mesh, job)
    const other = mesh.pcs.find((pc) => pc !== runner)!
    mesh.run(5_000)
    mesh.cut([runner], [other])
    mesh.run(40_000)
    expect(open(mesh, job)).toEqual([runner.id])
    mesh.heal()
    mesh.run(20_000)
    mesh.kill(other)
    mesh.run(40_000)
    expect(open(mesh, job)).toEqual([runner.id])
    expect(mesh.world.runs.of(job.id!)).toHaveLength(1)
    mesh.restart(other)
    mesh.run(20_000)
    // The loss of the runner loses nothing, and nobody takes over by himself.
    mesh.kill(runner)
    mesh.run(60_000)
    expect(open(mesh, job)).toEqual([])
    mesh.restart(runner)
    mesh.until(() => open(mesh, job).length === 1, { withinMs: 60_000, what: `it runs again (seed ${seed})` })
    once(mesh)
  }
})

test.each([111, 112, 113, 114, 115, 116])(
  'a PC that slept has no right of before: it renews it, or the others have it and it stops (seed %i)',
  (seed) => {
    const mesh = formed(seed, ['den', 'attic', 'office'])
    const job = mesh.submit(0, 'sleep infinity', { mode: 'strict', restart: 'on-node-loss' })
    const runner = runs(mesh, job)
    const { registers } = runner.peer!.sessions.strict
    mesh.run(2_000)
    expect(registers.until(job.id!)).toBeDefined()
    runner.suspend(500)
    mesh.run(499)
    expect(registers.until(job.id!)).toBeDefined()
    const wokeMs = mesh.nowMs + 1
    mesh.until(() => registers.until(job.id!) === undefined, { withinMs: 2, everyMs: 0, what: 'it is void' })
    expect(mesh.nowMs).toBeLessThanOrEqual(wokeMs + 1)
    mesh.until(() => registers.until(job.id!) !== undefined, {
      withinMs: 3_000,
      what: 'the keepers say that it is still his'
    })
    mesh.run(10_000)
    expect(mesh.world.runs.of(job.id!).every((run) => run.peer === runner.id)).toBe(true)
    expect(open(mesh, job)).toEqual([runner.id])
    // Longer than any lease: the others go on without him.
    runner.suspend(60_000)
    mesh.run(50_000)
    expect(open(mesh, job)).toHaveLength(1)
    mesh.run(60_000)
    expect(open(mesh, job)).toHaveLength(1)
    // A PC that wakes goes on with what it did for the moment in which sessiond looks at the clock.
    for (const [a, b] of mesh.world.runs.overlaps()) {
      const [first, last] = [a, b].map((run) => [run.fromMs, run.toMs ?? Infinity] as const)
      const togetherMs = Math.min(first![1], last![1]) - Math.max(first![0], last![0])
      expect(togetherMs).toBeLessThanOrEqual(50)
    }
  }
)

test('a keeper that is gone for a minute is replaced among the voters, and the next loss is borne, too', () => {
  const mesh = formed(121, ['a', 'b', 'c', 'd', 'e'])
  const job = mesh.submit(0, 'sleep infinity', { mode: 'strict', restart: 'on-node-loss' })
  const runner = runs(mesh, job)
  const first = voters(mesh, job)
  expect(first).toHaveLength(3)
  const lose = (): string => {
    const name = voters(mesh, job).find((one) => one !== runner.name)!
    mesh.kill(name)
    mesh.until(() => !voters(mesh, job).includes(name), { withinMs: 120_000, what: `${name} votes no more` })
    expect(voters(mesh, job)).toHaveLength(3)
    return name
  }
  const gone = [lose(), lose()]
  expect(first).toEqual(expect.arrayContaining([gone[0]]))
  expect(open(mesh, job)).toEqual([runner.id])
  expect(mesh.world.runs.of(job.id!)).toHaveLength(1)
})

test('the register of a session that ended long ago is erased with its record, and by who keeps none', () => {
  const mesh = formed(122, ['a', 'b', 'c', 'd'])
  const jobs = [0, 1, 2, 3].map((pc) => mesh.submit(pc, 'sleep 1', { mode: 'strict' }))
  mesh.until(() => jobs.every((job) => mesh.session(job.id)?.state === 'finished'), {
    withinMs: 30_000,
    what: 'all have ended'
  })
  mesh.run(30_000)
  const slots = (pc: SimPc): string[] => pc.disk.keys('c/')
  expect(mesh.pcs.every((pc) => slots(pc).length > 0)).toBe(true)
  // A week later.
  for (const pc of mesh.pcs) pc.clock.wallOffsetMs += 8 * 86_400_000
  mesh.run(3_700_000)
  for (const pc of mesh.pcs) mesh.killPeerProcess(pc)
  for (const pc of mesh.pcs) mesh.restart(pc)
  mesh.run(10_000)
  expect(mesh.pcs.map(slots)).toEqual([[], [], [], []])
})

test.each([
  [131, ['den', 'attic']],
  [132, ['den', 'attic']],
  [133, ['den', 'attic', 'office']],
  [134, ['den', 'attic', 'office']]
] as const)(
  'a peer program that is back in two seconds finds its strict run again, though a keeper is off (seed %i)',
  (seed, peers) => {
    const mesh = formed(seed, peers)
    const job = mesh.submit(0, 'sleep infinity', { mode: 'strict' })
    const runner = runs(mesh, job)
    mesh.run(5_000)
    mesh.kill(mesh.pcs.find((pc) => pc !== runner)!)
    mesh.run(20_000)
    for (let i = 0; i < 3; i++) {
      mesh.killPeerProcess(runner)
      mesh.run(2_000)
      mesh.restart(runner)
      mesh.run(20_000)
    }
    expect(mesh.session(job.id)?.state).toBe('running')
    expect(open(mesh, job)).toEqual([runner.id])
    // One process: what was frozen for a moment went on.
    expect(new Set(mesh.world.runs.of(job.id!).map((run) => run.epoch)).size).toBe(1)
  }
)
