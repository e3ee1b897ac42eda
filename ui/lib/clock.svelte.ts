/** The page's one clock: ages and countdowns read it and are drawn again each second. */
import type { SimulationView } from '../../node/http/views.ts'

class Clock {
  /** Page time in ms; never runs backwards. */
  mono = $state(performance.now())
  /** Time of the mesh in ms, for ages of what it told: the page's own, unless the mesh is simulated. */
  mesh = $state(performance.now())
  /** Date in the mesh, in ms; only for showing. */
  wall = $state(Date.now())
  #timer = 0
  #simulated: { at: number; nowMs: number; wallMs: number; rate: number } | null = null

  start(): void {
    this.stop()
    this.#timer = window.setInterval(() => this.tick(), 1000)
  }
  stop(): void {
    window.clearInterval(this.#timer)
  }
  tick(): void {
    this.mono = performance.now()
    const simulated = this.#simulated
    const passed = simulated ? (this.mono - simulated.at) * simulated.rate : 0
    this.mesh = simulated ? simulated.nowMs + passed : this.mono
    this.wall = simulated ? simulated.wallMs + passed : Date.now()
  }

  /** From now on the mesh's time is the simulated one, at the speed that is reached. */
  follow(simulation: SimulationView | null): void {
    this.#simulated = simulation && {
      at: performance.now(),
      nowMs: simulation.nowMs,
      wallMs: simulation.wallMs,
      rate: simulation.speed === 0 ? 0 : (simulation.achieved ?? simulation.speed)
    }
    this.tick()
  }
}

export const clock = new Clock()
