/** A large mesh in small: the limit for links from all to all is lowered, and the peers are those that real PCs run. */
import { expect, test } from 'vitest'
import { heartbeatMs } from '../../protocols/gossip/index.ts'
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

test('a hundred peers form, lose some, are cut in two, heal and agree again', () => {
  const mesh = startMesh({
    seed: 15,
    peers: 100,
    warm: true,
    discovery: false,
    membership: { meshMax: 24, meshMin: 20 }
  })
  const whole = () => mesh.agree() && listsAreEqual(mesh)
  const agreed = (what: string, withinMs: number) =>
    mesh.until(() => mesh.running.every((pc) => pc.peer?.phase === 'active') && whole(), {
      withinMs,
      what,
      everyMs: 250
    })
  agreed('formed', 20_000)
  // What was said while links were still coming up is missed here and there until it is said anew.
  mesh.run(heartbeatMs(100))
  calm(mesh, 8000)
  for (const name of ['pc3', 'pc50', 'pc77']) mesh.kill(name)
  for (const name of ['pc4', 'pc51']) mesh.killPeerProcess(name)
  agreed('the dead are known to all', 8000)
  for (const name of ['pc3', 'pc50', 'pc77', 'pc4', 'pc51']) mesh.restart(name)
  agreed('they are back', 15_000)
  const [left, right] = [mesh.pcs.slice(0, 50), mesh.pcs.slice(50)]
  mesh.cut(left, right)
  mesh.until(() => mesh.agree(left) && mesh.agree(right), { withinMs: 40_000, what: 'two halves', everyMs: 250 })
  incarnationsAreOwn(mesh)
  mesh.heal()
  // M2: three periods of comparing lists, one is a minute for a hundred.
  agreed('one mesh again', 180_000)
  mesh.run(3000)
  calm(mesh, 8000)
})

/** M2. */
function listsAreEqual(mesh: SimMesh): boolean {
  const lists = mesh.running.map(({ peer }) =>
    [...peer!.members()]
      .map(({ peer: id, inc, state }) => `${id} ${inc} ${state}`)
      .sort()
      .join('\n')
  )
  return new Set(lists).size === 1
}

/** M1: nobody holds a word of a member that it has not said. */
function incarnationsAreOwn(mesh: SimMesh): void {
  const own = new Map(mesh.running.map(({ id, peer }) => [id, peer!.member(id)!.inc]))
  for (const { peer } of mesh.running)
    for (const { peer: id, inc } of peer!.members()) expect(inc).toBeLessThanOrEqual(own.get(id) ?? Infinity)
}

/** Nothing happens for a while: nobody is held for dead (M3), readings only get newer (A1) and are fresh (A2). */
function calm(mesh: SimMesh, ms: number): void {
  const seen = new Map<string, number>()
  let [fresh, all] = [0, 0]
  for (const until = mesh.nowMs + ms; mesh.nowMs < until;) {
    mesh.run(500)
    incarnationsAreOwn(mesh)
    const spoke = new Map(mesh.running.map(({ id, peer }) => [id, peer!.ad(id)!.at]))
    for (const { id, peer } of mesh.running) {
      for (const member of peer!.members()) {
        expect(member.state).not.toBe('dead')
        const { at } = peer!.ad(member.peer)!
        const key = `${id} ${member.peer}`
        expect(at).toBeGreaterThanOrEqual(seen.get(key) ?? -Infinity)
        seen.set(key, at)
        const saidAt = spoke.get(member.peer)!
        // The pause of a hundred is one second, and two more to travel.
        if (mesh.nowMs - saidAt < 3000) continue
        all++
        if (at >= saidAt) fresh++
      }
    }
  }
  expect(all).toBeGreaterThan(10_000)
  expect(fresh / all).toBeGreaterThan(0.99)
}

test('links stay few while the mesh idles', () => {
  const mesh = formed(14, 30)
  mesh.run(150_000)
  expect(Math.max(...degrees(mesh))).toBeLessThan(20)
})
