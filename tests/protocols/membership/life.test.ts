/** Coming, going, coming back: leaving, refuting, restarting elsewhere, partitions that heal. */
import { expect, test } from 'vitest'
import { MEMBERSHIP, readRecord } from '../../../protocols/membership/index.ts'
import { sumsHere } from '../../../protocols/membership/spread.ts'
import { fakeCrypto, idOf, isWhole, keyOf, Mesh, names } from './mesh.ts'

function whole(seed: number, count: number): Mesh {
  const mesh = Mesh.formed(seed, names(count))
  expect(mesh.runUntil(() => isWhole(mesh), 5000)).toBeDefined()
  mesh.run(3000)
  return mesh
}

function all(mesh: Mesh, name: string, state: string | undefined): boolean {
  return mesh.running().every((pc) => pc.name === name || pc.sees(name) === state)
}

test('who shuts down is seen as left by all within a second, and nobody dials it', () => {
  const mesh = whole(1, 5)
  const pc = mesh.pc('pc3')
  pc.mem({ k: 'leave', forever: false })
  expect(mesh.runUntil(() => all(mesh, 'pc3', 'left'), 1000)).toBeDefined()
  mesh.crash('pc3')
  mesh.run(60_000)
  expect(all(mesh, 'pc3', 'left')).toBe(true)
  expect(
    mesh
      .pc('pc0')
      .changes.filter((change) => change.peer === 'pc3')
      .map((change) => change.now)
  ).toEqual(['alive', 'left'])
  expect(mesh.pc('pc0').member('pc3')?.reason).toBe('was shut down')
})

test('who shut down and starts again is alive for all, one incarnation higher', () => {
  const mesh = whole(2, 3)
  mesh.pc('pc1').mem({ k: 'leave', forever: false })
  mesh.run(500)
  mesh.crash('pc1')
  const before = mesh.pc('pc0').member('pc1')!.inc
  mesh.run(5000)
  mesh.boot('pc1')
  expect(mesh.runUntil(() => isWhole(mesh), 3000)).toBeDefined()
  expect(mesh.pc('pc0').member('pc1')!.inc).toBeGreaterThan(before)
})

test('who leaves the mesh for good is dropped by all after a while and not brought back by old word', () => {
  const mesh = whole(3, 4)
  const old = mesh.pc('pc0').disk.get(idOf('pc2'))!
  mesh.pc('pc2').mem({ k: 'leave', forever: true })
  mesh.run(1000)
  mesh.crash('pc2')
  expect(mesh.pc('pc0').member('pc2')?.reason).toBe('left the mesh')
  mesh.run(MEMBERSHIP.leftSpreadMs + 2 * MEMBERSHIP.deadRedialMs)
  expect(all(mesh, 'pc2', undefined)).toBe(true)
  mesh.pc('pc0').mem({ k: 'msg', from: idOf('pc1'), msg: { t: 'news', g: [{ k: 'a', r: old }] } })
  expect(mesh.pc('pc0').member('pc2')).toBeUndefined()
})

test('an accused peer objects with a higher incarnation, and the others believe it', () => {
  const mesh = whole(4, 4)
  const accused = mesh.pc('pc1')
  const inc = accused.member('pc1')!.inc
  mesh.pc('pc0').mem({
    k: 'msg',
    from: idOf('pc2'),
    msg: { t: 'news', g: [{ k: 'v', p: accused.id, i: inc, s: 'suspect', b: [idOf('pc2')], w: 'timeout' }] }
  })
  expect(mesh.pc('pc0').sees('pc1')).toBe('suspect')
  expect(mesh.runUntil(() => all(mesh, 'pc1', 'alive'), 1000)).toBeDefined()
  expect(accused.member('pc1')!.inc).toBe(inc + 1)
  expect(readRecord(accused.disk.get(accused.id)!, fakeCrypto(keyOf('pc1')))?.inc, 'on disk before it counts').toBe(
    inc + 1
  )
})

