/** A crowd without certificates at the door of a PC: all are shown out, nothing of them stays, and the mesh works on. */
import { expect, test } from 'vitest'
import { startMesh } from '../../sim/mesh.ts'
import { createRandom } from '../../sim/random.ts'
import { crowd } from '../../sim/strangers.ts'

test('a crowd that dials at once is shown out, and the PC goes on taking work meanwhile', { timeout: 60_000 }, () => {
  const mesh = startMesh({ seed: 4, peers: 3 })
  mesh.until(() => mesh.running.length === 3 && mesh.agree() && mesh.advertised(), {
    withinMs: 30_000,
    what: 'all are here'
  })
  const [pc] = mesh.pcs
  mesh.run(20_000)
  const armed = mesh.world.timeline.size
  crowd(mesh, pc!, 80, 20_000, createRandom(4, 'crowd'))
  mesh.run(3000)
  // They are at the door, and come again.
  expect(pc!.peer!.counters.get('frame_before_hello') ?? 0).toBe(0)
  expect(pc!.peer!.refusals.length).toBeGreaterThan(40)
  expect(pc!.peer!.refusals.length).toBeLessThanOrEqual(50)
  const jobs = [mesh.submit(0, 'sleep 1'), mesh.submit(0, 'sleep 1', { mode: 'strict' })]
  mesh.until(() => jobs.every(({ id }) => mesh.session(id)?.state === 'finished'), {
    withinMs: 12_000,
    what: 'work ends'
  })
  expect(mesh.agree()).toBe(true)
  expect([...pc!.peer!.members()]).toHaveLength(3)
  // Whom discovery showed is remembered for five minutes; then nothing waits for any of them.
  mesh.run(330_000)
  expect(mesh.world.timeline.size).toBeLessThan(armed + 20)
  expect(mesh.agree()).toBe(true)
})
