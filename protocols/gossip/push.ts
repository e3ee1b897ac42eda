/**
 * Pushing: a new entry goes to three random neighbours a tick until enough of them have it, counting those it came from,
 * which are not told again: what many neighbours repeat is known already. With three neighbours or fewer it goes to all of them at once. Each neighbour has a budget of bytes.
 */
import type { PeerId } from '../ports.ts'
import { shortId } from './entry.ts'
import type { Entry } from './entry.ts'
import { isLarge, tell } from './lazy.ts'
import { addSlot, hasSlot, noSlots } from './slots.ts'
import { arm, entry, send } from './state.ts'
import type { Budget, GossipState, Link, Outgoing, Turn } from './state.ts'
import { TOPICS, topicOf } from './topics.ts'

/** CBOR head of one entry in a message. */
const HEAD_BYTES = 3
/** An entry told by its number. */
const ID_BYTES = 6
/** A number costs little, so more neighbours are told: nobody is to be missed before the next reading. */
const LAZY_FACTOR = 2

/** `answered`: it filled a gap here, so the neighbours have it as likely as not: one round is enough. */
export function enqueue(t: Turn, fresh: Entry, from: PeerId | undefined, answered: boolean): void {
  const { s } = t
  if (s.links.size === 0) return
  const sends = answered ? Math.max(0, sendLimit(t) - s.cfg.fanout) : 0
  const told = noSlots()
  const { rank, lazy } = TOPICS[fresh.topic]
  s.outbox.set(shortId(fresh.id), { entry: fresh, rank, lazy, sends, told })
  const sender = from === undefined ? undefined : s.links.get(from)
  if (sender !== undefined) addSlot(told, sender.slot)
  const author = s.links.get(fresh.author)
  if (author !== undefined) addSlot(told, author.slot)
}

/** That neighbour has it. False when the entry is not under way. */
export function markTold(s: GossipState, id: number, link: Link | undefined): boolean {
  const outgoing = s.outbox.get(shortId(id))
  if (outgoing === undefined || outgoing.entry.id !== id) return false
  if (link !== undefined) addSlot(outgoing.told, link.slot)
  return true
}

/** There is a newer version of it, or none. */
export function unqueue(s: GossipState, id: number): void {
  if (s.outbox.get(shortId(id))?.entry.id === id) s.outbox.delete(shortId(id))
}

/** After each step: few neighbours are told at once, many on the next tick. */
export function flush(t: Turn): void {
  const { s } = t
  if (s.links.size > 0 && s.links.size <= s.cfg.fanout && s.outbox.size > 0) pushNew(t, [...s.links.keys()])
  armTick(t)
}

export function onTick(t: Turn): void {
  const { s } = t
  s.tickArmed = false
  s.tickAt = t.env.now
  for (const [peer, keys] of s.backlog) answer(t, peer, keys)
  if (s.outbox.size > 0) pushNew(t, someNeighbours(t))
  armTick(t)
}

/** Keys that a neighbour asked for; sent with the ticks, as its budget allows. */
export function owe(t: Turn, to: PeerId, keys: readonly string[]): void {
  let owed = t.s.backlog.get(to)
  if (owed === undefined) t.s.backlog.set(to, (owed = new Set()))
  for (const key of keys) if (entry(t.s, key) !== undefined) owed.add(key)
  answer(t, to, owed)
  armTick(t)
}

/** Small messages that keep the lists equal go out in any case, and count. */
export function spend(t: Turn, to: PeerId, bytes: number): void {
  const link = t.s.links.get(to)
  if (link === undefined) return
  available(t, link)
  charge(t, link, bytes)
}

function charge(t: Turn, link: Link, bytes: number): void {
  link.tokens -= bytes
  t.s.total.tokens -= bytes
}

function pushNew(t: Turn, targets: readonly PeerId[]): void {
  const { s } = t
  const limit = sendLimit(t)
  const large = isLarge(t)
  const waiting = [...s.outbox.values()]
  if (isTight(t, waiting, targets, large)) waiting.sort((a, b) => a.rank - b.rank || a.sends - b.sends)
  for (const to of targets) {
    const link = s.links.get(to)
    if (link !== undefined) pushTo(t, to, link, waiting, limit, large)
  }
  for (const one of waiting) {
    const most = large && one.lazy ? LAZY_FACTOR * limit : limit
    if (one.sends >= most || one.told.size >= Math.min(most, s.links.size)) unqueue(s, one.entry.id)
  }
}

