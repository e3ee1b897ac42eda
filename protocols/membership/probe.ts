/**
 * Probing: each period one member, in shuffled rounds; when it does not answer, helpers ask it too. Answers and missing
 * ones move the local health, which stretches this peer's own patience (Lifeguard).
 */
import type { PeerId } from '../ports.ts'
import { avoidAddress } from './dial.ts'
import { takeNews } from './spread.ts'
import { demand } from './overlay.ts'
import { neighboursOf } from './rings.ts'
import { arm, count, disarm, isLive, send, shuffled } from './state.ts'
import type { Asked, Turn } from './state.ts'
import type { Row } from './row.ts'
import { accuse, lag, nextN } from './verdict.ts'

/** A helper says Nack when this share of its time is over, so that the Nack arrives in time. */
const NACK_AFTER = 0.8

export function onProbeTimer(t: Turn): void {
  lag(t, t.env.now - t.s.probeDueAt)
  armProbe(t, periodMs(t) * (1 + t.s.health))
  for (const row of nextTargets(t)) probe(t, row, 'probe')
}

/** On the rings each of those this peer watches has its turn in two seconds. */
function periodMs(t: Turn): number {
  const { overlay, cfg } = t.s
  return overlay.next.size > 0 ? cfg.ringProbeMs / overlay.next.size : cfg.probePeriodMs
}

export function armProbe(t: Turn, inMs: number): void {
  t.s.probeDueAt = t.env.now + inMs
  arm(t, 'probe', inMs)
}

/** Some of those who hear of a suspicion look for themselves, so that confirmation does not wait for their round. */
export function witness(t: Turn, row: Row): void {
  const { overlay, live } = t.s
  const others = overlay.rings ? (overlay.next.has(row.peer) ? 1 : Infinity) : Math.max(1, live - 2)
  if (t.env.random.float() * others < t.s.cfg.witnesses) probe(t, row, 'witness')
}

export function onAck(t: Turn, from: PeerId, n: number): void {
  const asked = t.s.asked.get(n)
  if (asked === undefined || asked.target !== from) return
  settle(t, n, asked)
  if (asked.requester !== undefined) return send(t, asked.requester.peer, { t: 'iack', n: asked.requester.n })
  const row = t.s.rows.get(from)
  if (row !== undefined) row.rttMs = t.env.now - asked.at
  if (asked.kind === 'probe' && asked.phase === 'direct') t.s.health = Math.max(0, t.s.health - 1)
}

export function onIndirectAck(t: Turn, from: PeerId, n: number): void {
  const asked = t.s.asked.get(n)
  if (asked === undefined || !asked.helpers.includes(from)) return
  settle(t, n, asked)
  onDumbLink(t, asked.target)
}

/** Others reach it and our link does not. A cable or an address went: after a few more tries the link is made anew. */
function onDumbLink(t: Turn, peer: PeerId): void {
  const { links, cfg } = t.s
  const link = links.get(peer)
  if (link === undefined) return
  if (++link.misses < cfg.linkMisses) return arm(t, `link:${peer}`, cfg.suspectRepeatMs)
  avoidAddress(t, peer, link.address)
  count(t, 'mem.link.dumb')
  t.out.push({ e: 'close', peer, why: 'others reach it and this link does not' })
}

/** Asks again on a link that may be dumb, out of turn. */
export function probeLink(t: Turn, peer: PeerId): void {
  const row = t.s.rows.get(peer)
  if (row !== undefined && row.linked && isLive(row) && (t.s.links.get(peer)?.misses ?? 0) > 0) probe(t, row, 'witness')
}

export function onNack(t: Turn, from: PeerId, n: number): void {
  const asked = t.s.asked.get(n)
  if (asked !== undefined && asked.helpers.includes(from)) asked.nacks.add(from)
}

/** Somebody asks us to reach a peer for it. Always answered: with its word, or with Nack. */
export function onPingReq(t: Turn, from: PeerId, n: number, target: PeerId, withinMs: number): void {
  if (target === t.s.self) return send(t, from, { t: 'iack', n })
  const isLinked = t.s.links.has(target)
  const row = t.s.rows.get(target)
  const canDial = t.s.overlay.rings && row !== undefined && isLive(row)
  if (!isLinked && !canDial) return send(t, from, { t: 'nack', n })
  if (t.s.relays >= t.s.cfg.relaysMax) return count(t, 'mem.relay.full')
  t.s.relays++
  ask(t, target, 'relay', NACK_AFTER * withinMs, { peer: from, n })
  if (!isLinked) demand(t, target)
}

/** The link for a helper's question came. */
export function pingHeld(t: Turn, peer: PeerId): void {
  for (const [n, asked] of t.s.asked) {
    if (asked.held !== true || asked.target !== peer) continue
    asked.held = false
    send(t, peer, { t: 'ping', n, g: takeNews(t, peer, t.s.cfg.piggybackBytes) })
  }
}

export function onWaitTimer(t: Turn, n: number): void {
  const asked = t.s.asked.get(n)
  if (asked === undefined) return
  lag(t, t.env.now - asked.dueAt)
  if (asked.requester !== undefined) {
    settle(t, n, asked)
    send(t, asked.requester.peer, { t: 'nack', n: asked.requester.n })
  } else if (asked.phase === 'helpers' || !askHelpers(t, n, asked)) missed(t, n, asked)
}

