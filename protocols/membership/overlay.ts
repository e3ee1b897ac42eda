/**
 * Who is linked to whom. Up to 48 live members everyone to everyone. Above, each to the next peer on each of eight rings,
 * which it also watches, and to two random ones for a while; the previous ones link to it. Whatever else is needed is
 * dialled on demand and closed when idle. Below 40 all to all again.
 */
import type { PeerId } from '../ports.ts'
import { seekLink } from './dial.ts'
import { neighboursOf } from './rings.ts'
import { arm, disarm, isLive, shuffled } from './state.ts'
import type { MembershipState, Turn } from './state.ts'
import type { Row } from './row.ts'

/** Links that nobody needs any more are looked for so many times in the time after which they count as idle. */
const IDLE_LOOKS = 6
/** Below so many live members all links are wanted, and an idle one is left alone. */
const isSmall = (s: MembershipState): boolean => s.live <= s.cfg.meshMax

/** A link to that peer is ours to make and to keep. */
export function isStanding(s: MembershipState, peer: PeerId): boolean {
  const { overlay } = s
  return !overlay.rings || overlay.next.has(peer) || overlay.random.has(peer)
}

export function wantsLink(s: MembershipState, peer: PeerId): boolean {
  return isStanding(s, peer) || s.overlay.demands.has(peer)
}

/** Whether to get to know a peer that is no member yet. In a large mesh a few of those who see it are enough. */
export function mayMeet(t: Turn): boolean {
  const { overlay, links, live, cfg } = t.s
  if (links.size === 0) return true
  if (!overlay.rings) return links.size < cfg.meshMax
  return t.env.random.float() * live < cfg.rings
}

/** Somebody came or went: in a large mesh the rings are drawn again in a moment, once for all who come together. */
export function onPopulation(t: Turn): void {
  const { overlay, cfg, started, leaving, live } = t.s
  if (!started || leaving || overlay.reviewArmed || (!overlay.rings && live <= cfg.meshMax)) return
  overlay.reviewArmed = true
  arm(t, 'overlay', cfg.overlaySettleMs)
}

export function reviewOverlay(t: Turn): void {
  const { s, env } = t
  const { overlay, cfg } = s
  overlay.reviewArmed = false
  const others = [...s.rows.values()].filter((row) => isCandidate(s, row))
  const population = others.length + 1
  if (!overlay.rings && population > cfg.meshMax) enterRings(t)
  else if (overlay.rings && population < cfg.meshMin) return leaveRings(t)
  if (!overlay.rings) return
  const before = overlay.next
  const { next, previous } = neighboursOf(
    s.self,
    others.map((row) => row.peer),
    cfg.rings
  )
  overlay.next = next
  overlay.previous = previous
  for (const peer of next) {
    if (before.has(peer) || s.links.has(peer)) continue
    s.rows.get(peer)!.stand({ graceUntil: env.now + cfg.linkGraceMs })
    seekLink(t, peer, 'now')
  }
  if (overlay.random.size === 0) redraw(t)
}

/** Two links elsewhere, others each time: they make one whole of whatever the rings leave apart. */
export function redraw(t: Turn): void {
  const { s } = t
  const { overlay, cfg } = s
  arm(t, 'redraw', cfg.redrawMs)
  const before = [...overlay.random]
  overlay.random.clear()
  const others = [...s.rows.values()].filter((row) => row.peer !== s.self && isLive(row) && !overlay.next.has(row.peer))
  for (const row of shuffled(t, others).slice(0, cfg.randomLinks)) {
    overlay.random.add(row.peer)
    if (!s.links.has(row.peer)) seekLink(t, row.peer, 'now')
  }
  for (const peer of before) if (!isNeeded(s, peer)) close(t, peer)
}

/** A link to that peer is needed now, or in use. */
export function demand(t: Turn, peer: PeerId): void {
  const { s, env } = t
  const { overlay, cfg } = s
  const row = s.rows.get(peer)
  if (!overlay.rings || row === undefined || !isLive(row) || peer === s.self) return
  overlay.demands.delete(peer)
  overlay.demands.set(peer, env.now)
  if (overlay.demands.size > cfg.onDemandMax) {
    const [oldest, usedAt] = overlay.demands.entries().next().value!
    if (env.now - usedAt >= cfg.onDemandKeepMs && !s.isBusy(oldest)) {
      overlay.demands.delete(oldest)
      if (!isNeeded(s, oldest)) close(t, oldest)
    }
  }
  const dialedAt = s.contacts.get(peer)?.dialedAt ?? -Infinity
  if (!s.links.has(peer) && env.now - dialedAt >= cfg.dialRetryMinMs) seekLink(t, peer, 'now')
}

/** Links that were made on demand, or that another made and does not need any more, end when they are idle. */
export function closeIdle(t: Turn): void {
  const { s, env } = t
  const { overlay, cfg } = s
  arm(t, 'idle', cfg.idleMs / IDLE_LOOKS)
  const spare: [PeerId, number][] = []
  for (const [peer, link] of s.links) {
    if (s.isBusy(peer)) overlay.demands.set(peer, env.now)
    else if (!isNeeded(s, peer, env.now)) spare.push([peer, Math.max(link.since, overlay.demands.get(peer) ?? 0)])
  }
  for (const [peer, at] of overlay.demands) if (env.now - at >= cfg.idleMs) overlay.demands.delete(peer)
  if (isSmall(s)) return
  spare.sort((a, b) => a[1] - b[1])
  for (const [i, [peer, usedAt]] of spare.entries()) {
    const keepMs = spare.length - i > cfg.onDemandMax ? cfg.onDemandKeepMs : cfg.idleMs
    if (env.now - usedAt >= keepMs) close(t, peer)
  }
}

function isCandidate(s: MembershipState, row: Row): boolean {
  if (row.peer === s.self) return false
  if (isLive(row)) return true
  // At the start nobody is known to be here: those of the last time take their turn until some answer.
  return row.remembered && s.live - 1 < s.cfg.rings && s.contacts.get(row.peer)?.tried !== true
}

/** `now`: a demand that has become idle counts no more. */
function isNeeded(s: MembershipState, peer: PeerId, now = -Infinity): boolean {
  const demandedAt = s.overlay.demands.get(peer)
  const isDemanded = demandedAt !== undefined && now - demandedAt < s.cfg.idleMs
  return isStanding(s, peer) || s.overlay.previous.has(peer) || isDemanded
}

function enterRings(t: Turn): void {
  const { s, env } = t
  s.overlay.rings = true
  // Not all who cross the line together close together.
  for (const link of s.links.values()) link.since = env.now - env.random.float() * (s.cfg.idleMs / 2)
  arm(t, 'idle', s.cfg.idleMs / IDLE_LOOKS)
}

function leaveRings(t: Turn): void {
  const { s } = t
  const { overlay } = s
  overlay.rings = false
  for (const set of [overlay.next, overlay.previous, overlay.random, overlay.demands]) set.clear()
  for (const tag of ['redraw', 'idle']) disarm(t, tag)
  for (const row of s.rows.values()) if (isLive(row) && !s.links.has(row.peer)) seekLink(t, row.peer)
}

function close(t: Turn, peer: PeerId): void {
  if (t.s.links.has(peer)) t.out.push({ e: 'close', peer, why: 'it is not needed now' })
}
