/** What a person does to simulated PCs from the page: power, cables, and how fast time passes. */
import { MeshError } from '../../protocols/errors.ts'
import type { Simulation, SimulationDeed } from '../../node/http/simulation-routes.ts'
import type { SimulationView } from '../../node/http/views.ts'
import type { SimMesh } from '../mesh.ts'
import type { SimPc } from '../pc.ts'
import type { Pace } from './pace.ts'

/** Told of what was done: a sentence, and the PC it was done to. */
export type Told = (text: string, pc: SimPc) => void

const SAID: Record<SimulationDeed, string> = {
  kill: 'was switched off',
  restart: 'was switched on',
  cut: 'was cut off from the network',
  heal: 'is back on the network'
}

export class Control implements Simulation {
  readonly #mesh: SimMesh
  readonly #pace: Pace
  readonly #told: Told
  readonly #cut = new Set<SimPc>()

  constructor(mesh: SimMesh, pace: Pace, told: Told) {
    this.#mesh = mesh
    this.#pace = pace
    this.#told = told
  }

  view(): SimulationView {
    const { seed, nowMs, wallMs, pcs } = this.#mesh
    const reached = this.#pace.reached()
    return {
      seed,
      peers: pcs.length,
      nowMs: Math.round(nowMs),
      wallMs,
      speed: this.#pace.speed,
      achieved: reached === null ? null : Math.round(reached.speed * 100) / 100,
      eventsPerS: reached?.eventsPerS ?? 0,
      off: pcs.filter((pc) => !pc.running).map((pc) => pc.id),
      cut: [...this.#cut].map((pc) => pc.id)
    }
  }

  setSpeed(speed: number): void {
    this.#pace.setSpeed(speed)
  }

  apply(deed: SimulationDeed, peers: readonly string[]): void {
    const pcs = [...new Set(peers.map((peer) => this.#find(peer)))].filter((pc) => this.#isFor(deed, pc))
    if (deed === 'kill' && pcs.length > 0 && pcs.length >= this.#mesh.running.length)
      throw new MeshError(
        'BAD_REQUEST',
        `these are the last ${pcs.length} PCs that run: nothing could be seen any more`
      )
    if (deed === 'kill') for (const pc of pcs) this.#mesh.kill(pc)
    if (deed === 'restart') for (const pc of pcs) this.#mesh.restart(pc)
    if (deed === 'cut') this.#pull(pcs)
    if (deed === 'heal') this.#plug(pcs)
    for (const pc of pcs) this.#told(`${pc.name} ${SAID[deed]}`, pc)
  }

  /** Whether it is not so already. */
  #isFor(deed: SimulationDeed, pc: SimPc): boolean {
    if (deed === 'kill' || deed === 'restart') return pc.running === (deed === 'kill')
    return this.#cut.has(pc) === (deed === 'heal')
  }

  /** Each PC alone: it neither hears nor is heard by anyone. */
  #pull(pcs: readonly SimPc[]): void {
    for (const pc of pcs) {
      this.#cut.add(pc)
      this.#block(pc)
    }
  }

  #plug(pcs: readonly SimPc[]): void {
    if (pcs.length === 0) return
    for (const pc of pcs) this.#cut.delete(pc)
    this.#mesh.heal()
    for (const pc of this.#cut) this.#block(pc)
  }

  #block(pc: SimPc): void {
    const others = this.#mesh.pcs.filter((other) => other !== pc).map((other) => other.id)
    this.#mesh.world.fabric.cut([[pc.id], others])
  }

  #find(peer: string): SimPc {
    const found = this.#mesh.pcs.find((pc) => pc.id === peer || pc.name === peer)
    if (found === undefined) throw new MeshError('UNKNOWN_NODE', `this simulation has no PC "${peer.slice(0, 60)}"`)
    return found
  }
}
