/**
 * Comparing: on a new link, and with a random neighbour each 10 s or so, sums of what is held go out first; where they
 * differ versions follow; then each side asks for what it misses, of one neighbour at a time.
 */
import { tryPeerKey } from '../codec.ts'
import type { PeerId } from '../ports.ts'
import { compareVersions, fullKey, wireKey } from './entry.ts'
import type { Version } from './entry.ts'
import { bucketOf, isFull, mayWrite, versionOf } from './held.ts'
import { owe, spend } from './push.ts'
import { arm, count, send } from './state.ts'
import type { GossipState, Link, Turn } from './state.ts'
import { BUCKETS, LASTING_BUCKETS, topicOf } from './topics.ts'
import type { TopicName } from './topics.ts'
import type { GossipMessage } from './wire.ts'

type VersionTuple = [key: string, epoch: number, seq: number, author: string]
/** A full version tuple without its key: numbers, author, heads. */
const TUPLE_BYTES = 64

/** A new link: the lower peer id begins; who has many links takes its time and some of them. */
export function beginCompare(t: Turn, peer: PeerId, link: Link): void {
  const { s, env } = t
  const waitMs = s.options.self < peer ? 0 : s.cfg.repairWaitMs
  if (s.links.size <= s.cfg.repairPromptLinks) {
    if (waitMs > 0) arm(t, `compare:${peer}`, waitMs)
    else sendSum(t, peer)
  } else if (env.random.float() * s.links.size < s.cfg.repairManyLinks) {
    const spanMs = Math.min(s.cfg.repairStaggerMaxMs, s.cfg.repairStaggerMs * s.links.size)
    arm(t, `compare:${peer}`, waitMs + env.random.float() * spanMs)
  } else link.compared = true
}

export function onCompareTimer(t: Turn, peer: PeerId): void {
  if (t.s.links.get(peer)?.compared === false) sendSum(t, peer)
}

export function onRepairTimer(t: Turn): void {
  const { s, env } = t
  arm(t, 'repair', s.cfg.repairMs * (1 + s.cfg.repairSpread * env.random.float()))
  const peers = [...s.links.keys()]
  if (peers.length > 0) sendSum(t, peers[Math.floor(env.random.float() * peers.length)]!, LASTING_BUCKETS)
  for (const [id, at] of s.pulled) if (env.now - at > s.cfg.pullAgainMs) s.pulled.delete(id)
  for (const [key, one] of s.wanted) if (env.now - one.at > s.cfg.wantAgainMs) s.wanted.delete(key)
}

/** Answers with the versions held in the buckets that differ. */
export function onSum(t: Turn, from: PeerId, theirs: Uint8Array): void {
  const { s } = t
  const link = s.links.get(from)
  if (link !== undefined) link.compared = true
  const buckets = theirs.length / 4
  if (buckets !== BUCKETS && buckets !== LASTING_BUCKETS) return count(t, 'gossip.sum.length')
  const view = new DataView(theirs.buffer, theirs.byteOffset, theirs.byteLength)
  const differing = new Map<number, VersionTuple[]>()
  for (let i = 0; i < buckets; i++) if (view.getUint32(4 * i) !== s.sums[i]) differing.set(i, [])
  if (differing.size === 0) return
  for (const [topic, key, version] of versions(s))
    differing.get(bucketOf(topic, key))?.push(tupleOf(topic, key, version))
  sendHave(t, from, differing)
}

/** Asks for what is newer there, and says what is newer here. */
export function onHave(t: Turn, from: PeerId, msg: Extract<GossipMessage, { t: 'have' }>): void {
  const { s } = t
  const link = s.links.get(from)
  if (link !== undefined) link.compared = true
  const theirs = new Map<string, Version>()
  const wants: string[] = []
  for (const [k, epoch, seq, author] of msg.v) {
    const key = tryPeerKey(author) === undefined ? undefined : fullKey(k, author)
    const topic = key === undefined ? undefined : topicOf(key)
    if (key === undefined || topic === undefined) continue
    theirs.set(key, { epoch, seq, author })
    if (isWanted(t, topic, key, { epoch, seq, author })) wants.push(key)
  }
  sendWants(t, from, wants)
  if (msg.q.length > 0) tellNewer(t, from, new Set(msg.q), theirs, msg.m)
}

export function onWant(t: Turn, from: PeerId, keys: readonly string[]): void {
  if (t.s.links.has(from)) owe(t, from, keys)
}

