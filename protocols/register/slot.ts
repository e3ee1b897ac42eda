/** An acceptor's record on disk: CBOR behind its CRC-32. What does not check out is damaged, and never votes again. */
import { decodeAs, encodeCbor } from '../codec.ts'
import { MeshError } from '../errors.ts'
import type { PeerId } from '../ports.ts'
import { NO_BALLOT } from './ballot.ts'
import type { Ballot } from './ballot.ts'
import type { Value } from './value.ts'
import { SlotWire } from './wire.ts'

export interface Slot {
  readonly promised: Ballot
  readonly accepted: Ballot
  readonly value: Value | null
  /** Who asked for room; absent: it was made here. */
  readonly by?: PeerId | undefined
}

/** Room for a register: nothing promised, nothing accepted. */
export const EMPTY_SLOT: Slot = { promised: NO_BALLOT, accepted: NO_BALLOT, value: null }

export function encodeSlot(slot: Slot): Uint8Array {
  const body = encodeCbor(slot)
  const bytes = new Uint8Array(4 + body.length)
  new DataView(bytes.buffer).setUint32(0, crc32(body))
  bytes.set(body, 4)
  return bytes
}

/** Throws WIRE_INVALID for anything but what `encodeSlot` made. */
export function decodeSlot(bytes: Uint8Array): Slot {
  const body = bytes.subarray(4)
  const expected = bytes.length < 4 ? -1 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  if (expected !== crc32(body))
    throw new MeshError('WIRE_INVALID', `the checksum of a register of ${bytes.length} bytes does not match`)
  return decodeAs(SlotWire, body, 'register')
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let c = byte
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1
  return c
})

/** CRC-32 of IEEE 802.3: finds every burst of up to 32 flipped bits. */
export function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff
  for (const byte of bytes) c = TABLE[(c ^ byte) & 255]! ^ (c >>> 8)
  return ~c >>> 0
}
