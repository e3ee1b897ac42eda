/**
 * Credit and sequence of channels. Each direction counts bytes: the sender keeps what the reader has not consumed (at most
 * one window), so that after a lost link it resends from the offset the other side reports. The end counts as one byte more,
 * so that each side knows that its end was seen. A channel is over when both have seen the other's end, or at the first
 * close with a reason.
 */
import type { KernelEffect, Message } from '../kernel.ts'
import type { PeerId } from '../ports.ts'
import { LIMITS } from './wire.ts'
import type { ChannelFrame } from './wire.ts'

export interface Channel {
  readonly key: string
  readonly peer: PeerId
  readonly id: number
  /** 1 when this peer opened it. */
  readonly side: 0 | 1
  readonly kind: string
  readonly meta: Readonly<Record<string, unknown>>
  /** Not yet consumed by the other side, in order; `outStart` is the offset of its first byte. */
  out: Uint8Array[]
  outStart: number
  outEnd: number
  sent: number
  ended: boolean
  endSent: boolean
  endSeen: boolean
  received: number
  consumed: number
  creditSent: number
  remoteEnded: boolean
  /** The other side has spoken on it, so it knows of it. */
  heard: boolean
  /** What the link did not take, or must be told again after it was lost. */
  owes: { open: boolean; resume: boolean; credit: boolean }
  /** The link was lost: what the other side has is not known before its resume. */
  awaitsResume: boolean
  /** The link took no frame of this channel: all of them wait, in order, for the next drain. */
  blocked: boolean
}

export interface ChannelState {
  readonly channels: Map<string, Channel>
  readonly linked: Set<PeerId>
  /** Last words of channels that are over here, which the link did not take. A new link needs none: a resume asks. */
  readonly farewells: Map<PeerId, Message[]>
}

export type ChannelEvent =
  /** `later`: where there is no link, one is being made. */
  | { k: 'open'; peer: PeerId; id: number; kind: string; meta: Record<string, unknown>; later?: boolean }
  | { k: 'write'; key: string; bytes: Uint8Array }
  | { k: 'end'; key: string }
  | { k: 'abort'; key: string; why: string }
  | { k: 'consumed'; key: string; bytes: number }
  | { k: 'msg'; from: PeerId; msg: ChannelFrame }
  | { k: 'link'; peer: PeerId; up: boolean }
  | { k: 'drain'; peer: PeerId }
  | { k: 'timer'; tag: string }

export type ChannelEffect =
  | KernelEffect
  | { e: 'opened'; channel: Channel }
  | { e: 'data'; key: string; bytes: Uint8Array }
  | { e: 'remoteEnd'; key: string }
  | { e: 'writable'; key: string }
  | { e: 'closed'; key: string; why: string | undefined }
  /** To be handed to the link, unless `held()`: a frame before it was not taken. When the link refuses, `refused()`. */
  | { e: 'frame'; to: PeerId; msg: Message; held: () => boolean; refused: () => void }

export function createChannels(): ChannelState {
  return { channels: new Map(), linked: new Set(), farewells: new Map() }
}

export const channelKey = (peer: PeerId, side: 0 | 1, id: number): string => `${peer}/${side}/${id}`

export function step(state: ChannelState, event: ChannelEvent): ChannelEffect[] {
  switch (event.k) {
    case 'open':
      return open(state, event.peer, event.id, event.kind, event.meta, event.later === true)
    case 'write':
      return withChannel(state, event.key, (channel) => write(state, channel, event.bytes))
    case 'end':
      return withChannel(state, event.key, (channel) => {
        channel.ended = true
        return pump(state, channel)
      })
    case 'abort':
      return withChannel(state, event.key, (channel) => abort(state, channel, event.why))
    case 'consumed':
      return withChannel(state, event.key, (channel) => consumed(state, channel, event.bytes))
    case 'link':
      return event.up ? linkUp(state, event.peer) : linkDown(state, event.peer)
    case 'drain':
      return [...farewells(state, event.peer), ...each(state, event.peer, (channel) => pump(state, channel))]
    case 'timer':
      return each(state, event.tag, (channel) =>
        state.linked.has(channel.peer) ? [] : close(state, channel, 'the link did not come back in time')
      )
    case 'msg':
      return onFrame(state, event.from, event.msg)
  }
}