function pushTo(t: Turn, to: PeerId, link: Link, waiting: readonly Outgoing[], limit: number, large: boolean): void {
  let left = Math.min(available(t, link), t.s.cfg.frameBytes)
  const g: Uint8Array[] = []
  const ids: Entry[] = []
  for (const one of waiting) {
    if (hasSlot(one.told, link.slot)) continue
    const byId = large && one.lazy
    const most = byId ? LAZY_FACTOR * limit : limit
    const cost = costOf(one, byId)
    if (cost > left || one.sends >= most || one.told.size >= most) continue
    if (g.length >= t.s.cfg.itemsMax || ids.length >= t.s.cfg.numbersMax) break
    left -= cost
    if (byId) ids.push(one.entry)
    else g.push(one.entry.bytes)
    one.sends++
    addSlot(one.told, link.slot)
    charge(t, link, cost)
  }
  if (ids.length > 0) tell(t, to, ids)
  if (g.length > 0) send(t, to, { t: 'push', g })
}

function answer(t: Turn, to: PeerId, keys: Set<string>): void {
  const link = t.s.links.get(to)
  if (link === undefined) return void t.s.backlog.delete(to)
  let left = Math.min(available(t, link), t.s.cfg.frameBytes)
  const g: Uint8Array[] = []
  const inOrder = keys.size > 1 ? [...keys].sort((a, b) => rankOfKey(a) - rankOfKey(b)) : keys
  for (const key of inOrder) {
    const held = entry(t.s, key)
    const cost = (held?.bytes.length ?? 0) + HEAD_BYTES
    if (held !== undefined && (cost > left || g.length >= t.s.cfg.itemsMax)) break
    keys.delete(key)
    if (held === undefined) continue
    left -= cost
    charge(t, link, cost)
    g.push(held.bytes)
  }
  if (g.length > 0) send(t, to, { t: 'push', g })
  if (keys.size === 0) t.s.backlog.delete(to)
}

function armTick(t: Turn): void {
  const { s, env } = t
  if (s.tickArmed || (s.outbox.size === 0 && s.backlog.size === 0)) return
  s.tickArmed = true
  arm(t, 'tick', Math.max(s.cfg.soonMs, s.tickAt + s.cfg.tickMs - env.now))
}

function sendLimit(t: Turn): number {
  const { links, cfg, options } = t.s
  return cfg.repeat * Math.ceil(Math.log10(Math.max(links.size + 1, options.population?.() ?? 0) + 1))
}

/** To this neighbour, and to all together. */
function available(t: Turn, link: Link): number {
  const { cfg, total } = t.s
  refill(t, link, cfg.bytesPerSecond, cfg.burstBytes)
  refill(t, total, cfg.totalBytesPerSecond, cfg.totalBurstBytes)
  return Math.min(link.tokens, total.tokens)
}

function refill(t: Turn, budget: Budget, bytesPerSecond: number, burstBytes: number): void {
  budget.tokens = Math.min(burstBytes, budget.tokens + ((t.env.now - budget.tokensAt) * bytesPerSecond) / 1000)
  budget.tokensAt = t.env.now
}

function rankOfKey(key: string): number {
  const topic = topicOf(key)
  return topic === undefined ? Infinity : TOPICS[topic].rank
}

function costOf({ entry }: Outgoing, byId: boolean): number {
  return byId ? ID_BYTES : entry.bytes.length + HEAD_BYTES
}

/** Not all that waits may fit: then it matters what goes first. */
function isTight(t: Turn, waiting: readonly Outgoing[], targets: readonly PeerId[], large: boolean): boolean {
  const { s } = t
  let bytes = 0
  for (const one of waiting) bytes += costOf(one, large && one.lazy)
  if (waiting.length > s.cfg.itemsMax || bytes > s.cfg.frameBytes) return true
  return targets.some((to) => available(t, s.links.get(to)!) < targets.length * bytes)
}

/** A fresh random choice a tick. */
function someNeighbours(t: Turn): PeerId[] {
  const peers = [...t.s.links.keys()]
  const wanted = Math.min(t.s.cfg.fanout, peers.length)
  for (let i = 0; i < wanted; i++) {
    const j = i + Math.floor(t.env.random.float() * (peers.length - i))
    const peer = peers[i]!
    peers[i] = peers[j]!
    peers[j] = peer
  }
  return peers.slice(0, wanted)
}
