/**
 * What a member says of itself: CBOR of { peer, inc, boot, name, addrs, ver, left? } followed by the 64 bytes of its own
 * signature. Relayed as the original bytes; only the peer itself can issue one.
 */
import { z } from 'zod'
import { decodeCbor, encodeCbor, tryPeerKey } from '../codec.ts'
import type { Crypto, PeerId } from '../ports.ts'
import { MEMBER_LIMITS } from './wire.ts'

/** CBOR followed by 64 bytes of signature. Opaque to the host. */
export type SignedMember = Uint8Array

export interface MemberRecord {
  peer: PeerId
  /** Incarnation: grows with every start, refutation and change. */
  inc: number
  /** 16 hex digits drawn at each start. */
  boot: string
  name: string
  addrs: readonly string[]
  ver: string
  /** `away`: shut down. `forever`: left the mesh. */
  left?: 'away' | 'forever' | undefined
}

const DOMAIN = new TextEncoder().encode('omega/member/1\0')
const SIGNATURE_BYTES = 64

const Shape = z.object({
  peer: z.string().refine((text) => tryPeerKey(text) !== undefined),
  inc: z.int().min(0).max(0xffffffff),
  boot: z.string().regex(/^[0-9a-f]{16}$/),
  name: z.string().max(MEMBER_LIMITS.nameChars),
  addrs: z.array(z.string().max(MEMBER_LIMITS.addressChars)).max(MEMBER_LIMITS.addresses),
  ver: z.string().max(MEMBER_LIMITS.versionChars),
  left: z.enum(['away', 'forever']).optional()
})

export function signRecord(record: MemberRecord, crypto: Crypto): SignedMember {
  const body = encodeCbor(record)
  return joined(body, crypto.sign(joined(DOMAIN, body)))
}

/** Undefined for anything that is not a member's own word: malformed, out of bounds, forged. Never throws. */
export function readRecord(bytes: SignedMember, crypto: Crypto): MemberRecord | undefined {
  if (bytes.length <= SIGNATURE_BYTES || bytes.length > MEMBER_LIMITS.recordBytes) return undefined
  const cut = bytes.length - SIGNATURE_BYTES
  const known = knownRecords(crypto)
  const id = recordId(bytes)
  const hit = known.get(id)
  if (hit !== undefined && sameBytes(hit.bytes, bytes)) return hit.record
  const record = decoded(bytes.subarray(0, cut))
  if (record === undefined) return undefined
  const key = tryPeerKey(record.peer)
  if (key === undefined || !crypto.verify(key, joined(DOMAIN, bytes.subarray(0, cut)), bytes.subarray(cut)))
    return undefined
  if (known.size >= KNOWN_MAX) known.clear()
  known.set(id, { bytes, record })
  return record
}

/** 48 bits of the signature: tells two records apart without decoding them. */
export function recordId(bytes: SignedMember): number {
  const at = bytes.length - SIGNATURE_BYTES
  if (at < 0) return -1
  return (
    bytes[at]! +
    bytes[at + 1]! * 2 ** 8 +
    bytes[at + 2]! * 2 ** 16 +
    bytes[at + 3]! * 2 ** 24 +
    bytes[at + 4]! * 2 ** 32 +
    bytes[at + 5]! * 2 ** 40
  )
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let i = a.length - 1; i >= 0; i--) if (a[i] !== b[i]) return false
  return true
}

/**
 * Records that one verify function has accepted: whether bytes are genuine does not depend on who asks, so many
 * simulated peers of one process share the work.
 */
const KNOWN_MAX = 16_384
const knownBy = new WeakMap<Crypto['verify'], Map<number, { bytes: Uint8Array; record: MemberRecord }>>()
function knownRecords(crypto: Crypto): Map<number, { bytes: Uint8Array; record: MemberRecord }> {
  let known = knownBy.get(crypto.verify)
  if (known === undefined) knownBy.set(crypto.verify, (known = new Map()))
  return known
}

function decoded(body: Uint8Array): MemberRecord | undefined {
  try {
    const result = Shape.safeParse(decodeCbor(body))
    return result.success ? result.data : undefined
  } catch {
    return undefined
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length)
  bytes.set(a)
  bytes.set(b, a.length)
  return bytes
}
