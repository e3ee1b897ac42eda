/** A large mesh in small: the limit for links from all to all is lowered, and the peers are those that real PCs run. */
import { expect, test } from 'vitest'
import { startMesh } from '../../sim/mesh.ts'
import type { SimMesh } from '../../sim/mesh.ts'

const LIMIT = { meshMax: 12, meshMin: 9, rings: 4 }

function formed(seed: number, peers: number): SimMesh {
  const mesh = startMesh({ seed, peers, acquainted: true, discovery: false, membership: LIMIT })
  const whole = () => mesh.running.length === peers && mesh.agree() && mesh.advertised()
  mesh.until(whole, { withinMs: 60_000, what: 'formed', everyMs: 250 })
  return mesh
}

/** Links of each PC that runs. */
const degrees = (mesh: SimMesh): number[] =>
  mesh.running.map((pc) => [...pc.peer!.members()].filter((member) => member.linked).length)

test('a session runs on a PC without a link to its submitter, and its record is at its keepers', () => {
  const mesh = formed(11, 30)
  mesh.run(100_000)
  const submitter = mesh.pc(0)
  const far = mesh.running.find((pc) => pc !== submitter && submitter.peer!.member(pc.id)?.linked === false)!
  const job = mesh.submit(submitter, 'sleep 2', { on: far.name })
  mesh.until(() => mesh.session(job.id)?.state === 'finished', { withinMs: 30_000, what: 'finished' })
  const record = mesh.session(job.id)!
  expect(job.durability).toBeGreaterThanOrEqual(2)
  expect(record.runner).toBe(far.id)
  mesh.run(5000)
  for (const keeper of record.keepers)
    expect(mesh.pcs.find((pc) => pc.id === keeper)!.peer!.sessions.records.all.get(record.id)?.state).toBe('finished')
})

test('a session whose owner dies before it starts goes on at a keeper that had no link to it', () => {
  const mesh = formed(12, 30)
  mesh.run(100_000)
  const job = mesh.submit(0, 'sleep 5', { on: 'pc7', restart: 'on-node-loss' })
  mesh.until(() => mesh.session(job.id)?.state === 'running', { withinMs: 20_000, what: 'running' })
  mesh.kill('pc7')
  mesh.run(30_000)
  expect(mesh.session(job.id)?.owner).not.toBe(mesh.pc('pc7').id)
})

test('questions to a peer without a link are answered over one that is made for them', () => {
  const mesh = formed(13, 30)
  mesh.run(100_000)
  const asker = mesh.pc(0)
  const far = mesh.running.find((pc) => pc !== asker && asker.peer!.member(pc.id)?.linked === false)!
  far.peer!.rpc.serve('echo', (_from, arg, answer) => answer(undefined, arg))
  let heard: unknown
  asker.peer!.rpc.ask(far.id, 'echo', 'hello there', 3000, (error, value) => (heard = error ?? value))
  mesh.until(() => heard !== undefined, { withinMs: 3000, what: 'the answer' })
  expect(heard).toBe('hello there')
  mesh.kill(far)
  heard = undefined
  asker.peer!.rpc.ask(far.id, 'echo', 'anyone?', 20_000, (error, value) => (heard = error ?? value))
  mesh.until(() => heard !== undefined, { withinMs: 21_000, what: 'an answer or none' })
  expect(heard).toBeInstanceOf(Error)
})

test('links stay few while the mesh idles', () => {
  const mesh = formed(14, 30)
  mesh.run(150_000)
  expect(Math.max(...degrees(mesh))).toBeLessThan(20)
})
