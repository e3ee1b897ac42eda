/**
 * Comparing: on a new link, and with a random neighbour each 10 s or so, sums over ranges of what is held go out first, then
 * finer ones where they differ, then versions; then each side asks for what it misses, of one neighbour at a time.
 */
import { tryPeerKey } from '../codec.ts'
import type { PeerId } from '../ports.ts'
import { ALL, chunked, differencesOf, isIn, RANGES_MAX, sumsOf } from '../ranges.ts'
import type { Range, Ranged, RangeSums } from '../ranges.ts'
import { compareVersions, fullKey, wireKey } from './entry.ts'
import type { Version } from './entry.ts'
import { isFull, mayWrite, versionOf } from './held.ts'
import { isLarge } from './lazy.ts'
import { owe, spend } from './push.ts'
import { arm, entry, send } from './state.ts'
import type { GossipState, Link, Turn } from './state.ts'
import { TOPICS, topicOf } from './topics.ts'
import type { TopicName } from './topics.ts'
import type { GossipMessage } from './wire.ts'

type VersionTuple = [key: string, epoch: number, seq: number, author: string]
interface Held extends Ranged {
  topic: TopicName
  key: string
  version: Version
  isGhost: boolean
}
/** A range with its sums in a message. */
const RANGE_SUMS_BYTES = 140
/** A full version tuple without its key: numbers, author, heads. */
const TUPLE_BYTES = 64

/** A new link: the lower peer id begins; who has many links takes its time and some of them. */
export function beginCompare(t: Turn, peer: PeerId, link: Link): void {
  const { s, env } = t
  const waitMs = s.options.self < peer ? 0 : s.cfg.repairWaitMs
  if (s.links.size <= s.cfg.repairPromptLinks) {
    if (waitMs > 0) arm(t, `compare:${peer}`, waitMs)
    else sendSum(t, peer, true)
  } else if (env.random.float() * s.links.size < s.cfg.repairManyLinks) {
    const spanMs = Math.min(s.cfg.repairStaggerMaxMs, s.cfg.repairStaggerMs * s.links.size)
    arm(t, `compare:${peer}`, waitMs + env.random.float() * spanMs)
  } else link.compared = true
}

export function onCompareTimer(t: Turn, peer: PeerId): void {
  const { links, cfg } = t.s
  // In a large mesh readings are always under way, so that sums over them never agree; the first neighbours tell them.
  if (links.get(peer)?.compared === false) sendSum(t, peer, !isLarge(t) || links.size <= cfg.repairPromptLinks)
}

export function onRepairTimer(t: Turn): void {
  const { s, env } = t
  arm(t, 'repair', s.cfg.repairMs * (1 + s.cfg.repairSpread * env.random.float()))
  const peers = [...s.links.keys()]
  if (peers.length > 0) sendSum(t, peers[Math.floor(env.random.float() * peers.length)]!, false)
  for (const [id, at] of s.pulled) if (env.now - at > s.cfg.pullAgainMs) s.pulled.delete(id)
  for (const [key, one] of s.wanted) if (env.now - one.at > s.cfg.wantAgainMs) s.wanted.delete(key)
}

/** Where the sums differ: finer sums, or, of few, the versions held. */
export function onSum(t: Turn, from: PeerId, all: boolean, theirs: readonly RangeSums[]): void {
  const { s } = t
  const link = s.links.get(from)
  if (link !== undefined) link.compared = true
  const [first] = theirs
  // Mostly nothing differs.
  if (theirs.length === 1 && first![0] === 0 && sameBytes(sumsHere(s, all), first![2])) return
  const { split, give, tell } = differencesOf([...versions(s, all)], theirs, s.cfg.tellMax)
  for (const r of chunked(split, RANGES_MAX)) sendSums(t, from, all, r)
  if (tell.length > 0) sendHave(t, from, all, tell)
  const given = give.filter((one) => !one.isGhost).map(tupleOf)
  for (const part of parts(t, given)) sendVersions(t, from, all, [], part, false)
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
  if (msg.q.length > 0) tellNewer(t, from, msg, theirs)
}

