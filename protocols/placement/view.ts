/** What a submitter knows of every peer, in typed columns so that a choice among 1,000 peers stays in cache. */
import type { PeerId } from '../ports.ts'

export interface ViewRow {
  peer: PeerId
  name: string
  /** Membership says alive, and the peer takes work (not paused, not draining). */
  alive: boolean
  paused: boolean
  draining: boolean
  offerCpuMilli: number
  offerMemoryBytes: number
  grantedCpuMilli: number
  grantedMemoryBytes: number
  /** Measured share of all cores in use, 0 … 1, or NaN when not read. */
  busy: number
  /** Clock.mono() when the reading arrived; -Infinity: never. */
  at: number
  labels: Readonly<Record<string, string>>
  /** Programs with windows can run there. */
  displays?: boolean
  /** Ids of its applications. */
  apps?: ReadonlySet<string> | undefined
}

export const ALIVE = 1
export const PAUSED = 2
export const DRAINING = 4
export const DISPLAYS = 8

const NO_APPS: ReadonlySet<string> = new Set()

export class PlacementView {
  readonly peers: PeerId[] = []
  readonly names: string[] = []
  readonly labels: Readonly<Record<string, string>>[] = []
  readonly apps: ReadonlySet<string>[] = []
  readonly index = new Map<PeerId, number>()
  flags = new Uint8Array(16)
  offerCpu = new Float64Array(16)
  offerMemory = new Float64Array(16)
  freeCpu = new Float64Array(16)
  freeMemory = new Float64Array(16)
  busy = new Float64Array(16)
  at = new Float64Array(16)

  get size(): number {
    return this.peers.length
  }

  put(row: ViewRow): void {
    let i = this.index.get(row.peer)
    if (i === undefined) {
      i = this.peers.length
      this.index.set(row.peer, i)
      this.peers.push(row.peer)
      this.names.push(row.name)
      this.labels.push(row.labels)
      this.apps.push(NO_APPS)
      if (i >= this.flags.length) this.#grow()
    }
    this.names[i] = row.name
    this.labels[i] = row.labels
    this.apps[i] = row.apps ?? NO_APPS
    this.flags[i] =
      (row.alive ? ALIVE : 0) |
      (row.paused ? PAUSED : 0) |
      (row.draining ? DRAINING : 0) |
      (row.displays === true ? DISPLAYS : 0)
    this.offerCpu[i] = row.offerCpuMilli
    this.offerMemory[i] = row.offerMemoryBytes
    this.freeCpu[i] = row.offerCpuMilli - row.grantedCpuMilli
    this.freeMemory[i] = row.offerMemoryBytes - row.grantedMemoryBytes
    this.busy[i] = row.busy
    this.at[i] = row.at
  }

  /** The ask counts here from now until the peer's next ad, so that a burst of submissions does not pile up on one peer. */
  charge(peer: PeerId, cpuMilli: number, memoryBytes: number): void {
    const i = this.index.get(peer)
    if (i === undefined) return
    this.freeCpu[i]! -= cpuMilli
    this.freeMemory[i]! -= memoryBytes
  }

  remove(peer: PeerId): void {
    const i = this.index.get(peer)
    if (i === undefined) return
    const last = this.peers.length - 1
    if (i !== last) {
      const moved = this.peers[last]!
      this.peers[i] = moved
      this.names[i] = this.names[last]!
      this.labels[i] = this.labels[last]!
      this.apps[i] = this.apps[last]!
      this.index.set(moved, i)
      for (const column of this.#columns()) column[i] = column[last]!
    }
    this.peers.pop()
    this.names.pop()
    this.labels.pop()
    this.apps.pop()
    this.index.delete(peer)
  }

  #columns(): (Uint8Array | Float64Array)[] {
    return [this.flags, this.offerCpu, this.offerMemory, this.freeCpu, this.freeMemory, this.busy, this.at]
  }

  #grow(): void {
    const grow = (old: Float64Array): Float64Array<ArrayBuffer> => {
      const next = new Float64Array(old.length * 2)
      next.set(old)
      return next
    }
    const flags = new Uint8Array(this.flags.length * 2)
    flags.set(this.flags)
    this.flags = flags
    this.offerCpu = grow(this.offerCpu)
    this.offerMemory = grow(this.offerMemory)
    this.freeCpu = grow(this.freeCpu)
    this.freeMemory = grow(this.freeMemory)
    this.busy = grow(this.busy)
    this.at = grow(this.at)
  }
}