function sendSum(t: Turn, to: PeerId, buckets = BUCKETS): void {
  const { sums, links } = t.s
  const h = new Uint8Array(4 * buckets)
  const view = new DataView(h.buffer)
  for (let i = 0; i < buckets; i++) view.setUint32(4 * i, sums[i]!)
  const link = links.get(to)
  if (link !== undefined) link.compared = true
  spend(t, to, h.length)
  send(t, to, { t: 'sum', h })
}

function sendWants(t: Turn, to: PeerId, keys: readonly string[]): void {
  let k: string[] = []
  let bytes = 0
  for (const key of keys) {
    // UTF-8 takes at most three bytes for what is one character here.
    const cost = 3 * key.length + 3
    if (bytes + cost > t.s.cfg.frameBytes) {
      send(t, to, { t: 'want', k })
      k = []
      bytes = 0
    }
    k.push(key)
    bytes += cost
  }
  if (k.length > 0) send(t, to, { t: 'want', k })
}

function tellNewer(
  t: Turn,
  to: PeerId,
  buckets: ReadonlySet<number>,
  theirs: ReadonlyMap<string, Version>,
  partial: boolean
): void {
  const newer: VersionTuple[] = []
  for (const [topic, key, version] of versions(t.s)) {
    if (t.s.ghosts.has(key) || !buckets.has(bucketOf(topic, key))) continue
    const known = theirs.get(key)
    if (known === undefined ? partial : compareVersions(version, known) <= 0) continue
    newer.push(tupleOf(topic, key, version))
  }
  for (const part of parts(t, newer)) sendVersions(t, to, [], part, false)
}

/** Whole buckets a message; a bucket that fits none is cut short and says so. */
function sendHave(t: Turn, to: PeerId, buckets: ReadonlyMap<number, VersionTuple[]>): void {
  let q: number[] = []
  let v: VersionTuple[] = []
  let bytes = 0
  for (const [bucket, held] of buckets) {
    const [first, ...rest] = parts(t, held)
    const cost = sizeOf(first ?? [])
    if (q.length > 0 && (bytes + cost > t.s.cfg.frameBytes || v.length + (first?.length ?? 0) > t.s.cfg.itemsMax)) {
      sendVersions(t, to, q, v, false)
      q = []
      v = []
      bytes = 0
    }
    if (rest.length > 0) sendVersions(t, to, [bucket], first!, true)
    else {
      q.push(bucket)
      v.push(...(first ?? []))
      bytes += cost
    }
  }
  if (q.length > 0) sendVersions(t, to, q, v, false)
}

function sendVersions(t: Turn, to: PeerId, q: number[], v: VersionTuple[], m: boolean): void {
  spend(t, to, sizeOf(v))
  send(t, to, { t: 'have', q, v, m })
}

function parts(t: Turn, list: readonly VersionTuple[]): VersionTuple[][] {
  const all: VersionTuple[][] = []
  let bytes = Infinity
  for (const one of list) {
    const cost = sizeOf([one])
    if (bytes + cost > t.s.cfg.frameBytes || all.at(-1)!.length >= t.s.cfg.itemsMax) {
      all.push([])
      bytes = 0
    }
    all.at(-1)!.push(one)
    bytes += cost
  }
  return all
}

function sizeOf(list: readonly VersionTuple[]): number {
  let bytes = 0
  for (const [key] of list) bytes += 3 * key.length + TUPLE_BYTES
  return bytes
}

function isWanted(t: Turn, topic: TopicName, key: string, theirs: Version): boolean {
  const { s, env } = t
  const ours = versionOf(s, topic, key)
  if (ours !== undefined && compareVersions(theirs, ours) <= 0) return false
  if (isFull(s, { topic, key }) || !mayWrite(s, topic, key, theirs.author)) return false
  const asked = s.wanted.get(key)
  if (asked !== undefined && env.now - asked.at < s.cfg.wantAgainMs && compareVersions(theirs, asked) <= 0) return false
  if (s.wanted.size >= s.cfg.ghostsMax) return false
  s.wanted.set(key, { ...theirs, at: env.now })
  return true
}

/** All that is held and all ghosts. */
function* versions(s: GossipState): Generator<[TopicName, string, Version]> {
  for (const [topic, held] of s.topics) for (const [key, one] of held) yield [topic, key, one]
  for (const [key, ghost] of s.ghosts) yield [topicOf(key)!, key, ghost]
}

function tupleOf(topic: TopicName, key: string, version: Version): VersionTuple {
  return [wireKey(topic, key), version.epoch, version.seq, version.author]
}
