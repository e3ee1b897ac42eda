/**
 * Bytes on the wire and on disk: deterministic CBOR (RFC 8949 section 4.2) by cborg, strict on the way in. A peer id is
 * text in memory and its 32 key bytes under tag 1330 on the wire. Every frame becomes a checked value here, once.
 */
import { decode } from 'cborg'
import type { z } from 'zod'
import { CborWriter, PEER_TAG } from './cbor.ts'
import { MeshError } from './errors.ts'
import { FRAME_MAX } from './ports.ts'
import type { PeerId } from './ports.ts'

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
/** identity multihash of a protobuf-wrapped Ed25519 key (libp2p peer id spec): 6 fixed bytes before the key. */
const ID_PREFIX = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20]
const CACHE_MAX = 20_000
const toBytes = new Map<PeerId, Uint8Array>()
const toText = new Map<string, PeerId>()

/** The 32 key bytes of a peer id, or undefined when the text is none. */
export function tryPeerKey(id: string): Uint8Array | undefined {
  const known = toBytes.get(id)
  if (known !== undefined) return known
  if (id.length !== 52 || !id.startsWith('12D3KooW')) return undefined
  const raw = base58Decode(id)
  if (raw === undefined || raw.length !== 38 || ID_PREFIX.some((b, i) => raw[i] !== b)) return undefined
  const key = raw.slice(6)
  if (peerIdOf(key) !== id) return undefined
  return key
}

/** The 32 key bytes of a peer id. Throws WIRE_INVALID for text that is none. */
export function peerKey(id: PeerId): Uint8Array {
  const key = tryPeerKey(id)
  if (key === undefined) throw new MeshError('WIRE_INVALID', `"${id.slice(0, 80)}" is not an Ed25519 peer id`)
  return key
}

/** The peer id of an Ed25519 public key. */
export function peerIdOf(key: Uint8Array): PeerId {
  if (key.length !== 32) throw new MeshError('WIRE_INVALID', `an Ed25519 key has 32 bytes, not ${key.length}`)
  const hex = toHex(key)
  const known = toText.get(hex)
  if (known !== undefined) return known
  const raw = new Uint8Array(38)
  raw.set(ID_PREFIX)
  raw.set(key, 6)
  const id = base58Encode(raw)
  if (toText.size >= CACHE_MAX) {
    toText.clear()
    toBytes.clear()
  }
  toText.set(hex, id)
  toBytes.set(id, key.slice())
  return id
}

const writer = new CborWriter(tryPeerKey)
const tags: Record<number, (inner: unknown) => unknown> = {}
tags[PEER_TAG] = (inner) => {
  const value = typeof inner === 'function' ? (inner as () => unknown)() : inner
  if (!(value instanceof Uint8Array)) throw new Error('a peer id is 32 bytes')
  return peerIdOf(value)
}
const decodeOptions = { strict: true, rejectDuplicateMapKeys: true, allowUndefined: false, tags }

/** Deterministic CBOR of plain data: maps, arrays, text, integers, floats, booleans, null, bytes. Keys that are undefined are left out. */
export function encodeCbor(value: unknown): Uint8Array {
  return writer.encode(value)
}

/** Reads CBOR. Throws WIRE_INVALID with what was wrong. */
export function decodeCbor(bytes: Uint8Array): unknown {
  try {
    return decode(bytes, decodeOptions as never)
  } catch (error) {
    throw new MeshError('WIRE_INVALID', `not valid CBOR (${bytes.length} bytes): ${(error as Error).message}`, {
      cause: error
    })
  }
}

/** Reads and checks. Throws WIRE_INVALID naming the first field that does not fit. */
export function decodeAs<T>(schema: z.ZodType<T>, bytes: Uint8Array, what: string): T {
  const result = schema.safeParse(decodeCbor(bytes))
  if (result.success) return result.data
  const issue = result.error.issues[0]
  throw new MeshError('WIRE_INVALID', `${what}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is invalid'}`)
}

/**
 * What bytes say, looked at once for each array of bytes: values and bytes are never changed, and simulated peers of one process
 * share both. One array is always read the same way.
 */
const readings = new WeakMap<Uint8Array, object>()

export function readOnce<T extends object>(bytes: Uint8Array, read: (bytes: Uint8Array) => T): T {
  const known = readings.get(bytes) as T | undefined
  if (known !== undefined) return known
  const value = read(bytes)
  readings.set(bytes, value)
  return value
}

/** The other way round, for a value of many fields that goes to several disks: its bytes, made once. */
const writings = new WeakMap<object, Uint8Array>()

export function writeOnce(value: object): Uint8Array {
  const known = writings.get(value)
  if (known !== undefined) return known
  const bytes = encodeCbor(value)
  writings.set(value, bytes)
  readings.set(bytes, value)
  return bytes
}

/** How long its bytes are, where `writeOnce` has made them. */
export function writtenLength(value: object): number | undefined {
  return writings.get(value)?.length
}

/** One frame of a plane. Throws WIRE_LIMIT above FRAME_MAX: a sender's bug, since every message has bounds below it. */
export function encodeFrame(message: unknown): Uint8Array {
  const bytes = encodeCbor(message)
  if (bytes.length > FRAME_MAX)
    throw new MeshError('WIRE_LIMIT', `a frame has at most ${FRAME_MAX} bytes, this one ${bytes.length}`)
  return bytes
}

export function toHex(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i++) text += HEX[bytes[i]!]
  return text
}
const HEX = Array.from({ length: 256 }, (_, byte) => (byte < 16 ? '0' : '') + byte.toString(16))

/** Throws WIRE_INVALID unless the text is an even number of hex digits. */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || /[^0-9a-fA-F]/.test(text))
    throw new MeshError('WIRE_INVALID', `"${text.slice(0, 40)}" is not hex`)
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return bytes
}

function base58Encode(bytes: Uint8Array): string {
  const digits: number[] = []
  for (const byte of bytes) {
    let carry = byte
    for (let i = 0; i < digits.length; i++) {
      carry += digits[i]! << 8
      digits[i] = carry % 58
      carry = (carry / 58) | 0
    }
    while (carry > 0) {
      digits.push(carry % 58)
      carry = (carry / 58) | 0
    }
  }
  let text = ''
  for (const byte of bytes) {
    if (byte !== 0) break
    text += ALPHABET[0]
  }
  for (let i = digits.length - 1; i >= 0; i--) text += ALPHABET[digits[i]!]
  return text
}

function base58Decode(text: string): Uint8Array | undefined {
  const bytes: number[] = []
  for (const char of text) {
    let carry = ALPHABET.indexOf(char)
    if (carry < 0) return undefined
    for (let i = 0; i < bytes.length; i++) {
      carry += bytes[i]! * 58
      bytes[i] = carry & 0xff
      carry >>= 8
    }
    while (carry > 0) {
      bytes.push(carry & 0xff)
      carry >>= 8
    }
  }
  for (const char of text) {
    if (char !== ALPHABET[0]) break
    bytes.push(0)
  }
  return Uint8Array.from(bytes.reverse())
}
