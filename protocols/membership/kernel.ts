/**
 * One step of membership. Never throws for what a peer sent: a bad item is counted and dropped. The rules are in
 * rows.ts (the list), verdict.ts (suspicion), probe.ts, spread.ts (news and lists) and dial.ts.
 */
import type { Env } from '../kernel.ts'
import type { DownReason, PeerId } from '../ports.ts'
import {
  dialOnce,
  dropContact,
  dropStrangers,
  onDialFailed,
  onDialTimer,
  onLinkDown,
  onLinkUp,
  onRedialTimer,
  onSeen,
  seekLink
} from './dial.ts'
import { keepGone } from './keep.ts'
import {
  armProbe,
  onAck,
  onIndirectAck,
  onNack,
  onPingReq,
  onProbeTimer,
  onWaitTimer,
  pingHeld,
  probeLink,
  witness
} from './probe.ts'
import { closeIdle, demand, redraw, reviewOverlay } from './overlay.ts'
import { sameBytes } from './record.ts'
import { drawBoot, forget, reissueOwn, remember, takeRecord } from './rows.ts'
import type { Taken } from './rows.ts'
import { answerList, armNews, onNewsTick, onSync, sendSync, standing, syncPeriodMs, takeNews } from './spread.ts'
import { arm, count, disarm, isLive, send, shuffled, usableAddresses } from './state.ts'
import type { MembershipEffect, MembershipEvent, MembershipState, Turn } from './state.ts'
import { accuse, hearVerdict, lag, onSuspicionTimer } from './verdict.ts'
import { MEMBER_LIMITS } from './wire.ts'
import type { Item, MemMessage } from './wire.ts'

export function step(state: MembershipState, event: MembershipEvent, env: Env): MembershipEffect[] {
  const t: Turn = { s: state, env, out: [] }
  switch (event.k) {
    case 'msg':
      onMessage(t, event.from, event.msg)
      break
    case 'timer':
      onTimer(t, event.tag)
      break
    case 'link':
      if (event.up) linkUp(t, event.peer, event.address)
      else linkDown(t, event.peer, event.why)
      break
    case 'start':
      start(t)
      break
    case 'heard':
      heard(t, event.peer)
      break
    case 'hello':
      onHello(t, event.from, event.record)
      break
    case 'seen':
      onSeen(t, event.peer, event.addresses)
      break
    case 'dialFailed':
      if (onDialFailed(t, event.peer, event.why)) accuseRefusing(t, event.peer)
      break
    case 'want':
      demand(t, event.peer)
      break
    case 'lag':
      lag(t, event.ms)
      break
    case 'self':
      describeSelf(t, event.name, event.addresses)
      break
    case 'leave':
      leave(t, event.forever)
      break
    case 'load':
      for (const bytes of event.members) remember(t, bytes, event.here === true)
      break
    case 'expel':
      expel(t, event.peer)
      break
  }
  return t.out
}

function onMessage(t: Turn, from: PeerId, msg: MemMessage): void {
  if (t.s.expelled.has(from)) return
  heard(t, from)
  switch (msg.t) {
    case 'ping':
      takeItems(t, from, msg.g)
      return send(t, from, { t: 'ack', n: msg.n, g: takeNews(t, from, t.s.cfg.piggybackBytes) })
    case 'ack':
      takeItems(t, from, msg.g)
      return onAck(t, from, msg.n)
    case 'preq':
      takeItems(t, from, msg.g)
      return onPingReq(t, from, msg.n, msg.p, msg.w)
    case 'iack':
      return onIndirectAck(t, from, msg.n)
    case 'nack':
      return onNack(t, from, msg.n)
    case 'news':
      takeItems(t, from, msg.g)
      return
    case 'sync':
      return onSync(t, from, msg.r)
    case 'list': {
      const mentioned = takeItems(t, from, msg.g)
      answerList(t, from, msg.q, mentioned)
    }
  }
}

/** Merges what a neighbour says. Returns how it stands with each member it named. */
function takeItems(t: Turn, from: PeerId, items: readonly Item[]): Map<PeerId, number> {
  const mentioned = new Map<PeerId, number>()
  for (const item of items) {
    if (item.k === 'v') {
      const suspected = hearVerdict(t, from, item)
      if (suspected !== undefined) witness(t, suspected)
      continue
    }
    const gone = item.v?.s === 'dead'
    const taken = takeRecord(t, item.r, from, gone, item.o ?? 0)
    if (taken === undefined) continue
    mentioned.set(taken.peer, theirStanding(t, taken, item))
    if (item.v === undefined) continue
    const suspected = hearVerdict(t, from, { k: 'v', p: taken.peer, i: taken.inc, ...item.v })
    if (suspected !== undefined) witness(t, suspected)
  }
  return mentioned
}

