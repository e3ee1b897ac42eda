/** Randomness, keys and the trace: seeded, independent of each other, and different for different seeds. */
import { expect, test } from 'vitest'
import { tryPeerKey } from '../../protocols/codec.ts'
import { KeyRing } from '../../sim/crypto.ts'
import { createRandom } from '../../sim/random.ts'
import { Trace } from '../../sim/trace.ts'

const first = (seed: number, ...names: string[]): string => {
  const random = createRandom(seed, ...names)
  return Array.from({ length: 4 }, () => random.u32()).join(' ')
}

test('a stream depends on its seed and its names, and on nothing else', () => {
  expect(first(1, 'a', 'disk')).toBe(first(1, 'a', 'disk'))
  const all = [
    first(1, 'a'),
    first(2, 'a'),
    first(1, 'b'),
    first(1, 'a', 'b'),
    first(1, 'ab'),
    first(1, 'a', ''),
    first(0),
    first(2 ** 31)
  ]
  expect(new Set(all).size).toBe(all.length)
})

test('numbers are spread evenly over their range', () => {
  const random = createRandom(3, 'spread')
  const bins = new Array<number>(16).fill(0)
  const bits = new Array<number>(32).fill(0)
  for (let i = 0; i < 16_000; i++) {
    const float = random.float()
    expect(float >= 0 && float < 1).toBe(true)
    bins[Math.floor(float * 16)]!++
    const word = random.u32()
    expect(Number.isInteger(word) && word >= 0 && word < 2 ** 32).toBe(true)
    for (let bit = 0; bit < 32; bit++) bits[bit]! += (word >>> bit) & 1
  }
  // about eight standard deviations: 31 for a bin, 63 for a bit
  for (const bin of bins) expect(Math.abs(bin - 1000)).toBeLessThan(250)
  for (const bit of bits) expect(Math.abs(bit - 8000)).toBeLessThan(500)
  expect(new Set(random.bytes(256)).size).toBeGreaterThan(100)
})

test('a signature holds for its key and its bytes only', () => {
  const ring = new KeyRing(1)
  const [ann, bob] = [ring.key('ann'), ring.key('bob')]
  const crypto = ring.cryptoOf(bob)
  const bytes = Uint8Array.of(1, 2, 3)
  const signature = ann.sign(bytes)
  expect(signature).toHaveLength(64)
  expect(crypto.verify(ann.publicKey, bytes, signature)).toBe(true)
  expect(crypto.verify(bob.publicKey, bytes, signature)).toBe(false)
  expect(crypto.verify(ann.publicKey, Uint8Array.of(1, 2, 4), signature)).toBe(false)
  expect(crypto.verify(ann.publicKey, bytes, signature.slice(1))).toBe(false)
  expect(crypto.verify(new Uint8Array(5), bytes, signature)).toBe(false)
  expect(tryPeerKey(ann.peerId)).toEqual(ann.publicKey)
  expect(new KeyRing(2).key('ann').peerId).not.toBe(ann.peerId)
})

test('a trace tells what happened, and in which order', () => {
  const digest = (...steps: ((trace: Trace) => void)[]): string => {
    const trace = new Trace()
    for (const step of steps) step(trace)
    return trace.digest()
  }
  const number = (n: number) => (trace: Trace) => trace.number(n)
  const bytes =
    (...list: number[]) =>
    (trace: Trace) =>
      trace.bytes(Uint8Array.from(list))
  expect(digest(number(1), number(2))).toBe(digest(number(1), number(2)))
  const all = [
    digest(number(1), number(2)),
    digest(number(2), number(1)),
    digest(number(1.5)),
    digest(bytes(1, 2)),
    digest(bytes(1), bytes(2)),
    digest(bytes(1, 2, 0)),
    digest((trace) => trace.text('ab')),
    digest((trace) => trace.text('ba'))
  ]
  expect(new Set(all).size).toBe(all.length)
  expect(all[0]).toMatch(/^[0-9a-f]{16}$/)
})