test('a peer wrongly declared dead is alive again after one objection, and its link stays', () => {
  const mesh = whole(5, 3)
  const accused = mesh.pc('pc2')
  const inc = accused.member('pc2')!.inc
  mesh.run(1000)
  mesh.pc('pc0').mem({ k: 'heard', peer: accused.id })
  mesh.pc('pc0').mem({
    k: 'msg',
    from: idOf('pc1'),
    msg: { t: 'news', g: [{ k: 'v', p: accused.id, i: inc, s: 'dead', b: [idOf('pc1')], w: 'timeout' }] }
  })
  expect(mesh.pc('pc0').sees('pc2')).toBe('dead')
  expect(mesh.runUntil(() => all(mesh, 'pc2', 'alive'), 1000)).toBeDefined()
  expect(mesh.pc('pc0').linked.has(accused.id)).toBe(true)
})

test('a partition of ten becomes two meshes, and one again within a minute after it heals', () => {
  for (const seed of [1, 2, 3]) {
    const mesh = whole(seed, 10)
    const left = names(10).slice(0, 4)
    const right = names(10).slice(4)
    mesh.partition(left, right)
    mesh.run(60_000)
    for (const a of left) for (const b of right) expect(mesh.pc(a).sees(b), `${a} ${b}`).toBe('dead')
    for (const a of left) for (const b of left) if (a !== b) expect(mesh.pc(a).sees(b)).toBe('alive')
    mesh.heal()
    expect(
      mesh.runUntil(() => isWhole(mesh), 60_000),
      `seed ${seed}`
    ).toBeDefined()
    mesh.run(3 * MEMBERSHIP.syncPeriodMs)
    const lists = mesh
      .running()
      .map((pc) => JSON.stringify(names(10).map((name) => [name, pc.member(name)!.inc, pc.sees(name)])))
    expect(new Set(lists).size).toBe(1)
  }
})

test('a peer that comes back with another address, known to nobody, finds its mesh by what it remembers', () => {
  const mesh = whole(6, 3)
  mesh.powerOff('pc1')
  mesh.run(20_000)
  mesh.pc('pc1').address = '/dns4/elsewhere/tcp/9'
  mesh.boot('pc1')
  expect(mesh.runUntil(() => isWhole(mesh), 5000)).toBeDefined()
  expect(mesh.pc('pc2').member('pc1')!.addresses).toEqual(['/dns4/elsewhere/tcp/9'])
})

test('when all come back with other addresses, one sighting each way is enough', () => {
  const mesh = whole(7, 3)
  for (const name of names(3)) mesh.powerOff(name)
  mesh.run(1000)
  for (const name of names(3)) mesh.pc(name).address = `/dns4/new-${name}/tcp/1`
  for (const name of names(3)) mesh.boot(name)
  mesh.run(15_000)
  expect(mesh.running().every((pc) => pc.linked.size === 0)).toBe(true)
  mesh.show('pc0', 'pc1')
  mesh.show('pc1', 'pc2')
  expect(mesh.runUntil(() => isWhole(mesh), 5000)).toBeDefined()
})

test('a peer that knows one member learns of all others and links to them', () => {
  const mesh = new Mesh(8)
  for (const name of names(6)) mesh.add(name)
  for (const name of names(6)) mesh.boot(name)
  for (let i = 1; i < 6; i++) mesh.show(`pc${i}`, `pc${i - 1}`)
  expect(mesh.runUntil(() => isWhole(mesh), 5000)).toBeDefined()
})

test('after a restart others are shown as not heard of yet, and those who are off are not said to have died now', () => {
  const mesh = whole(9, 3)
  mesh.powerOff('pc1')
  mesh.powerOff('pc2')
  mesh.run(10_000)
  mesh.crash('pc0')
  mesh.boot('pc0')
  const pc = mesh.pc('pc0')
  expect(pc.sees('pc1')).toBe('dead')
  expect(pc.member('pc1')!.reason).toContain('since this PC started')
  mesh.run(60_000)
  expect(pc.changes.slice(-2).every((change) => change.now !== 'suspect')).toBe(true)
  expect(pc.isolations.at(-1)?.is).toBe(true)
})

