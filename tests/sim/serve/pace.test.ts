/** Simulated time at a multiple of the person's, with both times in the hands of the test. */
import { expect, test } from 'vitest'
import { Timeline } from '../../../sim/clock.ts'
import { Pace } from '../../../sim/serve/pace.ts'
import type { WallTime } from '../../../sim/serve/pace.ts'

/** The person's time, which passes when the test says so, or when an entry of the simulation costs some. */
class TestWall implements WallTime {
  ms = 1000
  /** The longest time that one call took. */
  longestMs = 0
  #next: { fn: () => void; atMs: number } | undefined

  now(): number {
    return this.ms
  }
  later(fn: () => void, ms: number): () => void {
    const mine = { fn, atMs: this.ms + ms }
    this.#next = mine
    return () => {
      if (this.#next === mine) this.#next = undefined
    }
  }
  /** False when nothing is to come. */
  turn(): boolean {
    const next = this.#next
    if (next === undefined) return false
    this.#next = undefined
    this.ms = Math.max(this.ms, next.atMs)
    const beganMs = this.ms
    next.fn()
    this.longestMs = Math.max(this.longestMs, this.ms - beganMs)
    return true
  }
  pass(ms: number): void {
    const untilMs = this.ms + ms
    while (this.#next !== undefined && Math.max(this.ms, this.#next.atMs) <= untilMs) this.turn()
    this.ms = untilMs
  }
}

/** A timeline on which something is due each simulated millisecond, and costs the person so long. */
function ticking(wall: TestWall, costsMs = 0): Timeline {
  const timeline = new Timeline()
  const tick = (): void => {
    wall.ms += costsMs
    timeline.at(1, tick)
  }
  timeline.at(1, tick)
  return timeline
}

test.each([1, 10, 100])('at %i× so many simulated seconds pass each second', (speed) => {
  const wall = new TestWall()
  const timeline = ticking(wall)
  const pace = new Pace(timeline, wall)
  pace.setSpeed(speed)
  wall.pass(3000)
  expect(timeline.nowMs).toBeGreaterThan(2980 * speed)
  expect(timeline.nowMs).toBeLessThanOrEqual(3000 * speed)
  expect(pace.reached()?.speed).toBeCloseTo(speed, 1)
  expect(pace.reached()?.eventsPerS).toBeCloseTo(1000 * speed, -1 - Math.log10(speed))
})

test('it begins paused; paused it stands still, and what passed meanwhile is not made up for', () => {
  const wall = new TestWall()
  const timeline = ticking(wall)
  const pace = new Pace(timeline, wall)
  wall.pass(5000)
  expect([timeline.nowMs, wall.turn()]).toEqual([0, false])
  pace.setSpeed(1)
  wall.pass(1000)
  pace.setSpeed(0)
  const { nowMs } = timeline
  wall.pass(60_000)
  expect([timeline.nowMs, pace.reached()]).toEqual([nowMs, null])
  pace.setSpeed(1)
  wall.pass(1000)
  expect(timeline.nowMs).toBeLessThanOrEqual(nowMs + 1000)
})

test('where nothing is due time passes all the same', () => {
  const wall = new TestWall()
  const timeline = new Timeline()
  new Pace(timeline, wall).setSpeed(2)
  wall.pass(1000)
  expect(timeline.nowMs).toBeGreaterThan(1970)
})

test('a machine that cannot keep up looks away at least each 20 ms, and says what it reaches', () => {
  const wall = new TestWall()
  // Each simulated millisecond costs 0.5 ms: 2× is all there is.
  const timeline = ticking(wall, 0.5)
  let slices = 0
  const pace = new Pace(timeline, wall, () => slices++)
  pace.setSpeed(100)
  const beganMs = wall.ms
  while (wall.ms - beganMs < 5000) wall.turn()
  expect(wall.longestMs).toBeLessThanOrEqual(20.5)
  expect(slices).toBeGreaterThan(200)
  expect(pace.reached()?.speed).toBeGreaterThan(1.8)
  expect(pace.reached()?.speed).toBeLessThan(2.05)
  // What it owed is let go: back at 1× it does not race.
  const { nowMs } = timeline
  pace.setSpeed(1)
  wall.pass(1000)
  expect(timeline.nowMs - nowMs).toBeLessThan(1100)
})

test('a machine that has no time for it for seconds says what it reaches all the same', () => {
  const wall = new TestWall()
  const timeline = ticking(wall, 5000)
  const pace = new Pace(timeline, wall)
  pace.setSpeed(1)
  for (let i = 0; i < 3; i++) wall.turn()
  expect(pace.reached()).toEqual({ speed: 1 / 5000, eventsPerS: 0 })
})

test('what a peer throws stops the time for good, and is told', () => {
  const wall = new TestWall()
  const timeline = new Timeline()
  timeline.at(50, () => {
    throw new Error('a bug')
  })
  let told = 0
  const pace = new Pace(timeline, wall, () => told++)
  pace.setSpeed(1)
  wall.pass(1000)
  expect(pace.broken?.message).toBe('a bug')
  expect(told).toBeGreaterThan(0)
  pace.setSpeed(10)
  expect([pace.speed, wall.turn()]).toEqual([0, false])
})