function theirStanding(t: Turn, taken: Taken, item: Extract<Item, { k: 'a' }>): number {
  const left = taken.row !== undefined && taken.row.inc === taken.inc && taken.row.state === 'left'
  return standing({ inc: taken.inc, state: left ? 'left' : (item.v?.s ?? 'alive') })
}

function onTimer(t: Turn, tag: string): void {
  const { s } = t
  if (!s.started || s.leaving) return
  const colon = tag.indexOf(':')
  const rest = tag.slice(colon + 1)
  switch (colon < 0 ? tag : tag.slice(0, colon)) {
    case 'probe':
      onProbeTimer(t)
      return beginSyncs(t)
    case 'wait':
      return onWaitTimer(t, Number(rest))
    case 'susp':
      return onSuspicionTimer(t, rest)
    case 'news':
      return onNewsTick(t)
    case 'link':
      return probeLink(t, rest)
    case 'overlay':
      return reviewOverlay(t)
    case 'redraw':
      return redraw(t)
    case 'idle':
      return closeIdle(t)
    case 'dial':
      return onDialTimer(t, rest)
    case 'redial':
      return onRedialTimer(t, rest)
    case 'sync':
      return syncWithOne(t)
    case 'upkeep':
      return upkeep(t)
    case 'isolated':
      return watchIsolation(t)
  }
}

function start(t: Turn): void {
  const { s, env } = t
  if (s.started) return
  s.started = true
  if (!s.rows.has(s.self)) {
    s.own.boot = drawBoot(t)
    reissueOwn(t)
  }
  s.news.delete(s.self)
  s.lastHeardAt = env.now
  armProbe(t, s.cfg.probePeriodMs * env.random.float())
  arm(t, 'sync', syncPeriodMs(t) * (0.5 + env.random.float()))
  arm(t, 'upkeep', s.cfg.deadRedialMs * (0.5 + 0.5 * env.random.float()))
  arm(t, 'isolated', s.cfg.isolatedMs)
  reviewOverlay(t)
  // Nobody knows yet that this peer is up, so it does not wait for lower ones to dial.
  for (const row of s.rows.values()) {
    if (row.remembered) seekLink(t, row.peer, 'now')
    else if (isLive(row) && row.peer !== s.self) seekLink(t, row.peer)
    // All may have been shut down at once in the evening, each hearing the others' farewell.
    else if (row.state === 'left' && !row.forever && s.links.size + s.live < s.cfg.meshMax) dialOnce(t, row.peer)
  }
  for (const peer of [...s.contacts.keys()]) if (!s.rows.has(peer)) seekLink(t, peer)
}

function heard(t: Turn, peer: PeerId): void {
  if (peer === t.s.self) return
  const link = t.s.links.get(peer)
  if (link !== undefined) link.misses = 0
  const row = link?.row ?? t.s.rows.get(peer)
  if (row !== undefined) row.heardAt = t.env.now
  t.s.lastHeardAt = t.env.now
  if (t.s.isolated) {
    t.s.isolated = false
    t.out.push({ e: 'isolated', is: false })
  }
}

/** The peer itself stands before us. What others say of it, it hears at once, and can object. */
function onHello(t: Turn, from: PeerId, record: Uint8Array): void {
  if (t.s.expelled.has(from) || from === t.s.self) return
  const taken = takeRecord(t, record, from, false, 0)
  if (taken === undefined || taken.peer !== from) return count(t, 'mem.hello.invalid')
  heard(t, from)
  const row = t.s.rows.get(from)
  if (row === undefined) return
  if (row.accusers.length > 0) send(t, from, { t: 'news', g: takeNews(t, from, t.s.cfg.piggybackBytes) })
  // It speaks of itself below what we know of it: it lost a write, and must go higher.
  else if (!sameBytes(row.bytes, record)) send(t, from, { t: 'news', g: [{ k: 'a', r: row.bytes }] })
}

function linkUp(t: Turn, peer: PeerId, address: string | undefined): void {
  const { s, env } = t
  if (s.expelled.has(peer)) return void t.out.push({ e: 'close', peer, why: 'it is no member any more' })
  const isNew = !s.links.has(peer)
  const row = s.rows.get(peer)
  s.links.set(peer, { syncAt: env.now + syncWaitMs(t, peer), synced: false, misses: 0, address, since: env.now, row })
  if (row !== undefined) row.linked = true
  onLinkUp(t, peer)
  pingHeld(t, peer)
  if (!isNew || !s.started || s.leaving) return
  if (s.links.get(peer)!.syncAt <= env.now) sendSync(t, peer)
  armNews(t)
}

function linkDown(t: Turn, peer: PeerId, why: DownReason | undefined): void {
  if (!t.s.links.delete(peer)) return
  disarm(t, `link:${peer}`)
  const row = t.s.rows.get(peer)
  if (row === undefined) return
  row.linked = false
  row.rttMs = undefined
  if (why !== 'denied' && (row.state === 'alive' || row.state === 'suspect')) onLinkDown(t, peer)
}

