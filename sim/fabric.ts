/**
 * The cables of a simulated LAN: which PC has which address, who can reach whom in which direction, how long a byte takes.
 * PCs, not programs: a PC can be on while nothing listens on it.
 */
import type { PeerId, Plane } from '../protocols/ports.ts'
import type { Timeline } from './clock.ts'
import type { SimNetwork } from './network.ts'
import { createRandom } from './random.ts'
import type { Trace } from './trace.ts'

export interface LinkShape {
  /** One way; each pair of PCs draws its own between half and the whole of this. */
  latencyMs: number
  /** Added to each frame, 0 to this, uniform. */
  jitterMs: number
  bytesPerMs: number
}
/** Gigabit Ethernet behind one switch, with the scheduling of busy desktops. */
export const LAN: LinkShape = { latencyMs: 0.3, jitterMs: 0.4, bytesPerMs: 125_000 }

export interface Station {
  readonly index: number
  readonly peer: PeerId
  /** Off: nothing answers, not even with a refusal. */
  powered: boolean
  address: string
  /** The program that listens here now. */
  program: SimNetwork | undefined
}

export interface Traffic {
  frames: number
  bytes: number
}

export class Fabric {
  readonly timeline: Timeline
  readonly trace: Trace
  readonly shape: LinkShape
  readonly seed: number
  readonly stations = new Map<PeerId, Station>()
  readonly traffic = new Map<Plane, Traffic>()
  readonly #byAddress = new Map<string, Station>()
  /** Directions in which nothing passes, and since when. */
  #blocked = new Map<number, number>()
  #addresses = 0

  constructor(options: { timeline: Timeline; trace: Trace; seed: number; shape?: LinkShape }) {
    this.timeline = options.timeline
    this.trace = options.trace
    this.seed = options.seed
    this.shape = options.shape ?? LAN
  }

  /** A new PC with an address of its own. */
  station(peer: PeerId): Station {
    const station: Station = { index: this.stations.size, peer, powered: true, address: '', program: undefined }
    this.stations.set(peer, station)
    this.readdress(station)
    return station
  }

  /** DHCP gives the PC another address; nobody answers at the old one. */
  readdress(station: Station): void {
    this.#byAddress.delete(station.address)
    const n = ++this.#addresses
    station.address = `/ip4/10.${n >> 16}.${(n >> 8) & 255}.${n & 255}/tcp/7777`
    this.#byAddress.set(station.address, station)
  }

  at(address: string): Station | undefined {
    return this.#byAddress.get(address)
  }

  passes(from: Station, to: Station): boolean {
    return !this.#blocked.has(from.index * 65_536 + to.index)
  }
  reachesBothWays(a: Station, b: Station): boolean {
    return a.powered && b.powered && this.passes(a, b) && this.passes(b, a)
  }

  /** Nothing passes from any of the first to any of the second. */
  block(from: Iterable<PeerId>, to: Iterable<PeerId>): void {
    const targets = [...to]
    for (const a of from) {
      for (const b of targets) {
        if (a === b) continue
        const key = this.#index(a) * 65_536 + this.#index(b)
        if (!this.#blocked.has(key)) this.#blocked.set(key, this.timeline.nowMs)
      }
    }
  }

  /** Groups that no longer reach each other; PCs in no group stay connected to all. */
  cut(groups: readonly (readonly PeerId[])[]): void {
    for (const a of groups) for (const b of groups) if (a !== b) this.block(a, b)
  }

  /** Everything passes again. What waited is sent again after a while, as TCP does: later, the longer it lasted. */
  heal(): void {
    const blocked = this.#blocked
    this.#blocked = new Map()
    const stations = [...this.stations.values()]
    for (const [key, sinceMs] of blocked) {
      const from = stations[Math.floor(key / 65_536)]!
      const to = stations[key % 65_536]!
      from.program?.resume(to.peer, this.timeline.nowMs - sinceMs)
    }
  }

  /** One way between two PCs, ms: the same both ways, different for each pair. */
  latencyMs(a: Station, b: Station): number {
    const [low, high] = a.index < b.index ? [a.index, b.index] : [b.index, a.index]
    return this.shape.latencyMs * (0.5 + 0.5 * createRandom(this.seed, 'latency', low, high).float())
  }

  count(plane: Plane, bytes: number): void {
    const traffic = this.traffic.get(plane)
    if (traffic === undefined) this.traffic.set(plane, { frames: 1, bytes })
    else {
      traffic.frames++
      traffic.bytes += bytes
    }
  }

  #index(peer: PeerId): number {
    const station = this.stations.get(peer)
    if (station === undefined) throw new Error(`no PC with peer id ${peer} in this world`)
    return station.index
  }
}