function probe(t: Turn, row: Row, kind: 'probe' | 'witness'): void {
  if (row.linked) return ask(t, row.peer, kind, t.s.cfg.probeDirectMs * (1 + t.s.health), undefined)
  const n = nextN(t)
  const asked: Asked = {
    target: row.peer,
    kind,
    phase: 'direct',
    at: t.env.now,
    dueAt: t.env.now,
    helpers: [],
    nacks: new Set()
  }
  t.s.asked.set(n, asked)
  if (!askHelpers(t, n, asked)) missed(t, n, asked)
}

function ask(t: Turn, target: PeerId, kind: Asked['kind'], withinMs: number, requester: Asked['requester']): void {
  const n = nextN(t)
  const asked: Asked = {
    target,
    kind,
    phase: 'direct',
    at: t.env.now,
    dueAt: t.env.now + withinMs,
    helpers: [],
    nacks: new Set()
  }
  if (requester !== undefined) asked.requester = requester
  t.s.asked.set(n, asked)
  if (t.s.links.has(target)) send(t, target, { t: 'ping', n, g: takeNews(t, target, t.s.cfg.piggybackBytes) })
  else asked.held = true
  arm(t, `wait:${n}`, withinMs)
}

/** False when there is nobody to ask. */
function askHelpers(t: Turn, n: number, asked: Asked): boolean {
  const { s, env } = t
  const able = [...s.links.keys()].filter((peer) => peer !== asked.target && s.rows.get(peer)?.state === 'alive')
  if (able.length === 0) return false
  const withinMs = s.cfg.probeHelpersMs * (1 + s.health)
  asked.phase = 'helpers'
  asked.helpers = shuffled(t, able).slice(0, s.cfg.helpers)
  asked.dueAt = env.now + withinMs
  for (const to of asked.helpers) {
    send(t, to, { t: 'preq', n, p: asked.target, w: Math.round(withinMs), g: takeNews(t, to, s.cfg.piggybackBytes) })
  }
  arm(t, `wait:${n}`, withinMs)
  return true
}

/**
 * No word from the target by any way. Helpers that say they are fine show that this peer is, too; without a word from
 * any of them, or when some are silent as well, it trusts itself less.
 */
function missed(t: Turn, n: number, asked: Asked): void {
  settle(t, n, asked)
  const { s } = t
  if (asked.kind === 'probe') {
    const silent = asked.helpers.length - asked.nacks.size
    const alone = asked.nacks.size === 0 ? 1 : 0
    s.health = Math.min(s.cfg.healthMax, s.health + alone + (silent > 0 ? 1 : 0))
  }
  const row = s.rows.get(asked.target)
  if (row !== undefined) accuse(t, row, 'timeout', asked.at)
}

function settle(t: Turn, n: number, asked: Asked): void {
  t.s.asked.delete(n)
  if (asked.requester !== undefined) t.s.relays--
  disarm(t, `wait:${n}`)
}

/**
 * In a whole mesh, too, each peer has one that looks after it each period, beside the rounds: they alone would leave it to
 * luck when somebody asks, and one death in a hundred would be missed for four periods and more. Both at once, and once when
 * it is the same member, so that an idle PC wakes once a period.
 */
function nextTargets(t: Turn): Set<Row> {
  return new Set([t.s.overlay.rings ? undefined : nextOnRing(t), nextOfRound(t)].filter((row) => row !== undefined))
}

function nextOnRing(t: Turn): Row | undefined {
  const { rows, self } = t.s
  const others = [...rows.values()].filter((row) => canProbe(t, row)).map((row) => row.peer)
  const [next] = neighboursOf(self, others, 1).next
  return next === undefined ? undefined : rows.get(next)
}

function nextOfRound(t: Turn): Row | undefined {
  const left = takeFrom(t, t.s.round)
  if (left !== undefined) return left
  t.s.round = shuffled(
    t,
    watched(t)
      .filter((row) => canProbe(t, row))
      .map((row) => row.peer)
  )
  return takeFrom(t, t.s.round)
}

function takeFrom(t: Turn, round: PeerId[]): Row | undefined {
  for (let peer = round.pop(); peer !== undefined; peer = round.pop()) {
    const row = t.s.rows.get(peer)
    if (row !== undefined && canProbe(t, row)) return row
  }
  return undefined
}

function watched(t: Turn): Row[] {
  const { overlay, rows } = t.s
  if (!overlay.rings) return [...rows.values()]
  return [...overlay.next].flatMap((peer) => rows.get(peer) ?? [])
}

/** A member without a link is left alone while its link is being made or made again. */
function canProbe(t: Turn, row: Row): boolean {
  if (row.peer === t.s.self || !isLive(row)) return false
  if (t.s.overlay.rings && !t.s.overlay.next.has(row.peer)) return false
  return row.linked || (t.env.now >= row.graceUntil && (t.s.contacts.get(row.peer)?.redials ?? 0) === 0)
}
