import { expect, test } from 'vitest'
import { systemClock } from '../../../node/adapters/clock.ts'
import { clockContract } from '../../contracts/clock.ts'

clockContract('of the system', () => {
  const clock = systemClock()
  return {
    clock,
    async advance(ms) {
      const until = clock.mono() + ms
      while (clock.mono() < until)
        await new Promise((resolve) => clock.setTimeout(() => resolve(undefined), until - clock.mono()))
    },
    dispose() {}
  }
})

/** The three clocks of a PC that can be put to sleep and whose date can be set. */
function pc() {
  const now = { steady: 1000, wall: 1_800_000_000_000, boot: 50_000 }
  const pass = (ms: number): void => {
    now.steady += ms
    now.wall += ms
    now.boot += ms
  }
  const clock = systemClock({ steadyMs: () => now.steady, wallMs: () => now.wall, sinceBootMs: () => now.boot })
  return { now, pass, clock }
}

test('time that the PC slept counts, at the first look after it', () => {
  const { now, pass, clock } = pc()
  const start = clock.mono()
  pass(500)
  now.wall += 3_600_000
  now.boot += 3_600_000
  expect(clock.mono() - start).toBe(3_600_500)
  pass(500)
  now.wall += 60_000
  now.boot += 60_000
  expect(clock.mono() - start).toBe(3_661_000)
})

test('a date set forwards or back moves no deadline', () => {
  const { now, pass, clock } = pc()
  const start = clock.mono()
  now.wall += 86_400_000
  pass(1000)
  expect(clock.mono() - start).toBe(1000)
  now.wall -= 2 * 86_400_000
  pass(1000)
  expect(clock.mono() - start).toBe(2000)
})

test('a clock since boot that is rounded to seconds, or stands still, never takes time back', () => {
  const { now, pass, clock } = pc()
  let last = clock.mono()
  for (let i = 0; i < 200; i++) {
    pass(37)
    now.wall += i % 2 === 0 ? 700 : -700
    now.boot = Math.floor(now.boot / 1000) * 1000
    const mono = clock.mono()
    expect(mono).toBeGreaterThanOrEqual(last)
    last = mono
  }
  expect(last).toBe(1000 + 200 * 37)
})

test('whoever holds a right is told of a sleep before the first look at the clock returns, and of a date set back never', () => {
  const { now, pass, clock } = pc()
  const woken: number[] = []
  clock.onWake(() => woken.push(clock.mono()))
  const start = clock.mono()
  pass(5_000)
  clock.mono()
  expect(woken).toEqual([])
  now.wall += 10_000
  now.boot += 10_000
  expect(clock.mono()).toBe(start + 15_000)
  expect(woken).toEqual([start + 15_000])
  // Too short to be proven by clocks that are rounded: a right is not worth the doubt.
  now.wall += 400
  clock.mono()
  expect(woken).toHaveLength(2)
  now.wall -= 86_400_000
  clock.mono()
  expect(woken).toHaveLength(2)
})
