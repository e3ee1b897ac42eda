/**
 * What goes to disk of a member: its own word alone while it is here; once it is gone also since when and how, so that
 * times to forget run on over a restart, and who left for good or was expelled does not come back by old word.
 */
import { z } from 'zod'
import { decodeCbor, encodeCbor, tryPeerKey } from '../codec.ts'
import type { PeerId } from '../ports.ts'
import type { SignedMember } from './record.ts'
import type { Turn } from './state.ts'
import type { Row } from './row.ts'
import { MEMBER_LIMITS } from './wire.ts'

/** A signed record begins with a CBOR map; this with an array of four. */
const FIRST_BYTE = 0x84
const Gone = z.tuple([
  z.string().refine((text) => tryPeerKey(text) !== undefined),
  /** `past`: left the mesh and was dropped. `banned`: expelled. */
  z.enum(['dead', 'left', 'past', 'banned']),
  /** Wall clock, ms. */
  z.int().min(0),
  z.custom<Uint8Array>((v) => v instanceof Uint8Array && v.length <= MEMBER_LIMITS.recordBytes)
])

export interface Kept {
  peer: PeerId
  how: z.infer<typeof Gone>[1]
  /** How long ago, by the wall clock. */
  ageMs: number
  record: SignedMember
}

export function keepRow(t: Turn, row: Row): void {
  const gone = row.state === 'dead' || row.state === 'left'
  if (gone) keepGone(t, row.peer, row.state as 'dead' | 'left', row.since, row.bytes)
  else t.out.push({ e: 'keep', peer: row.peer, bytes: row.bytes })
}

export function keepGone(t: Turn, peer: PeerId, how: Kept['how'], since: number, record: SignedMember): void {
  const wall = Math.max(0, Math.floor(t.env.wall - (t.env.now - since)))
  t.out.push({ e: 'keep', peer, bytes: encodeCbor([peer, how, wall, record]) })
}

/** Undefined for a member's word alone, and for what is neither. */
export function readKept(t: Turn, bytes: Uint8Array): Kept | undefined {
  if (bytes[0] !== FIRST_BYTE) return undefined
  try {
    const [peer, how, wall, record] = Gone.parse(decodeCbor(bytes))
    return { peer, how, ageMs: Math.max(0, t.env.wall - wall), record }
  } catch {
    return undefined
  }
}
