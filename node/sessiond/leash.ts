/**
 * The leash (DESIGN.md section 4): held while the peer refreshes it. When it is not refreshed in time, or the PC slept,
 * it lapses: the children are frozen before anything else happens, and each waits for its own thaw.
 */
const TICK_MS = 500
/** The two clocks are read one after the other and step by up to 10 ms; only sleep sets them apart by more. */
const SLEPT_MS = 1000

export class Leash {
  readonly #limitMs: number
  readonly #bootMs: () => number
  readonly #onLapse: (why: string, slept: boolean) => void
  #refreshedAt = -Infinity
  #held = false
  #timer: NodeJS.Timeout | undefined
  #bootAtCheck = 0
  #monoAtCheck = 0

  constructor(limitMs: number, bootMs: () => number, onLapse: (why: string, slept: boolean) => void) {
    this.#limitMs = limitMs
    this.#bootMs = bootMs
    this.#onLapse = onLapse
  }

  /** True when work may start now. Looks at the clock, not only at what the last tick found. */
  get held(): boolean {
    this.#check()
    return this.#held
  }

  /** Whether the PC slept, before anything is done that a sleep would forbid. */
  look(): void {
    this.#check()
  }

  /** `at`: boot clock of the peer when it sent this. One that waited too long in a queue says nothing about now. */
  refresh(at: number): void {
    this.#check()
    const now = this.#bootMs()
    const sentAt = Math.min(at, now)
    if (now - sentAt >= this.#limitMs) return
    this.#refreshedAt = Math.max(this.#refreshedAt, sentAt)
    this.#held = true
  }

  /** Ticks only while something could be frozen, so that an idle PC stays idle. */
  watch(on: boolean): void {
    if (on === (this.#timer !== undefined)) return
    clearInterval(this.#timer)
    this.#timer = on ? setInterval(() => this.#check(), Math.min(TICK_MS, this.#limitMs / 4)) : undefined
  }

  #check(): void {
    const slept = this.#sleptMs()
    if (!this.#held) return
    const silentMs = this.#bootMs() - this.#refreshedAt
    if (silentMs < this.#limitMs && slept < SLEPT_MS) return
    this.#held = false
    const didSleep = slept >= SLEPT_MS
    this.#onLapse(didSleep ? `this PC slept for ${slept} ms` : `the peer was silent for ${silentMs} ms`, didSleep)
  }

  /** How much further the clock that counts sleep went than the one that does not, since the last look. */
  #sleptMs(): number {
    const boot = this.#bootMs()
    const mono = performance.now()
    const slept = Math.round(boot - this.#bootAtCheck - (mono - this.#monoAtCheck))
    const first = this.#bootAtCheck === 0
    this.#bootAtCheck = boot
    this.#monoAtCheck = mono
    return first ? 0 : slept
  }
}
