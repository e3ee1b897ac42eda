/** Who is linked to whom in a large mesh: rings, hysteresis, links on demand. */
import { expect, test } from 'vitest'
import { canDial, usesRings } from '../../../protocols/membership/index.ts'
import { neighboursOf } from '../../../protocols/membership/rings.ts'
import { idOf, Mesh, names } from './mesh.ts'

const SMALL = { meshMax: 12, meshMin: 8, rings: 3 }

function formed(seed: number, count: number, timers: Mesh['timers'] = SMALL): Mesh {
  const mesh = new Mesh(seed)
  mesh.timers = timers
  for (const name of names(count)) mesh.add(name)
  for (const name of names(count)) mesh.boot(name)
  mesh.discover()
  expect(mesh.runUntil(() => agrees(mesh), 20_000)).toBeDefined()
  return mesh
}

/** Everyone running holds exactly everyone running for alive. */
function agrees(mesh: Mesh): boolean {
  const running = mesh.running()
  return running.every((a) => running.every((b) => a.sees(b.name) === 'alive' && a.membership.live === running.length))
}

const areRings = (mesh: Mesh): boolean[] => mesh.running().map((pc) => usesRings(pc.membership))

test('all who hold the same list draw the same rings', () => {
  const ids = names(60).map(idOf)
  const of = new Map(
    ids.map((self) => [
      self,
      neighboursOf(
        self,
        ids.filter((id) => id !== self),
        8
      )
    ])
  )
  for (const [self, { next, previous }] of of) {
    expect(next.size).toBeGreaterThan(5)
    for (const peer of next) expect(of.get(peer)!.previous.has(self)).toBe(true)
    for (const peer of previous) expect(of.get(peer)!.next.has(self)).toBe(true)
  }
})

test('the two nearest stand next to each other when a ring has two peers only', () => {
  const [a, b] = names(2).map(idOf)
  expect(neighboursOf(a!, [b!], 1)).toEqual({ next: new Set([b]), previous: new Set([b]) })
})

test('many members are linked by rings, and each is watched by the previous ones', () => {
  const mesh = formed(1, 40)
  mesh.run(150_000)
  for (const pc of mesh.running()) {
    expect(pc.linked.size).toBeLessThan(20)
    for (const peer of pc.membership.overlay.next) expect(pc.linked.has(peer)).toBe(true)
    expect(pc.membership.overlay.next.size).toBeGreaterThan(1)
  }
  expect(agrees(mesh)).toBe(true)
})

test('all to all up to the limit, rings above, and all to all again only well below it', () => {
  const mesh = formed(2, 12)
  expect(areRings(mesh).includes(true)).toBe(false)
  mesh.add('one more')
  mesh.boot('one more')
  mesh.show('one more', 'pc0')
  expect(mesh.runUntil(() => !areRings(mesh).includes(false), 5000)).toBeDefined()
  for (const name of ['pc1', 'pc2', 'pc3', 'pc4']) mesh.crash(name)
  expect(mesh.runUntil(() => agrees(mesh), 20_000)).toBeDefined()
  mesh.run(1000)
  expect(areRings(mesh).includes(false)).toBe(false)
  for (const name of ['pc5', 'pc6']) mesh.crash(name)
  expect(
    mesh.runUntil(
      () =>
        !areRings(mesh).includes(true) && mesh.running().every((pc) => pc.linked.size === mesh.running().length - 1),
      20_000
    )
  ).toBeDefined()
})

test('a dead one is found on the rings, by power loss and by crash', () => {
  const mesh = formed(3, 40)
  mesh.run(5000)
  const deadFor = (name: string) => (): boolean =>
    mesh.running().every((pc) => pc.name === name || pc.sees(name) === 'dead')
  mesh.powerOff('pc3')
  expect(mesh.runUntil(deadFor('pc3'), 8000)).toBeDefined()
  mesh.crash('pc4')
  expect(mesh.runUntil(deadFor('pc4'), 2500)).toBeDefined()
  mesh.run(60_000)
  expect(mesh.running().flatMap((pc) => pc.changes.filter((change) => change.now === 'dead')).length).toBe(2 * 38)
})

test('a link on demand is made at once, kept while it is used, and closed when it is idle', () => {
  const mesh = formed(4, 40)
  mesh.run(150_000)
  const pc = mesh.pc('pc0')
  const far = mesh.running().find((other) => canDial(pc.membership, other.id))!
  pc.mem({ k: 'want', peer: far.id })
  expect(mesh.runUntil(() => pc.linked.has(far.id), 1000)).toBeDefined()
  for (let i = 0; i < 4; i++) {
    mesh.run(40_000)
    if (!pc.membership.overlay.next.has(far.id)) expect(pc.linked.has(far.id)).toBe(true)
    pc.mem({ k: 'want', peer: far.id })
    far.mem({ k: 'want', peer: pc.id })
  }
  expect(mesh.runUntil(() => !pc.linked.has(far.id), 200_000)).toBeGreaterThan(59_000)
  mesh.run(5000)
  expect(pc.sees(far.name)).toBe('alive')
})

test('of links on demand the least used ends when there are too many, but not while an answer may be under way', () => {
  const mesh = formed(5, 40, { ...SMALL, onDemandMax: 3 })
  mesh.run(150_000)
  const pc = mesh.pc('pc0')
  const far = mesh.running().filter((other) => canDial(pc.membership, other.id))
  for (const other of far.slice(0, 4)) {
    pc.mem({ k: 'want', peer: other.id })
    mesh.run(200)
  }
  expect(far.slice(0, 4).map((other) => pc.linked.has(other.id))).toEqual([true, true, true, true])
  mesh.run(4500)
  pc.mem({ k: 'want', peer: far[3]!.id })
  mesh.run(200)
  expect(far.slice(0, 4).map((other) => pc.linked.has(other.id))).toEqual([false, true, true, true])
})

test('a large mesh comes back from a cut through its middle', () => {
  const mesh = formed(6, 40)
  mesh.run(10_000)
  mesh.partition(names(20), names(40).slice(20))
  mesh.run(60_000)
  expect(mesh.pc('pc0').membership.live).toBe(20)
  mesh.heal()
  expect(mesh.runUntil(() => agrees(mesh), 90_000)).toBeDefined()
})
