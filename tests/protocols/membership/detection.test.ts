/** Who is gone is seen within the bounds of PROTOCOLS.md 2.1, and who is not gone is left alone. */
import { expect, test } from 'vitest'
import { isWhole, Mesh, names } from './mesh.ts'
import type { Pc } from './mesh.ts'

const SEEDS = [1, 2, 3, 4, 5]

function whole(seed: number, count: number): Mesh {
  const mesh = Mesh.formed(seed, names(count))
  expect(
    mesh.runUntil(() => isWhole(mesh), 5000),
    `seed ${seed} did not form`
  ).toBeDefined()
  mesh.run(5000 + 1000 * mesh.random.float())
  return mesh
}

/** Milliseconds until all that run see `name` in that state. */
function until(mesh: Mesh, name: string, state: string, withinMs: number): number | undefined {
  return mesh.runUntil(() => mesh.running().every((pc) => pc.name === name || pc.sees(name) === state), withinMs)
}

function deathsOf(mesh: Mesh, living: (pc: Pc) => boolean): string[] {
  return [...mesh.pcs.values()].flatMap((pc) =>
    pc.changes
      .filter((change) => change.now === 'dead' && change.was !== undefined && living(mesh.pc(change.peer)))
      .map((change) => `${pc.name} at ${Math.round(change.at)}: ${change.peer}`)
  )
}

test.each([2, 3, 10])('%i peers form a whole mesh within two seconds', (count) => {
  const mesh = Mesh.formed(7, names(count))
  expect(mesh.runUntil(() => isWhole(mesh), 2000)).toBeDefined()
  expect(deathsOf(mesh, () => true)).toEqual([])
})

test.each([
  { count: 2, worstMs: 4300 },
  { count: 3, worstMs: 4500 },
  { count: 10, worstMs: 4500 },
  { count: 48, worstMs: 4500 }
])('of $count peers one that loses power is dead for all within $worstMs ms', ({ count, worstMs }) => {
  for (const seed of SEEDS.slice(0, count > 10 ? 1 : 5)) {
    const mesh = whole(seed, count)
    mesh.powerOff('pc1')
    const tookMs = until(mesh, 'pc1', 'dead', 30_000)
    expect(tookMs, `seed ${seed}`).toBeLessThanOrEqual(worstMs)
    expect(tookMs).toBeGreaterThan(2000)
    expect(deathsOf(mesh, (pc) => pc.state === 'running')).toEqual([])
  }
})

test('the mean over ten seeds of a power loss among ten is under five seconds', () => {
  let totalMs = 0
  for (let seed = 1; seed <= 10; seed++) {
    const mesh = whole(seed, 10)
    mesh.powerOff('pc4')
    totalMs += until(mesh, 'pc4', 'dead', 30_000)!
  }
  expect(totalMs / 10).toBeLessThan(5000)
})

test.each([2, 3, 10, 100])('of %i peers one whose process crashes is dead for all within 1.6 s', (count) => {
  for (const seed of SEEDS.slice(0, count > 10 ? 1 : 5)) {
    const mesh = whole(seed, count)
    mesh.crash('pc0')
    const tookMs = until(mesh, 'pc0', 'dead', 30_000)
    expect(tookMs, `seed ${seed}`).toBeLessThanOrEqual(1600)
    expect(tookMs).toBeGreaterThanOrEqual(1000)
    expect(mesh.pc('pc1').member('pc0')?.reason).toContain('not running')
  }
})

test('a process that is back within half a second was never dead for anybody', () => {
  const mesh = whole(3, 5)
  mesh.crash('pc2')
  mesh.run(400)
  mesh.boot('pc2')
  mesh.run(20_000)
  expect(isWhole(mesh)).toBe(true)
  expect(deathsOf(mesh, () => true)).toEqual([])
})

test.each([2, 3, 4, 10])(
  '%i peers on a network that loses a fifth of all frames declare nobody dead in ten minutes',
  (count) => {
    const mesh = whole(11, count)
    mesh.lossRatio = 0.2
    mesh.run(600_000)
    expect(deathsOf(mesh, () => true)).toEqual([])
    const suspicions = [...mesh.pcs.values()].flatMap((pc) => pc.changes).filter((change) => change.now === 'suspect')
    expect(suspicions.length, 'the loss was felt at all').toBeGreaterThan(0)
    mesh.lossRatio = 0
    mesh.run(60_000)
    expect(isWhole(mesh)).toBe(true)
  }
)

test('a peer that others cannot reach stays alive as long as a third can', () => {
  const mesh = whole(5, 3)
  mesh.cutBetween((a, b) => (a === 'pc0' && b === 'pc1') || (a === 'pc1' && b === 'pc0'))
  mesh.run(120_000)
  expect(deathsOf(mesh, () => true)).toEqual([])
  expect(mesh.pc('pc0').sees('pc1')).toBe('alive')
  mesh.heal()
  mesh.run(60_000)
  expect(isWhole(mesh)).toBe(true)
})

test('half of ten peers gone at once are all found dead, and the rest stay', () => {
  const mesh = whole(6, 10)
  const gone = ['pc1', 'pc3', 'pc5', 'pc7', 'pc9']
  for (const name of gone) mesh.powerOff(name)
  const took = mesh.runUntil(() => mesh.running().every((pc) => gone.every((name) => pc.sees(name) === 'dead')), 60_000)
  expect(took).toBeLessThan(20_000)
  expect(deathsOf(mesh, (pc) => pc.state === 'running')).toEqual([])
})

test('a peer whose event loop stood still accuses nobody when it wakes', () => {
  const mesh = whole(8, 4)
  const frozen = mesh.pc('pc2')
  mesh.pause('pc2', 8000)
  mesh.run(60_000)
  expect(
    mesh.pc('pc0').changes.some((change) => change.peer === 'pc2' && change.now === 'dead'),
    'it was missed'
  ).toBe(true)
  expect(frozen.changes.filter((change) => change.now === 'suspect' || change.now === 'dead')).toEqual([])
  expect(isWhole(mesh)).toBe(true)
})

test('a peer cut off from all others says so after ten seconds, and takes it back', () => {
  const mesh = whole(9, 3)
  const lone = mesh.pc('pc2')
  mesh.partition(['pc0', 'pc1'], ['pc2'])
  const cutAt = mesh.now
  mesh.run(20_000)
  expect(lone.isolations.map((one) => one.is)).toEqual([true])
  expect(lone.isolations[0]!.at - cutAt).toBeGreaterThan(9000)
  expect(lone.isolations[0]!.at - cutAt).toBeLessThan(12_000)
  expect(mesh.pc('pc0').isolations).toEqual([])
  mesh.heal()
  mesh.run(45_000)
  expect(lone.isolations.map((one) => one.is)).toEqual([true, false])
})
