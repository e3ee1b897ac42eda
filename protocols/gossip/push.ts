/**
 * Pushing: a new entry goes to three random neighbours a tick until enough of them have it, counting those it came from,
 * which are not told again: what many neighbours repeat is known already. With three neighbours or fewer it goes to all of them at once. Each neighbour has a budget of bytes.
 */
import type { PeerId } from '../ports.ts'
import type { Entry } from './entry.ts'
import { isLarge, tell } from './lazy.ts'
import { NONE } from './numbers.ts'
import { arm, entry, send } from './state.ts'
import type { Budget, GossipState, Link, Turn } from './state.ts'
import { TOPICS } from './topics.ts'

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
  const at = s.outbox.add(fresh, sends)
  const sender = from === undefined ? undefined : s.links.get(from)
  if (sender !== undefined) s.outbox.tell(at, sender.slot)
  const author = s.links.get(fresh.author)
  if (author !== undefined) s.outbox.tell(at, author.slot)
}

/** That neighbour has it: it is not told again, should the entry be under way. */
export function markTold(s: GossipState, id: number, link: Link | undefined): void {
  const at = s.outbox.find(id)
  if (at !== NONE && link !== undefined) s.outbox.tell(at, link.slot)
}

/** There is a newer version of it, or none. */
export function unqueue(s: GossipState, id: number): void {
  const at = s.outbox.find(id)
  if (at !== NONE) s.outbox.remove(at)
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
  for (const [peer, owed] of s.backlog) answer(t, peer, owed)
  if (s.outbox.size > 0) pushNew(t, someNeighbours(t))
  armTick(t)
}

/** Entries that a neighbour asked for; what its budget does not allow at once goes with the ticks. */
export function owe(t: Turn, to: PeerId, asked: readonly Entry[]): void {
  let owed = t.s.backlog.get(to)
  if (owed === undefined) t.s.backlog.set(to, (owed = new Map()))
  for (const one of asked) owed.set(one.key, one)
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
  const { outbox } = s
  const waiting = outbox.places()
  if (isTight(t, waiting, targets, large))
    waiting.sort((a, b) => rankOf(outbox.entry(a)) - rankOf(outbox.entry(b)) || outbox.sends(a) - outbox.sends(b))
  for (const to of targets) {
    const link = s.links.get(to)
    if (link !== undefined) pushTo(t, to, link, waiting, limit, large)
  }
  for (const at of waiting) {
    const most = large && isLazy(outbox.entry(at)) ? LAZY_FACTOR * limit : limit
    if (outbox.sends(at) >= most || outbox.had(at) >= Math.min(most, s.links.size)) outbox.remove(at)
  }
}

function pushTo(t: Turn, to: PeerId, link: Link, waiting: readonly number[], limit: number, large: boolean): void {
  const { outbox } = t.s
  let left = Math.min(available(t, link), t.s.cfg.frameBytes)
  const g: Uint8Array[] = []
  const ids: Entry[] = []
  for (const at of waiting) {
    if (outbox.isTold(at, link.slot)) continue
    const one = outbox.entry(at)
    const byId = large && isLazy(one)
    const most = byId ? LAZY_FACTOR * limit : limit
    const cost = costOf(one, byId)
    if (cost > left || outbox.sends(at) >= most || outbox.had(at) >= most) continue
    if (g.length >= t.s.cfg.itemsMax || ids.length >= t.s.cfg.numbersMax) break
    left -= cost
    if (byId) ids.push(one)
    else g.push(one.bytes)
    outbox.sent(at, link.slot)
    charge(t, link, cost)
  }
  if (ids.length > 0) tell(t, to, ids)
  if (g.length > 0) send(t, to, { t: 'push', g })
}

function answer(t: Turn, to: PeerId, owed: Map<string, Entry>): void {
  const link = t.s.links.get(to)
  if (link === undefined) return void t.s.backlog.delete(to)
  let left = Math.min(available(t, link), t.s.cfg.frameBytes)
  const g: Uint8Array[] = []
  const inOrder = [...owed.values()]
  if (inOrder.length > 1) inOrder.sort((a, b) => rankOf(a) - rankOf(b))
  for (const one of inOrder) {
    // a newer version may have come since it was asked for
    const held = t.s.known.entry(one.id) ?? entry(t.s, one.key)
    const cost = (held?.bytes.length ?? 0) + HEAD_BYTES
    if (held !== undefined && (cost > left || g.length >= t.s.cfg.itemsMax)) break
    owed.delete(one.key)
    if (held === undefined) continue
    left -= cost
    charge(t, link, cost)
    g.push(held.bytes)
  }
  if (g.length > 0) send(t, to, { t: 'push', g })
  if (owed.size === 0) t.s.backlog.delete(to)
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

function rankOf(one: Entry): number {
  return TOPICS[one.topic].rank
}

function isLazy(one: Entry): boolean {
  return TOPICS[one.topic].lazy
}

function costOf(one: Entry, byId: boolean): number {
  return byId ? ID_BYTES : one.bytes.length + HEAD_BYTES
}

/** Not all that waits may fit: then it matters what goes first. */
function isTight(t: Turn, waiting: readonly number[], targets: readonly PeerId[], large: boolean): boolean {
  const { s } = t
  let bytes = 0
  for (const at of waiting) {
    const one = s.outbox.entry(at)
    bytes += costOf(one, large && isLazy(one))
  }
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
