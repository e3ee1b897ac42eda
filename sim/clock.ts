/**
 * Virtual time: one heap of what is due, ordered by (time, order of arming). Time stands still while code runs and jumps
 * to the next due entry, so a callback sees exactly its own due time and a run is the same on every machine.
 */
import type { Clock, Timer } from '../protocols/ports.ts'
import { Heap } from './heap.ts'

/** Date at virtual time zero: 2026-01-01. */
export const WALL_START_MS = 1_767_225_600_000

/**
 * Times are whole numbers of 1/1024 ms: sums and differences are exact, so a timer armed for `dueAt - now` never fires a
 * rounding error before `dueAt`.
 */
const GRID = 1024
/** More entries than this at one moment are an endless loop. */
const AT_ONCE_MAX = 200_000

export interface Entry {
  /** Undefined once it fired or was cleared. */
  fn: (() => void) | undefined
  /** Nothing of a program that was killed fires. */
  readonly owner: SimProcess | undefined
}

export class Timeline {
  /** Virtual milliseconds since the start. */
  nowMs = 0
  /** Entries fired so far. */
  fired = 0
  readonly #heap = new Heap()
  #armed = 0
  #cleared = 0
  #atOnce = 0

  /** Entries armed now. */
  get size(): number {
    return this.#heap.size - this.#cleared
  }

  /** Negative and absent delays count as zero; `fn` never runs inside this call. */
  at(delayMs: number, fn: () => void, owner?: SimProcess): Entry {
    const entry: Entry = { fn, owner }
    this.#heap.push(this.nowMs + onGrid(delayMs), this.#armed++, entry)
    return entry
  }

  clear(entry: Entry): void {
    if (entry.fn === undefined) return
    entry.fn = undefined
    // Timers that are always cleared would otherwise stay in the heap until their far deadlines.
    if (++this.#cleared > 4096 && this.#cleared * 2 > this.#heap.size) {
      this.#heap.keep((one) => one.fn !== undefined)
      this.#cleared = 0
    }
  }

  /** Fires the next entry due up to `untilMs`; false when there is none. */
  step(untilMs: number): boolean {
    for (;;) {
      const atMs = this.#heap.firstAt
      if (atMs > untilMs) return false
      const next = this.#heap.pop()
      if (next === undefined) return false
      const { fn, owner } = next
      if (fn === undefined) {
        this.#cleared--
        continue
      }
      if (owner !== undefined && owner.pausedUntilMs > atMs && owner.alive) {
        // what is due during a pause happens after it, in the order in which it would have
        this.#heap.push(owner.pausedUntilMs, this.#armed++, next)
        continue
      }
      next.fn = undefined
      this.#atOnce = atMs === this.nowMs ? this.#atOnce + 1 : 0
      if (this.#atOnce > AT_ONCE_MAX)
        throw new Error(`time stands still at ${atMs} ms: something arms itself again and again without a delay`)
      this.nowMs = atMs
      this.fired++
      if (owner === undefined) fn()
      else if (owner.alive) {
        fn()
        if (owner.eventMs > 0) owner.pausedUntilMs = atMs + onGrid(owner.eventMs)
      }
      return true
    }
  }

  /** Lets time pass: fires everything due until then. */
  run(ms: number): void {
    const untilMs = this.nowMs + onGrid(ms)
    while (this.step(untilMs));
    this.nowMs = untilMs
  }

  /** Runs until the condition, asked after each entry, holds. False when it did not within the time. */
  until(condition: () => boolean, withinMs: number): boolean {
    const untilMs = this.nowMs + onGrid(withinMs)
    for (;;) {
      if (condition()) return true
      if (this.step(untilMs)) continue
      this.nowMs = untilMs
      return condition()
    }
  }
}

/** Rounded up, so that nothing fires early; negative and absent delays are none. */
function onGrid(delayMs: number): number {
  return delayMs > 0 ? Math.ceil(delayMs * GRID) / GRID : 0
}

/** How the clock of a PC goes wrong. Shared by all programs that run on it, one after the other. */
export interface ClockFault {
  /** Its seconds for each true one. */
  rate: number
  /** Added to the date only. */
  wallOffsetMs: number
}

/**
 * One run of a simulated program. Whatever it armed is silent once it has been killed, as it would be with a real one; while
 * it is paused, all of it waits.
 */
export class SimProcess implements Clock {
  alive = true
  readonly timeline: Timeline
  readonly #fault: ClockFault
  readonly #wakes: (() => void)[] = []
  /** Nothing of it runs before. */
  pausedUntilMs = -Infinity
  /** Time that each event takes on a slow PC. */
  eventMs = 0

  constructor(timeline: Timeline, fault: ClockFault = { rate: 1, wallOffsetMs: 0 }) {
    this.timeline = timeline
    this.#fault = fault
  }

  get paused(): boolean {
    return this.pausedUntilMs > this.timeline.nowMs
  }
  /** Stalled until then, at least. */
  pause(forMs: number): void {
    this.pausedUntilMs = Math.max(this.pausedUntilMs, this.timeline.nowMs + onGrid(forMs))
  }

  mono(): number {
    return this.timeline.nowMs * this.#fault.rate
  }
  wall(): number {
    return Math.floor(WALL_START_MS + this.timeline.nowMs + this.#fault.wallOffsetMs)
  }
  setTimeout(fn: () => void, delayMs: number): Timer {
    const { rate } = this.#fault
    // a grid step later, so that rounding fires nothing before its time on this clock; what is due at once keeps its order
    return this.timeline.at(rate === 1 || delayMs <= 0 ? delayMs : delayMs / rate + 1 / GRID, fn, this)
  }
  clearTimeout(timer: Timer): void {
    if (timer !== undefined) this.timeline.clear(timer as Entry)
  }
  onWake(fn: () => void): void {
    this.#wakes.push(fn)
  }
  /** The PC slept, and nothing of this program has run since. */
  wake(): void {
    if (this.alive) for (const wake of this.#wakes) wake()
  }
  kill(): void {
    this.alive = false
  }
}
