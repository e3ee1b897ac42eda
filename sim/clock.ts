/**
 * Virtual time: one heap of what is due, ordered by (time, order of arming). Time stands still while code runs and jumps
 * to the next due entry, so a callback sees exactly its own due time and a run is the same on every machine.
 */
import type { Clock, Timer } from '../protocols/ports.ts'

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
  atMs: number
  order: number
  /** Undefined once it fired or was cleared. */
  fn: (() => void) | undefined
  /** Nothing of a program that was killed fires. */
  owner: SimProcess | undefined
}

export class Timeline {
  /** Virtual milliseconds since the start. */
  nowMs = 0
  /** Entries fired so far. */
  fired = 0
  #heap: Entry[] = []
  #armed = 0
  #cleared = 0
  #atOnce = 0

  /** Entries armed now. */
  get size(): number {
    return this.#heap.length - this.#cleared
  }

  /** Negative and absent delays count as zero; `fn` never runs inside this call. */
  at(delayMs: number, fn: () => void, owner?: SimProcess): Entry {
    const entry: Entry = { atMs: this.nowMs + onGrid(delayMs), order: this.#armed++, fn, owner }
    this.#push(entry)
    return entry
  }

  clear(entry: Entry): void {
    if (entry.fn === undefined) return
    entry.fn = undefined
    // Timers that are always cleared would otherwise stay in the heap until their far deadlines.
    if (++this.#cleared > 4096 && this.#cleared * 2 > this.#heap.length) this.#sweep()
  }

  /** Fires the next entry due up to `untilMs`; false when there is none. */
  step(untilMs: number): boolean {
    for (;;) {
      const next = this.#heap[0]
      if (next === undefined || next.atMs > untilMs) return false
      this.#pop()
      const { fn } = next
      if (fn === undefined) {
        this.#cleared--
        continue
      }
      const { owner } = next
      if (owner !== undefined && owner.pausedUntilMs > next.atMs && owner.alive) {
        // what is due during a pause happens after it, in the order in which it would have
        next.atMs = owner.pausedUntilMs
        next.order = this.#armed++
        this.#push(next)
        continue
      }
      next.fn = undefined
      this.#atOnce = next.atMs === this.nowMs ? this.#atOnce + 1 : 0
      if (this.#atOnce > AT_ONCE_MAX)
        throw new Error(`time stands still at ${next.atMs} ms: something arms itself again and again without a delay`)
      this.nowMs = next.atMs
      this.fired++
      if (owner === undefined) fn()
      else if (owner.alive) {
        fn()
        if (owner.eventMs > 0) owner.pausedUntilMs = next.atMs + onGrid(owner.eventMs)
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

  #push(entry: Entry): void {
    const heap = this.#heap
    let i = heap.length
    heap.push(entry)
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!isBefore(entry, heap[parent]!)) break
      heap[i] = heap[parent]!
      i = parent
    }
    heap[i] = entry
  }

  #pop(): void {
    const last = this.#heap.pop()!
    if (this.#heap.length > 0) this.#sink(0, last)
  }

  #sink(at: number, entry: Entry): void {
    const heap = this.#heap
    let i = at
    for (;;) {
      let child = 2 * i + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, entry)) break
      heap[i] = heap[child]!
      i = child
    }
    heap[i] = entry
  }

  #sweep(): void {
    this.#heap = this.#heap.filter((entry) => entry.fn !== undefined)
    this.#cleared = 0
    for (let i = (this.#heap.length >> 1) - 1; i >= 0; i--) this.#sink(i, this.#heap[i]!)
  }
}

/** Rounded up, so that nothing fires early; negative and absent delays are none. */
function onGrid(delayMs: number): number {
  return delayMs > 0 ? Math.ceil(delayMs * GRID) / GRID : 0
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
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
