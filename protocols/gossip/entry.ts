/**
 * One gossiped entry: CBOR of { k, a, e, s, w, b } followed by the 64 bytes of its author's signature. It travels as the
 * original bytes. Under topics that only the peer in the key may write, `k` is the topic alone and the author completes
 * it, so that such a key cannot be forged.
 */
import { z } from 'zod'
import { decodeCbor, encodeCbor, tryPeerKey } from '../codec.ts'
import type { Crypto, PeerId } from '../ports.ts'
import { placeOf } from '../ranges.ts'
import { TOPICS, topicOf } from './topics.ts'
import type { TopicName } from './topics.ts'
import { GOSSIP } from './wire.ts'

export interface Version {
  readonly epoch: number
  readonly seq: number
  readonly author: PeerId
}

/** What the author signed. Immutable; simulated peers of one process share it. */
export interface Entry extends Version {
  readonly key: string
  readonly topic: TopicName
  /** Where its key stands when neighbours compare by ranges. */
  readonly place: number
  /** entryId(bytes). */
  readonly id: number
  /** The author's wall clock at writing, milliseconds since 1970; for people only. */
  readonly wall: number
  readonly body: Uint8Array
  readonly sig: Uint8Array
  /** What travels, byte for byte as the author made it. */
  readonly bytes: Uint8Array
}

const DOMAIN = new TextEncoder().encode('omega/gossip/1\0')
const SIGNATURE_BYTES = 64
const Number48 = z
  .int()
  .min(0)
  .max(2 ** 48)
const Shape = z.object({
  k: z.string().min(1).max(GOSSIP.keyChars),
  a: z.string().refine((text) => tryPeerKey(text) !== undefined),
  e: Number48,
  s: Number48,
  w: Number48,
  b: z.custom<Uint8Array>((v) => v instanceof Uint8Array && v.length <= GOSSIP.bodyBytes)
})

/** Greater than 0 when a is the newer version. */
export function compareVersions(a: Version, b: Version): number {
  return a.epoch - b.epoch || a.seq - b.seq || (a.author < b.author ? -1 : a.author > b.author ? 1 : 0)
}

export function signEntry(
  crypto: Crypto,
  topic: TopicName,
  entry: Pick<Entry, 'key' | 'author' | 'epoch' | 'seq' | 'wall' | 'body'>
): Entry {
  const k = wireKey(topic, entry.key)
  const payload = encodeCbor({ k, a: entry.author, e: entry.epoch, s: entry.seq, w: entry.wall, b: entry.body })
  const sig = crypto.sign(joined(DOMAIN, payload))
  const bytes = joined(payload, sig)
  return { ...entry, topic, place: placeOf(entry.key), id: entryId(bytes), sig, bytes }
}

/** Decodes and checks all but the signature. Undefined for what is no entry; never throws. */
export function readEntry(bytes: Uint8Array): Entry | undefined {
  if (bytes.length <= SIGNATURE_BYTES || bytes.length > GOSSIP.entryBytes) return undefined
  const cut = bytes.length - SIGNATURE_BYTES
  const fields = decoded(bytes.subarray(0, cut))
  if (fields === undefined) return undefined
  const key = fullKey(fields.k, fields.a)
  const topic = key === undefined ? undefined : topicOf(key)
  if (key === undefined || topic === undefined) return undefined
  const { a: author, e: epoch, s: seq, w: wall, b: body } = fields
  const id = entryId(bytes)
  return { key, topic, place: placeOf(key), id, author, epoch, seq, wall, body, sig: bytes.subarray(cut), bytes }
}

export function isGenuine(entry: Entry, crypto: Crypto): boolean {
  const key = tryPeerKey(entry.author)
  const payload = entry.bytes.subarray(0, entry.bytes.length - SIGNATURE_BYTES)
  return key !== undefined && crypto.verify(key, joined(DOMAIN, payload), entry.sig)
}

/** 48 bits of the signature: tells two entries apart without decoding them. -1 for what is too short. */
export function entryId(bytes: Uint8Array): number {
  const at = bytes.length - SIGNATURE_BYTES
  if (at < 0) return -1
  const low = bytes[at]! + bytes[at + 1]! * 2 ** 8 + bytes[at + 2]! * 2 ** 16 + bytes[at + 3]! * 2 ** 24
  return low + bytes[at + 4]! * 2 ** 32 + bytes[at + 5]! * 2 ** 40
}

/** The same as a small whole number, which tables find faster; two entries may share it, so what is found is compared by its id. */
export function shortId(id: number): number {
  return id | 0
}

/** How a key is written next to its author. */
export function wireKey(topic: TopicName, key: string): string {
  return TOPICS[topic].writer === 'self' ? topic : key
}

/** The key that `wireKey` shortened; undefined when no topic allows it. */
export function fullKey(k: string, author: PeerId): string | undefined {
  if (Object.hasOwn(TOPICS, k)) return TOPICS[k as TopicName].writer === 'self' ? `${k}/${author}` : undefined
  const topic = topicOf(k)
  return topic === undefined || TOPICS[topic].writer === 'self' ? undefined : k
}

/**
 * Small entries that one verify function has accepted, by shortId. Whether bytes are genuine does
 * not depend on who asks, so simulated peers of one process decode and verify an entry once.
 */
const GENUINE_MAX = 8192
const GENUINE_BYTES = 1024
const genuineBy = new WeakMap<Crypto['verify'], Map<number, Entry>>()

export function recallGenuine(bytes: Uint8Array, crypto: Crypto): Entry | undefined {
  if (bytes.length > GENUINE_BYTES || bytes.length <= SIGNATURE_BYTES) return undefined
  const known = genuineBy.get(crypto.verify)?.get(shortId(entryId(bytes)))
  return known !== undefined && sameBytes(known.bytes, bytes) ? known : undefined
}

export function rememberGenuine(entry: Entry, crypto: Crypto): void {
  if (entry.bytes.length > GENUINE_BYTES) return
  let known = genuineBy.get(crypto.verify)
  if (known === undefined) genuineBy.set(crypto.verify, (known = new Map()))
  if (known.size >= GENUINE_MAX) known.clear()
  known.set(shortId(entry.id), entry)
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let i = a.length - 1; i >= 0; i--) if (a[i] !== b[i]) return false
  return true
}

function decoded(payload: Uint8Array): z.infer<typeof Shape> | undefined {
  try {
    const result = Shape.safeParse(decodeCbor(payload))
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
