/**
 * A member that lies: while the fault lasts, some of what its program says leaves it changed. Numbers, texts and bytes of a
 * message become others of their kind or of another, parts go missing, and what it heard or said before is said again, to
 * anybody. All of it under its own certificate: strangers do not come so far.
 */
import { decodeCbor, encodeCbor } from '../protocols/codec.ts'
import { FRAME_MAX } from '../protocols/ports.ts'
import type { PeerId, Plane, Random } from '../protocols/ports.ts'
import type { Cargo } from './link.ts'

/** Frames of each plane that it remembers. */
const HEARD_MAX = 200
const NUMBERS = [0, 1, -1, 255, 2 ** 31, 2 ** 32, 2 ** 53 - 1, -(2 ** 53 - 1), 0.5, 1e300]
const NO_CBOR = Uint8Array.of(0x9f, 0xff, 0xff)

export class Liar {
  readonly #random: Random
  /** Share of its messages. */
  readonly #ratio: number
  readonly #peers: readonly PeerId[]
  readonly #known = new Map<Plane, Uint8Array[]>()

  constructor(random: Random, ratio: number, peers: readonly PeerId[]) {
    this.#random = random
    this.#ratio = ratio
    this.#peers = peers
  }

  hears(plane: Plane, { load }: Cargo): void {
    this.#remember(plane, load instanceof Uint8Array ? load : encodeCbor(load))
  }

  /** What it sends instead: nothing, one frame or two. */
  says(plane: Plane, cargo: Cargo): Cargo[] {
    if (this.#random.float() >= this.#ratio) return [cargo]
    const frame = cargo.load instanceof Uint8Array ? cargo.load : encodeCbor(cargo.load)
    this.#remember(plane, frame)
    const sent = this.#lie(plane, frame).filter(({ length }) => length <= FRAME_MAX)
    return sent.map((load) => ({ load, bytes: load.length, kind: 'lie', atMs: 0 }))
  }

  #lie(plane: Plane, frame: Uint8Array): Uint8Array[] {
    switch (this.#below(8)) {
      case 0:
        return []
      case 1:
        return [frame, frame]
      case 2:
        return [this.#pick(this.#known.get(plane)!)]
      case 3:
        return [this.#pick([...this.#known.values()].flat()), frame]
      case 4:
        return [this.#torn(frame)]
      default:
        return [this.#twisted(frame)]
    }
  }

  #torn(frame: Uint8Array): Uint8Array {
    const torn = frame.slice(0, 1 + this.#below(frame.length))
    torn[this.#below(torn.length)]! ^= 1 << this.#below(8)
    return torn
  }

  /** The message, with one to three of its parts changed. */
  #twisted(frame: Uint8Array): Uint8Array {
    try {
      let message = decodeCbor(frame)
      for (let i = 1 + this.#below(3); i > 0; i--) message = this.#twist(message)
      return encodeCbor(message)
    } catch {
      return NO_CBOR
    }
  }

  #twist(value: unknown): unknown {
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return this.#other(value)
    const keys = Object.keys(value)
    if (keys.length === 0 || this.#below(8) === 0) return this.#other(value)
    const key = this.#pick(keys)
    const parts = Array.isArray(value) ? [...(value as unknown[])] : { ...value }
    const at = parts as Record<string, unknown>
    if (!Array.isArray(parts) && this.#below(12) === 0) delete at[key]
    else at[key] = this.#twist(at[key])
    return parts
  }

  #other(value: unknown): unknown {
    // now and then of another kind
    if (this.#below(10) === 0) return this.#pick<unknown>([0, 'lie', true, null, [], {}, new Uint8Array(3)])
    if (typeof value === 'number') return this.#below(3) === 0 ? this.#pick(NUMBERS) : value + this.#pick([1, -1, 1000])
    if (typeof value === 'boolean') return !value
    if (value instanceof Uint8Array) return this.#random.bytes(this.#pick([0, value.length, value.length + 1]))
    if (typeof value !== 'string') return Array.isArray(value) ? [...(value as unknown[]), ...(value as unknown[])] : {}
    if (value.startsWith('12D3')) return this.#pick(this.#peers)
    return this.#pick([value.slice(1), `${value}x`, '', '__proto__', 'x'.repeat(5000)])
  }

  #remember(plane: Plane, frame: Uint8Array): void {
    const known = this.#known.get(plane)
    if (known === undefined) this.#known.set(plane, [frame])
    else if (known.length < HEARD_MAX) known.push(frame)
    else known[this.#below(HEARD_MAX)] = frame
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]!
  }
  #below(n: number): number {
    return Math.floor(this.#random.float() * n)
  }
}
