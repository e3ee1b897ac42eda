/**
 * What mDNS has told of, before it is passed on: at most 64 peers are remembered, an address is introduced at most once a
 * second, and all together at most 32 a second, whatever strangers shout on the LAN.
 */
import type { PeerId } from '../../protocols/ports.ts'

const PEERS_MAX = 64
const ADDRESSES_MAX = 512
const ADDRESS_PAUSE_MS = 1000
/** The same peer at the same addresses is told of again only after that, for those who lost it meanwhile. */
const PEER_PAUSE_MS = 10_000
const PER_SECOND_MAX = 32

export class Candidates {
  readonly #introduce: (peer: PeerId, addresses: readonly string[]) => void
  readonly #nowMs: () => number
  readonly #peers = new Map<PeerId, { addresses: string; atMs: number }>()
  readonly #addresses = new Map<string, number>()
  #second = { startMs: -Infinity, used: 0 }

  constructor(introduce: (peer: PeerId, addresses: readonly string[]) => void, nowMs = () => performance.now()) {
    this.#introduce = introduce
    this.#nowMs = nowMs
  }

  get size(): number {
    return this.#peers.size
  }

  heard(peer: PeerId, addresses: readonly string[]): void {
    const now = this.#nowMs()
    const joined = addresses.join(' ')
    const known = this.#peers.get(peer)
    if (known !== undefined && known.addresses === joined && now - known.atMs < PEER_PAUSE_MS) return
    const fresh = addresses.filter((address) => now - (this.#addresses.get(address) ?? -Infinity) >= ADDRESS_PAUSE_MS)
    if (fresh.length === 0 || !this.#takeTurn(now)) return
    // Insertion order is age: the oldest gives way.
    this.#peers.delete(peer)
    this.#peers.set(peer, { addresses: joined, atMs: now })
    trim(this.#peers, PEERS_MAX)
    for (const address of fresh) {
      this.#addresses.delete(address)
      this.#addresses.set(address, now)
    }
    trim(this.#addresses, ADDRESSES_MAX)
    this.#introduce(peer, fresh)
  }

  #takeTurn(now: number): boolean {
    if (now - this.#second.startMs >= 1000) this.#second = { startMs: now, used: 0 }
    this.#second.used += 1
    return this.#second.used <= PER_SECOND_MAX
  }
}

function trim(map: Map<string, unknown>, max: number): void {
  for (const key of map.keys()) {
    if (map.size <= max) return
    map.delete(key)
  }
}
