/**
 * Lazy telling: in a large mesh each neighbour that tells of a reading sends its number first, and who lacks it asks one
 * of them for it. A reading reaches everyone once instead of as often as it is told.
 */
import type { PeerId } from '../ports.ts'
import { shortId } from './entry.ts'
import type { Entry } from './entry.ts'
import { markTold, owe, spend } from './push.ts'
import { send } from './state.ts'
import type { Turn } from './state.ts'

const ID_BYTES = 6

export function isLarge(t: Turn): boolean {
  return (t.s.options.population?.() ?? 0) > t.s.cfg.eagerPeers
}

export function tell(t: Turn, to: PeerId, entries: readonly Entry[]): void {
  send(t, to, { t: 'ids', i: packed(entries.map((one) => one.id)) })
}

/** Asks for what is not here and not asked of another neighbour a moment ago. */
export function onIds(t: Turn, from: PeerId, bytes: Uint8Array): void {
  const { s, env } = t
  const link = s.links.get(from)
  if (link === undefined) return
  const missing: number[] = []
  for (const id of unpacked(bytes)) {
    if (s.known.has(id)) {
      markTold(s, id, link)
      continue
    }
    const short = shortId(id)
    if (!s.parked.has(id) && isDue(t, short)) {
      s.pulled.set(short, env.now)
      missing.push(id)
    }
  }
  if (missing.length === 0) return
  spend(t, from, missing.length * ID_BYTES)
  send(t, from, { t: 'pull', i: packed(missing) })
}

export function onPull(t: Turn, from: PeerId, bytes: Uint8Array): void {
  if (!t.s.links.has(from)) return
  const asked = unpacked(bytes)
    .map((id) => t.s.known.entry(id))
    .filter((one) => one !== undefined)
  if (asked.length > 0) owe(t, from, asked)
}

function isDue(t: Turn, short: number): boolean {
  const askedAt = t.s.pulled.get(short)
  if (askedAt !== undefined) return t.env.now - askedAt >= t.s.cfg.pullAgainMs
  return t.s.pulled.size < t.s.cfg.ghostsMax
}

function packed(ids: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(ID_BYTES * ids.length)
  let at = 0
  for (const id of ids) {
    const high = Math.floor(id / 2 ** 32)
    bytes[at] = id >>> 24
    bytes[at + 1] = id >>> 16
    bytes[at + 2] = id >>> 8
    bytes[at + 3] = id
    bytes[at + 4] = high >>> 8
    bytes[at + 5] = high
    at += ID_BYTES
  }
  return bytes
}

function unpacked(bytes: Uint8Array): number[] {
  const ids: number[] = []
  for (let at = 0; at + ID_BYTES <= bytes.length; at += ID_BYTES) {
    const low = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
    ids.push((low >>> 0) + 2 ** 32 * ((bytes[at + 4]! << 8) | bytes[at + 5]!))
  }
  return ids
}