/** True when more may be written without holding more than a window in memory. */
export function isWritable(channel: Channel): boolean {
  return !channel.ended && channel.outEnd - channel.outStart < LIMITS.windowBytes
}

function withChannel(state: ChannelState, key: string, fn: (channel: Channel) => ChannelEffect[]): ChannelEffect[] {
  const channel = state.channels.get(key)
  return channel === undefined ? [] : fn(channel)
}

function each(state: ChannelState, peer: PeerId, fn: (channel: Channel) => ChannelEffect[]): ChannelEffect[] {
  const effects: ChannelEffect[] = []
  for (const channel of [...state.channels.values()]) if (channel.peer === peer) effects.push(...fn(channel))
  return effects
}

function create(peer: PeerId, side: 0 | 1, id: number, kind: string, meta: Record<string, unknown>): Channel {
  return {
    key: channelKey(peer, side, id),
    peer,
    id,
    side,
    kind,
    meta,
    out: [],
    outStart: 0,
    outEnd: 0,
    sent: 0,
    ended: false,
    endSent: false,
    endSeen: false,
    received: 0,
    consumed: 0,
    creditSent: 0,
    remoteEnded: false,
    heard: side === 0,
    owes: { open: false, resume: false, credit: false },
    awaitsResume: false,
    blocked: false
  }
}

function open(
  state: ChannelState,
  peer: PeerId,
  id: number,
  kind: string,
  meta: Record<string, unknown>,
  later: boolean
): ChannelEffect[] {
  const channel = create(peer, 1, id, kind, meta)
  const isLinked = state.linked.has(peer)
  if (!isLinked && !later) return [{ e: 'closed', key: channel.key, why: 'no link to that peer' }]
  state.channels.set(channel.key, channel)
  channel.owes.open = true
  if (!isLinked) return [{ e: 'timer', tag: peer, inMs: LIMITS.resumeMs }]
  return pump(state, channel)
}

function write(state: ChannelState, channel: Channel, bytes: Uint8Array): ChannelEffect[] {
  if (channel.ended || bytes.length === 0) return []
  channel.out.push(bytes)
  channel.outEnd += bytes.length
  return pump(state, channel)
}

/** Sends what is owed and what the window allows, in order. */
function pump(state: ChannelState, channel: Channel): ChannelEffect[] {
  if (!state.linked.has(channel.peer)) return []
  channel.blocked = false
  const effects = payDebts(state, channel)
  if (channel.awaitsResume) return effects
  const limit = Math.min(channel.outEnd, channel.outStart + LIMITS.windowBytes)
  while (channel.sent < limit) {
    const at = channel.sent
    const bytes = slice(channel, at, Math.min(limit, at + LIMITS.chunkBytes))
    channel.sent += bytes.length
    effects.push(frame(channel, { t: 'd', o: at, b: bytes }, () => (channel.sent = Math.min(channel.sent, at))))
  }
  if (channel.ended && !channel.endSent && !channel.endSeen && channel.sent === channel.outEnd) {
    channel.endSent = true
    effects.push(frame(channel, { t: 'e', o: channel.outEnd }, () => (channel.endSent = false)))
  }
  return effects
}

function payDebts(state: ChannelState, channel: Channel): ChannelEffect[] {
  const { owes } = channel
  const effects: ChannelEffect[] = []
  if (owes.open) {
    owes.open = false
    effects.push(frame(channel, { t: 'o', k: channel.kind, m: channel.meta }, () => (owes.open = true)))
  }
  if (owes.resume) {
    owes.resume = false
    effects.push(frame(channel, { t: 'r', o: channel.received }, () => (owes.resume = true)))
  }
  if (owes.credit) {
    owes.credit = false
    channel.creditSent = consumedTo(channel)
    const credit = { t: 'c', o: channel.creditSent }
    const refused = (): void => {
      owes.credit = true
      // It was the last word of a channel that is over here.
      if (state.channels.get(channel.key) !== channel) keepFarewell(state, channel.peer, messageOf(channel, credit))
    }
    effects.push(frame(channel, credit, refused))
  }
  return effects
}

/** Offset up to which this side has consumed; the end of the other side is the last byte. */
function consumedTo(channel: Channel): number {
  return channel.consumed + (channel.remoteEnded && channel.consumed === channel.received ? 1 : 0)
}

