/** What a lying member says is another thing than it was told to say, of every kind, and the same for the same seed. */
import { expect, test } from 'vitest'
import { decodeCbor, encodeCbor } from '../../protocols/codec.ts'
import { REGISTER_LIMITS } from '../../protocols/register/index.ts'
import { strike } from '../../sim/faults.ts'
import { createRandom } from '../../sim/random.ts'
import { Liar } from '../../sim/liar.ts'
import { startMesh } from '../../sim/mesh.ts'

const message = { t: 'ping', n: 7, g: [{ k: 'v', p: 'x', s: 'alive' }], deep: { bytes: new Uint8Array(8), yes: true } }
const truth = encodeCbor(message)
const cargo = { load: message, bytes: truth.length, kind: 'ping', atMs: 0 }
const liar = (ratio: number, seed = 1) => new Liar(createRandom(seed, 'liar'), ratio, ['peer a', 'peer b'])
const spoken = (seed: number): Uint8Array[][] => {
  const one = liar(1, seed)
  one.hears('mem', { load: Uint8Array.of(1, 2, 3), bytes: 3, kind: 'other', atMs: 0 })
  return Array.from({ length: 400 }, () => one.says('mem', cargo).map(({ load }) => load as Uint8Array))
}
const parses = (frame: Uint8Array): boolean => {
  try {
    return decodeCbor(frame) !== undefined
  } catch {
    return false
  }
}

test('who does not lie says what it was told to say', () => {
  expect(liar(0).says('mem', cargo)).toEqual([cargo])
})

test('lies are missing, doubled, torn, twisted, and words of others', () => {
  const all = spoken(1)
  expect(all.some((frames) => frames.length === 0)).toBe(true)
  expect(all.some(([a, b]) => a !== undefined && Buffer.from(a).equals(truth) && a === b)).toBe(true)
  expect(all.some(([a]) => a?.length === 3)).toBe(true)
  const twisted = new Set(
    all
      .flat()
      .filter(parses)
      .map((frame) => Buffer.from(frame).toString('hex'))
  )
  expect(twisted.size).toBeGreaterThan(60)
  expect(all.flat().some((frame) => !parses(frame))).toBe(true)
})

test('the same seed lies the same', () => {
  expect(spoken(5)).toEqual(spoken(5))
  expect(spoken(5)).not.toEqual(spoken(6))
})

test('registers that a member invents fill its share, and strict sessions go on', { timeout: 60_000 }, () => {
  const mesh = startMesh({ seed: 8, peers: 3 })
  mesh.until(() => mesh.running.length === 3 && mesh.agree(), { withinMs: 30_000, what: 'all are here' })
  mesh.run(3000)
  strike(mesh, { k: 'invent', atMs: 0, pc: 0, count: REGISTER_LIMITS.slotsOfOne + 300 })
  mesh.run(10_000)
  for (const { peer } of mesh.pcs.slice(1)) {
    expect(peer?.sessions.strict.registers.size).toBe(REGISTER_LIMITS.slotsOfOne)
    expect(peer?.counters.get('register.refused.askedTooOften')).toBe(300)
  }
  const job = mesh.submit(1, 'sleep 1', { mode: 'strict' })
  mesh.until(() => mesh.session(job.id)?.state === 'finished', { withinMs: 20_000, what: 'it ends' })
  expect(mesh.session(job.id)?.voters).toHaveLength(3)
})
