/**
 * Lets simulated time pass at a multiple of the person's: in slices short enough that the server answers between them. What
 * the machine cannot keep up with is not owed for ever; the speed that was reached is measured and shown.
 */
export interface PacedTime {
  readonly nowMs: number
  /** Entries carried out so far. */
  readonly fired: number
  /** Carries out the next entry due until then; false when there is none. */
  step(untilMs: number): boolean
  run(ms: number): void
}

/** The person's time. */
export interface WallTime {
  now(): number
  /** Calls once, after so long; at once when 0, but after what else waits. Gives what calls it off. */
  later(fn: () => void, ms: number): () => void
}

/** At most so long without a look at what the server was asked. */
const SLICE_MS = 20
/** When there is nothing due, the next look. */
const REST_MS = 10
/** Behind by more than this, the debt is let go. */
const BEHIND_MAX_MS = 250
const MEASURE_MS = 2000
const SAMPLE_MS = 250

export class Pace {
  /** Simulated seconds a second; 0 is paused. */
  speed = 0
  /** What a peer threw: a bug of the program; time stands still from then on. */
  broken: Error | undefined
  readonly #time: PacedTime
  readonly #wall: WallTime
  readonly #passed: () => void
  #from = { wallMs: 0, timeMs: 0 }
  #samples: { wallMs: number; timeMs: number; fired: number }[] = []
  #callOff: (() => void) | undefined

  /** `passed`: called after each slice. */
  constructor(time: PacedTime, wall: WallTime, passed: () => void = () => {}) {
    this.#time = time
    this.#wall = wall
    this.#passed = passed
  }

  setSpeed(speed: number): void {
    this.#callOff?.()
    this.speed = this.broken === undefined ? speed : 0
    this.#samples = []
    this.#owe()
    if (this.speed > 0) this.#callOff = this.#wall.later(() => this.#slice(), 0)
  }

  stop(): void {
    this.setSpeed(0)
  }

  /** Simulated seconds and carried out entries, each a second of the person, over the last two; null until measured. */
  reached(): { speed: number; eventsPerS: number } | null {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)]
    if (first === undefined || last === undefined || last.wallMs - first.wallMs < SAMPLE_MS) return null
    const forMs = last.wallMs - first.wallMs
    return {
      speed: (last.timeMs - first.timeMs) / forMs,
      eventsPerS: Math.round(((last.fired - first.fired) * 1000) / forMs)
    }
  }

  #owe(): void {
    this.#from = { wallMs: this.#wall.now(), timeMs: this.#time.nowMs }
  }

  #slice(): void {
    const beganMs = this.#wall.now()
    const dueMs = this.#from.timeMs + (beganMs - this.#from.wallMs) * this.speed
    let isBehind = false
    try {
      while (!isBehind && this.#time.step(dueMs)) isBehind = this.#wall.now() - beganMs >= SLICE_MS
      if (!isBehind) this.#time.run(Math.max(0, dueMs - this.#time.nowMs))
    } catch (error) {
      this.broken = error as Error
      this.setSpeed(0)
      return this.#passed()
    }
    if (dueMs - this.#time.nowMs > BEHIND_MAX_MS * this.speed) this.#owe()
    this.#sample()
    this.#passed()
    if (this.speed > 0) this.#callOff = this.#wall.later(() => this.#slice(), isBehind ? 0 : REST_MS)
  }

  #sample(): void {
    const wallMs = this.#wall.now()
    const last = this.#samples.at(-1)
    if (last !== undefined && wallMs - last.wallMs < SAMPLE_MS) return
    this.#samples.push({ wallMs, timeMs: this.#time.nowMs, fired: this.#time.fired })
    // Two stay, however far apart: also a machine that has no time tells how fast it goes.
    while (this.#samples.length > 2 && wallMs - this.#samples[0]!.wallMs > MEASURE_MS) this.#samples.shift()
  }
}

export const systemWall: WallTime = {
  now: () => performance.now(),
  later(fn, ms) {
    if (ms === 0) {
      const immediate = setImmediate(fn)
      return () => clearImmediate(immediate)
    }
    const timer = setTimeout(fn, ms)
    return () => clearTimeout(timer)
  }
}