test('a changed name travels to all', () => {
  const mesh = whole(10, 4)
  mesh.pc('pc1').mem({ k: 'self', name: 'kitchen' })
  expect(mesh.runUntil(() => mesh.running().every((pc) => pc.member('pc1')?.name === 'kitchen'), 1000)).toBeDefined()
})

test('a peer whose folder was restored from a backup goes above what it once said', () => {
  const mesh = whole(11, 2)
  const pc = mesh.pc('pc1')
  const backup = new Map(pc.disk)
  for (const name of ['a', 'b', 'c', 'd']) pc.mem({ k: 'self', name })
  mesh.run(1000)
  const before = mesh.pc('pc0').member('pc1')!.inc
  mesh.crash('pc1')
  pc.disk.clear()
  for (const [peer, bytes] of backup) pc.disk.set(peer, bytes)
  mesh.boot('pc1')
  expect(mesh.runUntil(() => isWhole(mesh) && mesh.pc('pc0').member('pc1')!.inc > before, 5000)).toBeDefined()
  expect(mesh.pc('pc0').member('pc1')!.name).toBe('pc1')
})

test('an expelled peer is dropped, cut off and not taken back', () => {
  const mesh = whole(12, 3)
  for (const name of ['pc0', 'pc1']) mesh.pc(name).mem({ k: 'expel', peer: idOf('pc2') })
  mesh.run(60_000)
  expect(mesh.pc('pc0').member('pc2')).toBeUndefined()
  expect(mesh.pc('pc0').linked.has(idOf('pc2'))).toBe(false)
  expect(mesh.pc('pc0').sees('pc1')).toBe('alive')
})

test('the dead are forgotten after their time, those who shut down after theirs', () => {
  expect([MEMBERSHIP.deadKeepMs, MEMBERSHIP.leftKeepMs]).toEqual([72 * 3_600_000, 24 * 3_600_000])
  const mesh = new Mesh(13)
  mesh.timers = { deadKeepMs: 72 * 60_000, leftKeepMs: 24 * 60_000 }
  for (const name of names(4)) mesh.add(name)
  for (const name of names(4)) mesh.boot(name)
  mesh.discover()
  mesh.run(5000)
  mesh.powerOff('pc1')
  mesh.pc('pc2').mem({ k: 'leave', forever: false })
  mesh.run(1000)
  mesh.powerOff('pc2')
  mesh.run(23 * 60_000)
  expect(all(mesh, 'pc2', 'left')).toBe(true)
  mesh.run(2 * 60_000)
  expect(all(mesh, 'pc2', undefined)).toBe(true)
  expect(all(mesh, 'pc1', 'dead')).toBe(true)
  mesh.run(48 * 60_000)
  expect(all(mesh, 'pc1', undefined)).toBe(true)
  expect([...mesh.pc('pc0').disk.keys()].sort()).toEqual([idOf('pc0'), idOf('pc3')].sort())
})

test('an idle mesh sends two pings and two acks a second and little else', () => {
  const mesh = whole(14, 10)
  mesh.run(60_000)
  const before = mesh.running().map((pc) => ({ frames: pc.sent.frames, bytes: pc.sent.bytes }))
  mesh.run(300_000)
  mesh.running().forEach((pc, i) => {
    const framesPerS = (pc.sent.frames - before[i]!.frames) / 300
    expect(framesPerS).toBeGreaterThan(3.6)
    expect(framesPerS).toBeLessThan(4.4)
    expect((pc.sent.bytes - before[i]!.bytes) / 300).toBeLessThan(150)
  })
})