/** Bytes of the out queue; looked for from its end, where the unsent ones are. */
function slice(channel: Channel, from: number, to: number): Uint8Array {
  let i = channel.out.length
  let offset = channel.outEnd
  while (offset > from) offset -= channel.out[--i]!.length
  const first = channel.out[i]!
  if (offset + first.length >= to) return first.subarray(from - offset, to - offset)
  const whole = new Uint8Array(to - from)
  for (; offset < to; i++) {
    const chunk = channel.out[i]!
    const part = chunk.subarray(Math.max(0, from - offset), Math.min(chunk.length, to - offset))
    whole.set(part, Math.max(0, offset - from))
    offset += chunk.length
  }
  return whole
}

function consumed(state: ChannelState, channel: Channel, bytes: number): ChannelEffect[] {
  channel.consumed = Math.min(channel.received, channel.consumed + bytes)
  const to = consumedTo(channel)
  const due = to - channel.creditSent >= LIMITS.windowBytes / 4 || (to > channel.consumed && to > channel.creditSent)
  if (!due) return []
  channel.owes.credit = true
  return [...pump(state, channel), ...closeIfDone(state, channel)]
}

function linkDown(state: ChannelState, peer: PeerId): ChannelEffect[] {
  state.linked.delete(peer)
  state.farewells.delete(peer)
  let any = false
  for (const channel of state.channels.values()) {
    if (channel.peer !== peer) continue
    any = true
    channel.blocked = false
    // The other side may never have heard of it: then it is opened once more, from the first byte.
    channel.awaitsResume = channel.heard
    if (channel.heard) continue
    channel.sent = channel.outStart
    channel.endSent = false
  }
  return any ? [{ e: 'timer', tag: peer, inMs: LIMITS.resumeMs }] : []
}

function linkUp(state: ChannelState, peer: PeerId): ChannelEffect[] {
  state.linked.add(peer)
  const resume = (channel: Channel): ChannelEffect[] => {
    channel.owes.open = !channel.heard
    channel.owes.resume = true
    return pump(state, channel)
  }
  return [{ e: 'clear', tag: peer }, ...each(state, peer, resume)]
}

function onFrame(state: ChannelState, from: PeerId, msg: ChannelFrame): ChannelEffect[] {
  const side = msg.s === 1 ? 0 : 1
  if (msg.t === 'o') return onOpen(state, from, msg.c, msg.k, msg.m)
  const channel = state.channels.get(channelKey(from, side, msg.c))
  // Credit or an end for a channel that is done here is no error; data or a resume is.
  if (channel === undefined) return msg.t === 'd' || msg.t === 'r' ? [unknown(state, from, side, msg.c)] : []
  channel.heard = true
  switch (msg.t) {
    case 'd':
      return onData(state, channel, msg.o, msg.b)
    case 'e':
      return onEnd(state, channel, msg.o)
    case 'c':
      return onCredit(state, channel, msg.o)
    case 'r':
      return onResume(state, channel, msg.o)
    case 'x':
      // Both had ended: it forgot the channel, as it may.
      return close(state, channel, channel.ended && channel.remoteEnded ? undefined : msg.w)
  }
}

function onOpen(
  state: ChannelState,
  from: PeerId,
  id: number,
  kind: string,
  meta: Record<string, unknown>
): ChannelEffect[] {
  const channel = create(from, 0, id, kind, meta)
  if (state.channels.has(channel.key)) return []
  let open = 0
  for (const other of state.channels.values()) if (other.peer === from && other.side === 0) open++
  if (open >= LIMITS.openMax) return [lastWord(state, channel, `at most ${LIMITS.openMax} channels from one peer`)]
  state.channels.set(channel.key, channel)
  return [{ e: 'opened', channel }]
}

function onData(state: ChannelState, channel: Channel, offset: number, bytes: Uint8Array): ChannelEffect[] {
  const skip = channel.received - offset
  if (skip < 0) return [] // a gap after a lost link: the resume that follows fills it
  if (skip >= bytes.length || channel.remoteEnded) return []
  const fresh = skip === 0 ? bytes : bytes.subarray(skip)
  if (channel.received + fresh.length - channel.consumed > LIMITS.windowBytes) {
    return abort(state, channel, `more than the window of ${LIMITS.windowBytes} bytes was sent`)
  }
  channel.received += fresh.length
  return [{ e: 'data', key: channel.key, bytes: fresh }]
}

