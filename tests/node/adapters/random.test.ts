import { expect, test } from 'vitest'
import { systemRandom } from '../../../node/adapters/random.ts'

test('numbers stay in their range and differ', () => {
  const random = systemRandom()
  const seen = new Set<number>()
  let sum = 0
  for (let i = 0; i < 5000; i++) {
    const word = random.u32()
    expect(Number.isInteger(word) && word >= 0 && word <= 0xffffffff).toBe(true)
    seen.add(word)
    const unit = random.float()
    expect(unit >= 0 && unit < 1).toBe(true)
    sum += unit
  }
  expect(seen.size).toBeGreaterThan(4990)
  expect(Math.abs(sum / 5000 - 0.5)).toBeLessThan(0.05)
})

test('bytes have the length that was asked for and are not shared', () => {
  const random = systemRandom()
  expect(random.bytes(0)).toHaveLength(0)
  const [a, b] = [random.bytes(32), random.bytes(32)]
  expect(a).toHaveLength(32)
  expect(a).not.toEqual(b)
  expect(a.buffer).not.toBe(b.buffer)
})
