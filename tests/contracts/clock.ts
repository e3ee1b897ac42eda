/**
 * What every Clock promises, in both shells. `advance` lets that much time pass: the real shell waits, the simulated one
 * steps. Nothing here measures how late a timer is, only that it is never early and that the order holds.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Clock } from '../../protocols/ports.ts'

export interface ClockHarness {
  clock: Clock
  /** Resolves once at least `ms` have passed on `clock` and every timer due by then has fired. */
  advance(ms: number): Promise<void>
  dispose(): Promise<void> | void
}

export function clockContract(name: string, make: () => Promise<ClockHarness> | ClockHarness): void {
  describe(`clock: ${name}`, () => {
    let harness: ClockHarness
    let clock: Clock
    beforeEach(async () => {
      harness = await make()
      clock = harness.clock
    })
    afterEach(async () => harness.dispose())

    test('time passes and never runs backwards', async () => {
      const mono = clock.mono()
      const wall = clock.wall()
      let last = mono
      for (let i = 0; i < 1000; i++) {
        const now = clock.mono()
        expect(now).toBeGreaterThanOrEqual(last)
        last = now
      }
      await harness.advance(30)
      expect(clock.mono() - mono).toBeGreaterThanOrEqual(30)
      expect(clock.wall()).toBeGreaterThan(wall)
    })

    test('wall time is a date of this century in milliseconds', () => {
      const year = new Date(clock.wall()).getUTCFullYear()
      expect(year).toBeGreaterThanOrEqual(2001)
      expect(year).toBeLessThan(2100)
    })

    test('a timer fires once and never early', async () => {
      const armed = clock.mono()
      const fired: number[] = []
      clock.setTimeout(() => fired.push(clock.mono()), 20)
      await harness.advance(60)
      expect(fired).toHaveLength(1)
      expect(fired[0]! - armed).toBeGreaterThanOrEqual(20)
    })

    test('a timer never fires inside the call that arms it, whatever the delay', async () => {
      let inside = true
      const seen: boolean[] = []
      for (const delayMs of [0, -5, Number.NaN]) clock.setTimeout(() => seen.push(inside), delayMs)
      inside = false
      await harness.advance(20)
      expect(seen).toEqual([false, false, false])
    })

    test('equal deadlines fire in the order they were armed', async () => {
      const order: number[] = []
      for (let i = 0; i < 20; i++) clock.setTimeout(() => order.push(i), 10)
      await harness.advance(40)
      expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i))
    })

    test('an earlier deadline fires before a later one, however they were armed', async () => {
      const order: string[] = []
      clock.setTimeout(() => order.push('late'), 60)
      clock.setTimeout(() => order.push('early'), 10)
      await harness.advance(90)
      expect(order).toEqual(['early', 'late'])
    })

    test('a cleared timer does not fire, also when an equal deadline clears it', async () => {
      const fired: string[] = []
      const cleared = clock.setTimeout(() => fired.push('cleared'), 10)
      clock.clearTimeout(cleared)
      clock.clearTimeout(cleared)
      clock.setTimeout(() => {
        fired.push('first')
        clock.clearTimeout(second)
      }, 10)
      const second = clock.setTimeout(() => fired.push('second'), 10)
      await harness.advance(40)
      expect(fired).toEqual(['first'])
      clock.clearTimeout(second)
      clock.clearTimeout(undefined)
    })

    test('a timer may arm the next one', async () => {
      let beats = 0
      const beat = (): void => {
        beats += 1
        if (beats < 5) clock.setTimeout(beat, 2)
      }
      clock.setTimeout(beat, 2)
      await harness.advance(200)
      expect(beats).toBe(5)
    })

    test('a delay of sixty days does not fire at once', async () => {
      let fired = false
      const timer = clock.setTimeout(() => (fired = true), 60 * 86_400_000)
      await harness.advance(30)
      expect(fired).toBe(false)
      clock.clearTimeout(timer)
    })
  })
}