function onEnd(state: ChannelState, channel: Channel, offset: number): ChannelEffect[] {
  if (offset !== channel.received) return []
  if (channel.remoteEnded) {
    // Told again after a lost link: so was the answer lost.
    channel.owes.credit = consumedTo(channel) > channel.consumed
    return pump(state, channel)
  }
  channel.remoteEnded = true
  return [{ e: 'remoteEnd', key: channel.key }, ...consumed(state, channel, 0)]
}

function onResume(state: ChannelState, channel: Channel, offset: number): ChannelEffect[] {
  if (offset < channel.outStart || offset > channel.outEnd) return abort(state, channel, 'offsets do not match')
  channel.sent = offset
  channel.endSent = false
  channel.awaitsResume = false
  channel.owes.credit = consumedTo(channel) > 0
  return pump(state, channel)
}

function onCredit(state: ChannelState, channel: Channel, offset: number): ChannelEffect[] {
  if (offset > channel.outEnd + (channel.ended ? 1 : 0))
    return abort(state, channel, 'credit for bytes that were never sent')
  channel.endSeen ||= offset > channel.outEnd
  const to = Math.min(offset, channel.outEnd)
  if (to <= channel.outStart) return closeIfDone(state, channel)
  const wasFull = !isWritable(channel)
  dropFront(channel, to)
  channel.sent = Math.max(channel.sent, channel.outStart)
  const effects = pump(state, channel)
  if (wasFull && isWritable(channel)) effects.push({ e: 'writable', key: channel.key })
  return [...effects, ...closeIfDone(state, channel)]
}

function dropFront(channel: Channel, to: number): void {
  let whole = 0
  for (const chunk of channel.out) {
    if (channel.outStart + chunk.length > to) break
    channel.outStart += chunk.length
    whole++
  }
  channel.out.splice(0, whole)
  if (to === channel.outStart) return
  channel.out[0] = channel.out[0]!.subarray(to - channel.outStart)
  channel.outStart = to
}

/** Both ends said and seen: this side has nothing more to do. */
function closeIfDone(state: ChannelState, channel: Channel): ChannelEffect[] {
  const inDone = channel.remoteEnded && channel.consumed === channel.received
  return channel.endSeen && inDone ? close(state, channel, undefined) : []
}

function abort(state: ChannelState, channel: Channel, why: string): ChannelEffect[] {
  const told = state.linked.has(channel.peer) ? [lastWord(state, channel, why)] : []
  return [...told, ...close(state, channel, why)]
}

function close(state: ChannelState, channel: Channel, why: string | undefined): ChannelEffect[] {
  if (!state.channels.delete(channel.key)) return []
  return [{ e: 'closed', key: channel.key, why }]
}

// ---- frames ----

const messageOf = (
  { id, side }: Pick<Channel, 'id' | 'side'>,
  body: { t: string; [key: string]: unknown }
): Message => ({ ...body, c: id, s: side })

function frame(channel: Channel, body: { t: string; [key: string]: unknown }, refused: () => void): ChannelEffect {
  return {
    e: 'frame',
    to: channel.peer,
    msg: messageOf(channel, body),
    held: () => channel.blocked,
    refused: () => {
      channel.blocked = true
      refused()
    }
  }
}

function lastWord(state: ChannelState, channel: Pick<Channel, 'peer' | 'id' | 'side'>, why: string): ChannelEffect {
  const msg = messageOf(channel, { t: 'x', w: why.slice(0, 512) })
  return { e: 'frame', to: channel.peer, msg, held: () => false, refused: () => keepFarewell(state, channel.peer, msg) }
}

function unknown(state: ChannelState, peer: PeerId, side: 0 | 1, id: number): ChannelEffect {
  return lastWord(state, { peer, id, side }, 'no such channel here')
}

function keepFarewell(state: ChannelState, peer: PeerId, msg: Message): void {
  if (!state.linked.has(peer)) return
  const list = state.farewells.get(peer) ?? []
  state.farewells.set(peer, list)
  if (list.length < 2 * LIMITS.openMax) list.push(msg)
}

function farewells(state: ChannelState, peer: PeerId): ChannelEffect[] {
  const list = state.farewells.get(peer) ?? []
  state.farewells.delete(peer)
  return list.map((msg) => ({
    e: 'frame',
    to: peer,
    msg,
    held: () => false,
    refused: () => keepFarewell(state, peer, msg)
  }))
}