export function onWant(t: Turn, from: PeerId, keys: readonly string[]): void {
  const held = keys.map((key) => entry(t.s, key)).filter((one) => one !== undefined)
  if (t.s.links.has(from)) owe(t, from, held)
}

function sendSum(t: Turn, to: PeerId, all: boolean): void {
  const link = t.s.links.get(to)
  if (link !== undefined) link.compared = true
  sendSums(t, to, all, [[...ALL, sumsHere(t.s, all)]])
}

function sendSums(t: Turn, to: PeerId, all: boolean, r: RangeSums[]): void {
  spend(t, to, r.length * RANGE_SUMS_BYTES)
  send(t, to, { t: 'sum', a: all, r })
}

function sumsHere(s: GossipState, all: boolean): Uint8Array {
  return sumsOf(ALL, (add) => {
    for (const [name, held] of s.topics)
      if (all || !TOPICS[name].renewed) for (const one of held.values()) add(one.place, one.id)
    for (const [key, ghost] of s.ghosts) if (all || !TOPICS[topicOf(key)!].renewed) add(ghost.place, ghost.id)
  })
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
  { a: all, q: ranges, m: partial }: Extract<GossipMessage, { t: 'have' }>,
  theirs: ReadonlyMap<string, Version>
): void {
  const newer: VersionTuple[] = []
  for (const one of versions(t.s, all)) {
    if (one.isGhost || !ranges.some((range) => isIn(range, one.place))) continue
    const known = theirs.get(one.key)
    if (known === undefined ? partial : compareVersions(one.version, known) <= 0) continue
    newer.push(tupleOf(one))
  }
  for (const part of parts(t, newer)) sendVersions(t, to, all, [], part, false)
}

/** Whole ranges a message; a range that fits none is cut short and says so. */
function sendHave(t: Turn, to: PeerId, all: boolean, told: readonly { range: Range; items: Held[] }[]): void {
  let q: Range[] = []
  let v: VersionTuple[] = []
  let bytes = 0
  for (const { range, items } of told) {
    const [first, ...rest] = parts(t, items.map(tupleOf))
    const cost = sizeOf(first ?? [])
    if (q.length > 0 && (bytes + cost > t.s.cfg.frameBytes || v.length + (first?.length ?? 0) > t.s.cfg.itemsMax)) {
      sendVersions(t, to, all, q, v, false)
      q = []
      v = []
      bytes = 0
    }
    if (rest.length > 0) sendVersions(t, to, all, [range], first!, true)
    else {
      q.push(range)
      v.push(...(first ?? []))
      bytes += cost
    }
  }
  if (q.length > 0) sendVersions(t, to, all, q, v, false)
}

function sendVersions(t: Turn, to: PeerId, all: boolean, q: Range[], v: VersionTuple[], m: boolean): void {
  spend(t, to, sizeOf(v))
  send(t, to, { t: 'have', a: all, q, v, m })
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

/** What is held and the ghosts; renewed topics only when all are compared. */
function* versions(s: GossipState, all: boolean): Generator<Held> {
  for (const [topic, held] of s.topics) {
    if (!all && TOPICS[topic].renewed) continue
    for (const [key, one] of held) yield { place: one.place, id: one.id, topic, key, version: one, isGhost: false }
  }
  for (const [key, ghost] of s.ghosts) {
    const topic = topicOf(key)!
    if (!all && TOPICS[topic].renewed) continue
    yield { place: ghost.place, id: ghost.id, topic, key, version: ghost, isGhost: true }
  }
}

function tupleOf({ topic, key, version }: Held): VersionTuple {
  return [wireKey(topic, key), version.epoch, version.seq, version.author]
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i])
}
