/**
 * What is held: the newest version of each key, and ghosts of what was dropped.
 * Who may write is checked here, before anything is kept or passed on.
 */
import type { PeerId } from '../ports.ts'
import { compareVersions, entryId, isGenuine, readEntry, recallGenuine, rememberGenuine, shortId } from './entry.ts'
import type { Entry, Version } from './entry.ts'
import { enqueue, markTold, unqueue } from './push.ts'
import { arm, count } from './state.ts'
import type { GossipState, Turn } from './state.ts'
import { TOPICS } from './topics.ts'
import type { TopicName } from './topics.ts'

/** Takes what a neighbour sent. Bad, forbidden and old entries are counted and dropped. */
export function take(t: Turn, bytes: Uint8Array, from: PeerId): void {
  const { s } = t
  const id = entryId(bytes)
  if (s.known.has(id)) return void markTold(s, id, s.links.get(from))
  s.pulled.delete(shortId(id))
  if (s.parked.has(id)) return
  const proven = recallGenuine(bytes, s.options.crypto)
  const signed = proven ?? readEntry(bytes)
  if (signed === undefined) return count(t, 'gossip.invalid')
  if (isStale(s, signed)) return count(t, 'gossip.stale')
  if (isFull(s, signed)) return count(t, 'gossip.full')
  if (proven === undefined) {
    if (!isGenuine(signed, s.options.crypto)) return count(t, 'gossip.forged')
    rememberGenuine(signed, s.options.crypto)
  }
  if (!mayWrite(s, signed.topic, signed.key, signed.author)) return park(t, id, signed, from)
  accept(t, signed, from)
}

/** From disk: the signature is checked again, the right to write was when it came. */
export function load(t: Turn, bytes: Uint8Array): void {
  const { crypto } = t.s.options
  const proven = recallGenuine(bytes, crypto)
  const signed = proven ?? readEntry(bytes)
  if (signed === undefined || (proven === undefined && !isGenuine(signed, crypto)))
    return count(t, 'gossip.load.invalid')
  rememberGenuine(signed, crypto)
  if (!isStale(t.s, signed) && !isFull(t.s, signed)) hold(t, signed, undefined)
}

/** Keeps it, tells the host, and passes it on. */
export function accept(t: Turn, signed: Entry, from: PeerId | undefined): void {
  hold(t, signed, from)
  if (TOPICS[signed.topic].durable) t.out.push({ e: 'keep', key: signed.key, bytes: signed.bytes })
  const asked = t.s.wanted.delete(signed.key)
  enqueue(t, signed, from, asked)
}

/** Dropped here and not taken back at this version. */
export function drop(t: Turn, key: string): void {
  const { s } = t
  const held = heldAt(s, key)
  if (held === undefined) return
  s.topics.get(held.topic)!.delete(key)
  s.arrivals.get(held.topic)?.delete(key)
  unqueue(s, held.id)
  s.ghosts.delete(key)
  const { epoch, seq, author, place, id } = held
  const ghost = { epoch, seq, author, place, id }
  s.ghosts.set(key, ghost)
  s.known.drop(id)
  if (TOPICS[held.topic].durable) t.out.push({ e: 'unkeep', key })
  if (s.ghosts.size <= s.cfg.ghostsMax) return
  const [oldest, old] = s.ghosts.entries().next().value!
  s.ghosts.delete(oldest)
  s.known.forget(old.id)
}

/** Looks again at entries that came before the news of their author did. */
export function retryParked(t: Turn): void {
  const { s, env } = t
  for (const [id, one] of [...s.parked]) {
    const allowed = mayWrite(s, one.signed.topic, one.signed.key, one.signed.author)
    if (!allowed && env.now < one.until) continue
    s.parked.delete(id)
    s.parkedBytes -= one.signed.bytes.length
    if (!allowed) count(t, 'gossip.forbidden')
    else if (!isStale(s, one.signed) && !isFull(s, one.signed)) accept(t, one.signed, one.from)
  }
  if (s.parked.size > 0) arm(t, 'parked', s.cfg.parkCheckMs)
}

/** Drops what nobody has renewed for its topic's time. */
export function expire(t: Turn): void {
  for (const [name, held] of t.s.topics) {
    const { expireMs } = TOPICS[name]
    if (expireMs === Infinity) continue
    for (const [key, at] of [...arrivalsOf(t.s, name)]) {
      if (t.env.now - at < expireMs) continue
      const entry = held.get(key)!
      drop(t, key)
      t.out.push({ e: 'expired', entry })
    }
  }
}

export function mayWrite(s: GossipState, topic: TopicName, key: string, author: PeerId): boolean {
  if (!s.options.isMember(author)) return false
  // For topics of writer `self` the key was made from the author.
  return TOPICS[topic].writer !== 'granted' || s.options.mayWrite?.(topic, key, author) === true
}

/** The version held here, ghosts included. */
export function versionOf(s: GossipState, topic: TopicName, key: string): Version | undefined {
  return s.topics.get(topic)!.get(key) ?? s.ghosts.get(key)
}

export function isFull(s: GossipState, one: { topic: TopicName; key: string }): boolean {
  const held = s.topics.get(one.topic)!
  return held.size >= TOPICS[one.topic].max && !held.has(one.key)
}

export function isStale(s: GossipState, signed: Entry): boolean {
  const held = versionOf(s, signed.topic, signed.key)
  return held !== undefined && compareVersions(signed, held) <= 0
}

function hold(t: Turn, entry: Entry, from: PeerId | undefined): void {
  const { s, env } = t
  const { topic, key } = entry
  const held = s.topics.get(topic)!
  const was = held.get(key)
  const old = was ?? s.ghosts.get(key)
  if (was !== undefined) unqueue(s, was.id)
  else s.ghosts.delete(key)
  if (old !== undefined) s.known.forget(old.id)
  held.set(key, entry)
  if (TOPICS[topic].expireMs !== Infinity) arrivalsOf(s, topic).set(key, Math.floor(env.now))
  s.known.hold(entry)
  t.out.push({ e: 'entry', entry, was, from })
}

function arrivalsOf(s: GossipState, topic: TopicName): Map<string, number> {
  let arrivals = s.arrivals.get(topic)
  if (arrivals === undefined) s.arrivals.set(topic, (arrivals = new Map()))
  return arrivals
}

function heldAt(s: GossipState, key: string): Entry | undefined {
  const topic = key.slice(0, Math.max(0, key.indexOf('/'))) as TopicName
  return s.topics.get(topic)?.get(key)
}

function park(t: Turn, id: number, signed: Entry, from: PeerId): void {
  const { s } = t
  if (s.parked.size >= s.cfg.parkMax || s.parkedBytes + signed.bytes.length > s.cfg.parkBytes)
    return count(t, 'gossip.forbidden')
  if (s.parked.size === 0) arm(t, 'parked', s.cfg.parkCheckMs)
  s.parked.set(id, { signed, from, until: t.env.now + s.cfg.parkMs })
  s.parkedBytes += signed.bytes.length
}
