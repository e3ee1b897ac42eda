/**
 * The cables of a simulated LAN: which PC has which address, who can reach whom in which direction, how long a byte takes.
 * PCs, not programs: a PC can be on while nothing listens on it.
 */
import type { PeerId, Plane } from '../protocols/ports.ts'
import type { Timeline } from './clock.ts'
import type { Liar } from './liar.ts'
import type { SimNetwork } from './network.ts'
import { createRandom } from './random.ts'
import type { Trace } from './trace.ts'

export interface LinkShape {
  /** One way; each pair of PCs draws its own between half and the whole of this. */
  latencyMs: number
  /** Added to each frame, 0 to this, uniform. */
  jitterMs: number
  bytesPerMs: number
  /** Share of frames that are lost and sent again: what waits behind them in the stream waits too. */
  stallRatio?: number
  /** Share of the stalls that end with a reset of the connection. */
  resetRatio?: number
  /** Share of frames that take up to `tailMs` longer, most of them far less. */
  tailRatio?: number
  tailMs?: number
  /** No stream at all: frames overtake each other, are lost and come twice. For stress beyond what is promised. */
  datagrams?: { lossRatio: number; twiceRatio: number; lateMs: number }
}
/** Gigabit Ethernet behind one switch, with the scheduling of busy desktops. */
export const LAN: LinkShape = { latencyMs: 0.3, jitterMs: 0.4, bytesPerMs: 125_000 }

const ENCODED_EACH = 100

export interface Station {
  readonly index: number
  readonly peer: PeerId
  /** Off: nothing answers, not even with a refusal. */
  powered: boolean
  address: string
  /** The program that listens here now. */
  program: SimNetwork | undefined
}

/** Sees each message as it is handed to the cable, and may decide what becomes of it. */
export interface Tap {
  sent(from: Station, to: Station, plane: Plane, kind: string, message: object): Fate
}
/** `reset`: lost, and the connection with it, as on a stream nothing is lost alone. */
export type Fate = 'pass' | 'reset'

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
  tap: Tap | undefined
  readonly liars = new Map<Station, Liar>()
  /** Directions in which nothing passes: how many faults block them, and since when. */
  #blocked = new Map<number, { faults: number; sinceMs: number }>()
  readonly #shapes = new Map<number, LinkShape>()
  #addresses = 0
  readonly #wire: boolean
  #handed = 0

  /** `wire`: every message goes through the codec, not only one in a hundred. */
  constructor(options: { timeline: Timeline; trace: Trace; seed: number; shape?: LinkShape; wire?: boolean }) {
    this.#wire = options.wire === true
    this.timeline = options.timeline
    this.trace = options.trace
    this.seed = options.seed
    this.shape = options.shape ?? LAN
  }

  /** Whether the next message handed over is to be encoded. */
  encodesNext(): boolean {
    return this.#wire || ++this.#handed % ENCODED_EACH === 0
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
    return this.#blocked.size === 0 || !this.#blocked.has(from.index * 65_536 + to.index)
  }
  reachesBothWays(a: Station, b: Station): boolean {
    return a.powered && b.powered && this.passes(a, b) && this.passes(b, a)
  }

  /** Nothing passes from any of the first to any of the second. Blocked twice, a direction is to be unblocked twice. */
  block(from: Iterable<PeerId>, to: Iterable<PeerId>): void {
    this.#each(from, to, (key) => {
      const known = this.#blocked.get(key)
      if (known === undefined) this.#blocked.set(key, { faults: 1, sinceMs: this.timeline.nowMs })
      else known.faults++
    })
  }

  unblock(from: Iterable<PeerId>, to: Iterable<PeerId>): void {
    this.#each(from, to, (key) => {
      const known = this.#blocked.get(key)
      if (known === undefined || --known.faults > 0) return
      this.#blocked.delete(key)
      this.#resume(key, known.sinceMs)
    })
  }

  /** Groups that no longer reach each other; PCs in no group stay connected to all. */
  cut(groups: readonly (readonly PeerId[])[]): void {
    for (const a of groups) for (const b of groups) if (a !== b) this.block(a, b)
  }

  /** Everything passes again. What waited is sent again after a while, as TCP does: later, the longer it lasted. */
  heal(): void {
    const blocked = this.#blocked
    this.#blocked = new Map()
    for (const [key, { sinceMs }] of blocked) this.#resume(key, sinceMs)
  }

  /** How frames travel from one PC to another; undefined: as everywhere. */
  reshape(from: PeerId, to: PeerId, shape: LinkShape | undefined): void {
    const key = this.#index(from) * 65_536 + this.#index(to)
    if (shape === undefined) this.#shapes.delete(key)
    else this.#shapes.set(key, shape)
  }

  shapeOf(from: Station, to: Station): LinkShape {
    if (this.#shapes.size === 0) return this.shape
    return this.#shapes.get(from.index * 65_536 + to.index) ?? this.shape
  }

  #each(from: Iterable<PeerId>, to: Iterable<PeerId>, fn: (key: number) => void): void {
    const targets = [...to]
    for (const a of from) for (const b of targets) if (a !== b) fn(this.#index(a) * 65_536 + this.#index(b))
  }

  #resume(key: number, sinceMs: number): void {
    const stations = [...this.stations.values()]
    const to = stations[key % 65_536]!
    stations[Math.floor(key / 65_536)]!.program?.resume(to.peer, this.timeline.nowMs - sinceMs)
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
