/**
 * Where peers stand on the rings: on each ring every peer has a pseudo-random place that follows from its id alone, so
 * that all who hold the same list draw the same rings.
 */
import type { PeerId } from '../ports.ts'

export const RINGS_MAX = 16
const KNOWN_MAX = 20_000
const known = new Map<PeerId, Uint32Array>()

/** The peer's place on each ring. */
export function placesOf(peer: PeerId): Uint32Array {
  const hit = known.get(peer)
  if (hit !== undefined) return hit
  const low = hashOf(peer, 0x811c9dc5)
  const high = hashOf(peer, 0x2545f491)
  const places = Uint32Array.from({ length: RINGS_MAX + 1 }, (_, ring) =>
    mixed(low ^ mixed((high + Math.imul(ring + 1, 0x9e3779b9)) >>> 0))
  )
  if (known.size >= KNOWN_MAX) known.clear()
  known.set(peer, places)
  return places
}

/** Where the peer stands when member lists are compared by ranges. */
export function placeOfPeer(peer: PeerId): number {
  return placesOf(peer)[RINGS_MAX]!
}

/** The next and the previous peer on each ring. `others` does not hold `self`. */
export function neighboursOf(
  self: PeerId,
  others: Iterable<PeerId>,
  rings: number
): { next: Set<PeerId>; previous: Set<PeerId> } {
  const own = placesOf(self)
  const next: (PeerId | undefined)[] = []
  const previous: (PeerId | undefined)[] = []
  const ahead = new Float64Array(rings).fill(Infinity)
  const behind = new Float64Array(rings).fill(Infinity)
  for (const peer of others) {
    const places = placesOf(peer)
    for (let ring = 0; ring < rings; ring++) {
      const distance = (places[ring]! - own[ring]!) >>> 0
      const back = 2 ** 32 - distance
      if (distance < ahead[ring]! || (distance === ahead[ring] && peer < next[ring]!)) {
        ahead[ring] = distance
        next[ring] = peer
      }
      if (back < behind[ring]! || (back === behind[ring] && peer < previous[ring]!)) {
        behind[ring] = back
        previous[ring] = peer
      }
    }
  }
  return { next: new Set(next.filter(isPeer)), previous: new Set(previous.filter(isPeer)) }
}

function isPeer(peer: PeerId | undefined): peer is PeerId {
  return peer !== undefined
}

function hashOf(text: string, seed: number): number {
  let hash = seed
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return mixed(hash)
}

/** Every bit of the input moves every bit of the output (the finish of MurmurHash3). */
function mixed(value: number): number {
  let h = value
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
