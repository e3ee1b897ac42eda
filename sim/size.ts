/**
 * How many bytes protocols/codec.ts would make of a value, without making them. Exact: a run that encodes every frame and
 * one that encodes none take the same time on the simulated cable, which `--wire` checks.
 */
import { encodeCbor, tryPeerKey, writtenLength } from '../protocols/codec.ts'

/** Tag 1330 and a byte string of 32. */
const PEER_BYTES = 3 + 2 + 32
/** Sizes of what travels again and again and is never changed: session records. */
const known = new WeakMap<object, number>()
const float = new DataView(new ArrayBuffer(8))

export function sizeOf(value: unknown): number {
  switch (typeof value) {
    case 'string':
      return sizeOfText(value)
    case 'number':
      return sizeOfNumber(value)
    case 'object':
      if (value === null) return 1
      if (value instanceof Uint8Array) return head(value.length) + value.length
      if (Array.isArray(value)) return sizeOfList(value)
      return sizeOfMap(value as Record<string, unknown>)
    default:
      return 1
  }
}

function sizeOfMap(map: Record<string, unknown>): number {
  const before = writtenLength(map) ?? known.get(map)
  if (before !== undefined) return before
  let fields = 0
  let bytes = 0
  for (const key in map) {
    const value = map[key]
    if (value === undefined) continue
    fields++
    bytes += sizeOfText(key) + sizeOf(value)
  }
  bytes += head(fields)
  if (fields >= LARGE_FIELDS) known.set(map, bytes)
  return bytes
}
/** Maps of so many fields are records. */
const LARGE_FIELDS = 10

function sizeOfList(list: readonly unknown[]): number {
  let bytes = head(list.length)
  for (let i = 0; i < list.length; i++) bytes += sizeOf(list[i])
  return bytes
}

function sizeOfText(text: string): number {
  if (text.length === 52 && tryPeerKey(text) !== undefined) return PEER_BYTES
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) < 0x80) continue
    const bytes = Buffer.byteLength(text)
    return head(bytes) + bytes
  }
  return head(text.length) + text.length
}

function sizeOfNumber(n: number): number {
  if (Number.isSafeInteger(n)) return head(n < 0 ? -1 - n : n)
  // the shortest float that holds it
  if (Number.isNaN(n) || Math.abs(n) === Infinity) return 3
  if (Math.fround(n) !== n) return 9
  // below the normal halves the codec has rules of its own
  if (Math.abs(n) < 2 ** -14) return encodeCbor(n).length
  return isHalf(n) ? 3 : 5
}

function isHalf(n: number): boolean {
  float.setFloat32(0, n)
  const bits = float.getUint32(0)
  const exponent = ((bits >>> 23) & 0xff) - 127
  return exponent >= -14 && exponent <= 15 && (bits & 0x1fff) === 0
}

function head(n: number): number {
  return n < 24 ? 1 : n < 256 ? 2 : n < 65_536 ? 3 : n < 4_294_967_296 ? 5 : 9
}
