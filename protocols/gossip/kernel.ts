/**
 * One step of gossip. Never throws for what a peer sent: a bad entry is counted and dropped. The rules are in held.ts
 * (what is kept), push.ts (how news travels) and repair.ts (how gaps are found).
 */
import { MeshError } from '../errors.ts'
import type { Env } from '../kernel.ts'
import type { PeerId } from '../ports.ts'
import { rememberGenuine, signEntry } from './entry.ts'
import { accept, drop, expire, isFull, isStale, load, retryParked, take } from './held.ts'
import { onIds, onPull } from './lazy.ts'
import { flush, onTick } from './push.ts'
import { beginCompare, onCompareTimer, onHave, onRepairTimer, onSum, onWant } from './repair.ts'
import { arm, count } from './state.ts'
import type { GossipEffect, GossipEvent, GossipState, Turn } from './state.ts'
import { TOPICS, topicOf } from './topics.ts'
import type { GossipMessage } from './wire.ts'

export function step(state: GossipState, event: GossipEvent, env: Env): GossipEffect[] {
  const t: Turn = { s: state, env, out: [] }
  if (!state.started) start(t)
  switch (event.k) {
    case 'msg':
      onMessage(t, event.from, event.msg)
      break
    case 'timer':
      onTimer(t, event.tag)
      break
    case 'link':
      if (event.up) linkUp(t, event.peer)
      else linkDown(t, event.peer)
      break
    case 'put':
      put(t, event.key, event.epoch, event.seq, event.body)
      break
    case 'load':
      for (const bytes of event.entries) load(t, bytes)
      break
    case 'forget':
      drop(t, event.key)
      break
  }
  flush(t)
  return t.out
}

function start(t: Turn): void {
  t.s.started = true
  arm(t, 'repair', t.s.cfg.repairMs * (0.5 + t.env.random.float()))
  arm(t, 'sweep', t.s.cfg.sweepMs)
}

function onMessage(t: Turn, from: PeerId, msg: GossipMessage): void {
  switch (msg.t) {
    case 'push':
      for (const bytes of msg.g) take(t, bytes, from)
      return
    case 'ids':
      return onIds(t, from, msg.i)
    case 'pull':
      return onPull(t, from, msg.i)
    case 'sum':
      return onSum(t, from, msg.a, msg.r)
    case 'have':
      return onHave(t, from, msg)
    case 'want':
      return onWant(t, from, msg.k)
  }
}

function onTimer(t: Turn, tag: string): void {
  if (tag === 'tick') onTick(t)
  else if (tag === 'repair') onRepairTimer(t)
  else if (tag === 'parked') retryParked(t)
  else if (tag === 'sweep') {
    expire(t)
    arm(t, 'sweep', t.s.cfg.sweepMs)
  } else if (tag.startsWith('compare:')) onCompareTimer(t, tag.slice('compare:'.length))
}

function linkUp(t: Turn, peer: PeerId): void {
  const { s, env } = t
  if (s.links.has(peer)) return
  const slot = freeSlot(s)
  const link = { slot, compared: false, tokens: s.cfg.burstBytes, tokensAt: env.now }
  s.links.set(peer, link)
  beginCompare(t, peer, link)
}

/** The lowest number that no link has. */
function freeSlot(s: GossipState): number {
  const taken = new Set<number>()
  for (const { slot } of s.links.values()) taken.add(slot)
  let free = 0
  while (taken.has(free)) free++
  return free
}

function linkDown(t: Turn, peer: PeerId): void {
  const link = t.s.links.get(peer)
  if (link === undefined) return
  t.s.links.delete(peer)
  t.s.backlog.delete(peer)
  if (t.s.links.size === 0) t.s.outbox.clear()
  else t.s.outbox.dropSlot(link.slot)
}

function put(t: Turn, key: string, epoch: number, seq: number, body: Uint8Array): void {
  const { s, env } = t
  const topic = topicOf(key)
  const { self: author, crypto } = s.options
  if (topic === undefined || key.length > s.cfg.keyChars) {
    throw new MeshError(
      'BAD_REQUEST',
      `"${key.slice(0, 80)}" is no gossip key: one of ${Object.keys(TOPICS).join(', ')}, a slash and a name, at most ${s.cfg.keyChars} characters`
    )
  }
  if (TOPICS[topic].writer === 'self' && key !== `${topic}/${author}`) {
    throw new MeshError(
      'BAD_REQUEST',
      `only ${key.slice(topic.length + 1)} itself can write ${key}; this peer is ${author}`
    )
  }
  if (body.length > s.cfg.bodyBytes)
    throw new MeshError('WIRE_LIMIT', `a gossip entry has at most ${s.cfg.bodyBytes} bytes, ${key} has ${body.length}`)
  const signed = signEntry(crypto, topic, { key, author, epoch, seq, wall: Math.max(0, Math.floor(env.wall)), body })
  rememberGenuine(signed, crypto)
  if (isStale(s, signed)) count(t, 'gossip.put.stale')
  else if (isFull(s, signed)) count(t, 'gossip.full')
  else accept(t, signed, undefined)
}