test('a link that carries nothing any more is ended and made anew while others see the member alive', () => {
  const mesh = Mesh.formed(31, names(5))
  mesh.run(5000)
  mesh.makeDumb('pc1', 'pc3')
  const ended = mesh.runUntil(
    () => !mesh.pc('pc1').linked.has(idOf('pc3')) || !mesh.pc('pc3').linked.has(idOf('pc1')),
    20_000
  )
  expect(ended).toBeDefined()
  expect(mesh.runUntil(() => isWhole(mesh), 3000)).toBeDefined()
  mesh.run(10_000)
  expect(mesh.running().flatMap((pc) => pc.changes.filter((change) => change.now === 'dead'))).toEqual([])
})

test('who left for good stays away after a restart of those who remember it', () => {
  const mesh = Mesh.formed(32, names(3))
  mesh.run(5000)
  const stale = mesh.pc('pc0').disk.get(idOf('pc2'))!
  mesh.pc('pc2').mem({ k: 'leave', forever: true })
  mesh.run(1000)
  mesh.powerOff('pc2')
  mesh.run(120_000)
  expect(mesh.pc('pc0').sees('pc2')).toBeUndefined()
  mesh.powerOff('pc0')
  mesh.boot('pc0').mem({ k: 'msg', from: idOf('pc1'), msg: { t: 'news', g: [{ k: 'a', r: stale }] } })
  mesh.run(1000)
  expect(mesh.pc('pc0').sees('pc2')).toBeUndefined()
})

test('an expelled peer is refused after a restart, too', () => {
  const mesh = Mesh.formed(33, names(3))
  mesh.run(5000)
  for (const name of ['pc0', 'pc1']) mesh.pc(name).mem({ k: 'expel', peer: idOf('pc2') })
  mesh.run(1000)
  mesh.powerOff('pc0')
  mesh.boot('pc0')
  mesh.discover()
  mesh.run(10_000)
  expect(mesh.pc('pc0').sees('pc2')).toBeUndefined()
  expect(mesh.pc('pc0').linked.has(idOf('pc2'))).toBe(false)
})

test('the time until the dead are forgotten runs on over restarts', () => {
  const mesh = Mesh.formed(34, names(3))
  mesh.timers = { deadKeepMs: 600_000 }
  for (const name of names(3)) {
    mesh.powerOff(name)
    mesh.boot(name)
  }
  mesh.discover()
  mesh.run(5000)
  mesh.powerOff('pc2')
  mesh.run(400_000)
  for (const name of ['pc0', 'pc1']) mesh.powerOff(name)
  for (const name of ['pc0', 'pc1']) mesh.boot(name)
  mesh.discover()
  mesh.run(150_000)
  expect(mesh.pc('pc0').sees('pc2')).toBe('dead')
  mesh.run(100_000)
  expect(mesh.pc('pc0').sees('pc2')).toBeUndefined()
})

test('sums over the list that are kept are those of the list, whoever comes, goes and is suspected meanwhile', () => {
  const mesh = whole(21, 5)
  let looks = 0
  const look = (forMs: number): void => {
    for (let ms = 0; ms < forMs; ms += 100) {
      mesh.run(100)
      for (const { membership } of mesh.running()) {
        const { sums } = membership
        membership.sums = undefined
        const fresh = sumsHere(membership)
        if (sums !== undefined && ++looks > 0) expect(sums).toEqual(fresh)
      }
    }
  }
  mesh.crash('pc1')
  look(12_000)
  mesh.boot('pc1')
  look(6000)
  mesh.partition(['pc0', 'pc1'], ['pc2', 'pc3', 'pc4'])
  look(20_000)
  mesh.heal()
  look(40_000)
  mesh.pc('pc4').mem({ k: 'leave', forever: true })
  look(3000)
  mesh.crash('pc4')
  look(70_000)
  expect(looks).toBeGreaterThan(1000)
})
