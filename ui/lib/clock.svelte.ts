/** The page's one clock: ages and countdowns read it and are drawn again each second. */
class Clock {
  /** Page time in ms; never runs backwards. */
  mono = $state(performance.now())
  /** Date in ms; only for showing. */
  wall = $state(Date.now())
  #timer = 0

  start(): void {
    this.stop()
    this.#timer = window.setInterval(() => this.tick(), 1000)
  }
  stop(): void {
    window.clearInterval(this.#timer)
  }
  tick(): void {
    this.mono = performance.now()
    this.wall = Date.now()
  }
}

export const clock = new Clock()