function accuseRefusing(t: Turn, peer: PeerId): void {
  const row = t.s.rows.get(peer)
  if (row !== undefined && !row.linked) accuse(t, row, 'refused', t.env.now)
}

/** On a new link the lower peer id begins; when it does not, the other does a second later. Many links take turns. */
function syncWaitMs(t: Turn, peer: PeerId): number {
  const { cfg, links, self } = t.s
  const waitMs = self < peer ? 0 : cfg.dialWaitMs
  if (links.size < cfg.syncPromptLinks) return waitMs
  return waitMs + t.env.random.float() * Math.min(cfg.syncStaggerMaxMs, cfg.syncStaggerMs * links.size)
}

function beginSyncs(t: Turn): void {
  for (const [peer, link] of t.s.links) if (!link.synced && t.env.now >= link.syncAt) sendSync(t, peer)
}

function syncWithOne(t: Turn): void {
  arm(t, 'sync', syncPeriodMs(t))
  const peers = [...t.s.links.keys()]
  if (peers.length > 0) sendSync(t, peers[Math.floor(t.env.random.float() * peers.length)]!)
}

/** Each 30 s: one of the dead is dialled, which heals partitions; what is long gone is forgotten. */
function upkeep(t: Turn): void {
  const { s, env } = t
  arm(t, 'upkeep', s.cfg.deadRedialMs)
  const isAlone = s.links.size === 0
  const dead = [...s.rows.values()].filter(
    (row) => !row.linked && (row.state === 'dead' || (isAlone && row.state === 'left' && !row.forever))
  )
  if (dead.length > 0) dialOnce(t, shuffled(t, dead)[0]!.peer)
  for (const row of [...s.rows.values()]) {
    if (row.peer === s.self) continue
    const ageMs = env.now - row.since
    if (row.state === 'left' && row.forever && ageMs >= s.cfg.leftSpreadMs) {
      s.tombstones.set(row.peer, { inc: row.inc, bytes: row.bytes, until: env.now + s.cfg.deadKeepMs })
      forget(t, row)
      keepGone(t, row.peer, 'past', env.now, row.bytes)
    } else if (
      ageMs >= (row.state === 'left' ? s.cfg.leftKeepMs : s.cfg.deadKeepMs) &&
      (row.state === 'left' || row.state === 'dead')
    )
      forget(t, row)
  }
  for (const [peer, tomb] of s.tombstones) {
    if (env.now < tomb.until && s.tombstones.size <= s.cfg.membersMax) continue
    s.tombstones.delete(peer)
    t.out.push({ e: 'unkeep', peer })
  }
  dropStrangers(t)
}

function watchIsolation(t: Turn): void {
  const { s, env } = t
  const expected = [...s.rows.values()].some((row) => row.peer !== s.self && row.state !== 'left')
  const silentMs = env.now - s.lastHeardAt
  const is = expected && silentMs >= s.cfg.isolatedMs
  if (is !== s.isolated) t.out.push({ e: 'isolated', is })
  s.isolated = is
  arm(t, 'isolated', silentMs < s.cfg.isolatedMs ? s.cfg.isolatedMs - silentMs : s.cfg.isolatedMs)
}

function describeSelf(t: Turn, name: string | undefined, addresses: readonly string[] | undefined): void {
  const { own, started } = t.s
  const nextName = name?.slice(0, MEMBER_LIMITS.nameChars) ?? own.name
  const nextAddrs = addresses === undefined ? own.addrs : usableAddresses(addresses)
  if (nextName === own.name && nextAddrs.join('\n') === own.addrs.join('\n')) return
  own.name = nextName
  own.addrs = nextAddrs
  if (started && !t.s.leaving) reissueOwn(t)
}

/** Says good-bye to every neighbour at once; after that this peer only answers. */
function leave(t: Turn, forever: boolean): void {
  const { s } = t
  if (!s.started || s.leaving) return
  s.own.left = forever ? 'forever' : 'away'
  reissueOwn(t)
  s.leaving = true
  for (const to of s.links.keys()) send(t, to, { t: 'news', g: [{ k: 'a', r: s.rows.get(s.self)!.bytes }] })
  for (const tag of ['probe', 'news', 'sync', 'upkeep', 'isolated', 'overlay', 'redraw', 'idle']) disarm(t, tag)
}

function expel(t: Turn, peer: PeerId): void {
  const { s } = t
  if (peer === s.self) return
  s.expelled.add(peer)
  const row = s.rows.get(peer)
  if (row !== undefined) forget(t, row)
  dropContact(t, peer)
  keepGone(t, peer, 'banned', t.env.now, new Uint8Array())
  if (s.links.delete(peer)) t.out.push({ e: 'close', peer, why: 'it is no member any more' })
}
