/**
 * Frames for members that have no link now: in a large mesh links are made when they are needed, and what is to go over
 * them waits here meanwhile, within bounds.
 */
import type { Clock, PeerId, Plane } from '../ports.ts'

/** For one peer; peers, and for all together. What is asked of so many at once is better asked again. */
const FRAMES_MAX = 64
const BYTES_MAX = 256 * 1024
const PEERS_MAX = 256
const TOTAL_BYTES_MAX = 8 * 1024 * 1024
/** A dial that has not ended by then has no address to try. */
const WAIT_MS = 12_000

interface Held {
  frames: { plane: Plane; frame: Uint8Array }[]
  bytes: number
  timer: unknown
}

export class Waiting {
  readonly #clock: Clock
  readonly #held = new Map<PeerId, Held>()
  readonly #lost: (peer: PeerId) => void
  #bytes = 0

  /** `lost`: what waited for that peer was dropped. */
  constructor(clock: Clock, lost: (peer: PeerId) => void) {
    this.#clock = clock
    this.#lost = lost
  }

  /** False: too much waits already. */
  hold(peer: PeerId, plane: Plane, frame: Uint8Array): boolean {
    if (this.#bytes + frame.length > TOTAL_BYTES_MAX) return false
    let held = this.#held.get(peer)
    if (held === undefined) {
      if (this.#held.size >= PEERS_MAX) return false
      held = { frames: [], bytes: 0, timer: this.#clock.setTimeout(() => this.drop(peer), WAIT_MS) }
      this.#held.set(peer, held)
    }
    if (held.frames.length >= FRAMES_MAX || held.bytes + frame.length > BYTES_MAX) return false
    held.frames.push({ plane, frame })
    held.bytes += frame.length
    this.#bytes += frame.length
    return true
  }

  /** All that waits for the peer, in order; its link is here. */
  take(peer: PeerId): Held['frames'] {
    return this.#remove(peer)?.frames ?? []
  }

  drop(peer: PeerId): void {
    if (this.#remove(peer) !== undefined) this.#lost(peer)
  }

  end(): void {
    for (const peer of [...this.#held.keys()]) this.#remove(peer)
  }

  #remove(peer: PeerId): Held | undefined {
    const held = this.#held.get(peer)
    if (held === undefined) return undefined
    this.#held.delete(peer)
    this.#bytes -= held.bytes
    this.#clock.clearTimeout(held.timer)
    return held
  }
}
