/**
 * Credit and sequence of channels. Each direction counts bytes: the sender keeps what the reader has not consumed (at most
 * one window), so that after a lost link it resends from the offset the other side reports. A channel ends when both
 * sides have sent their end, or at the first close with a reason.
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
  received: number
  consumed: number
  creditSent: number
  remoteEnded: boolean
  blocked: boolean
}

export interface ChannelState {
  readonly channels: Map<string, Channel>
  readonly linked: Set<PeerId>
}

export type ChannelEvent =
  | { k: 'open'; peer: PeerId; id: number; kind: string; meta: Record<string, unknown> }
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
  /** To be handed to the link; when it refuses, tell the kernel by `refused`. */
  | { e: 'frame'; to: PeerId; msg: Message; refused: () => void }

export function createChannels(): ChannelState {
  return { channels: new Map(), linked: new Set() }
}

export const channelKey = (peer: PeerId, side: 0 | 1, id: number): string => `${peer}/${side}/${id}`

export function step(state: ChannelState, event: ChannelEvent): ChannelEffect[] {
  switch (event.k) {
    case 'open':
      return open(state, event.peer, event.id, event.kind, event.meta)
    case 'write':
      return withChannel(state, event.key, (channel) => write(state, channel, event.bytes))
    case 'end':
      return withChannel(state, event.key, (channel) => {
        channel.ended = true
        return pump(state, channel)
      })
    case 'abort':
      return withChannel(state, event.key, (channel) => [
        ...(state.linked.has(channel.peer) ? [send(channel, { t: 'x', w: event.why.slice(0, 512) })] : []),
        ...close(state, channel, event.why)
      ])
    case 'consumed':
      return withChannel(state, event.key, (channel) => consumed(state, channel, event.bytes))
    case 'link':
      return onLink(state, event.peer, event.up)
    case 'drain':
      return each(state, event.peer, (channel) => pump(state, channel))
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
    received: 0,
    consumed: 0,
    creditSent: 0,
    remoteEnded: false,
    blocked: false
  }
}

function open(state: ChannelState, peer: PeerId, id: number, kind: string, meta: Record<string, unknown>): ChannelEffect[] {
  const channel = create(peer, 1, id, kind, meta)
  if (!state.linked.has(peer)) return [{ e: 'closed', key: channel.key, why: 'no link to that peer' }]
  state.channels.set(channel.key, channel)
  return [send(channel, { t: 'o', k: kind, m: meta })]
}

function write(state: ChannelState, channel: Channel, bytes: Uint8Array): ChannelEffect[] {
  if (channel.ended || bytes.length === 0) return []
  channel.out.push(bytes)
  channel.outEnd += bytes.length
  return pump(state, channel)
}

/** Sends what the window and the link allow. */
function pump(state: ChannelState, channel: Channel): ChannelEffect[] {
  if (!state.linked.has(channel.peer)) return []
  const effects: ChannelEffect[] = []
  channel.blocked = false
  const limit = Math.min(channel.outEnd, channel.outStart + LIMITS.windowBytes)
  while (channel.sent < limit) {
    const bytes = slice(channel, channel.sent, Math.min(limit, channel.sent + LIMITS.chunkBytes))
    const at = channel.sent
    channel.sent += bytes.length
    effects.push(send(channel, { t: 'd', o: at, b: bytes }, () => rewind(channel, at)))
  }
  if (channel.ended && !channel.endSent && channel.sent === channel.outEnd) {
    channel.endSent = true
    effects.push(send(channel, { t: 'e', o: channel.outEnd }, () => (channel.endSent = false)))
  }
  return effects
}

/** The link took nothing from here on: send again from this offset at the next drain. */
function rewind(channel: Channel, at: number): void {
  channel.blocked = true
  channel.endSent = false
  channel.sent = Math.min(channel.sent, at)
}

function slice(channel: Channel, from: number, to: number): Uint8Array {
  const parts: Uint8Array[] = []
  let offset = channel.outStart
  for (const chunk of channel.out) {
    const end = offset + chunk.length
    if (end > from && offset < to) parts.push(chunk.subarray(Math.max(0, from - offset), Math.min(chunk.length, to - offset)))
    if (end >= to) break
    offset = end
  }
  if (parts.length === 1) return parts[0]!
  const whole = new Uint8Array(to - from)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

function consumed(state: ChannelState, channel: Channel, bytes: number): ChannelEffect[] {
  channel.consumed = Math.min(channel.received, channel.consumed + bytes)
  const due = channel.consumed - channel.creditSent
  if (due < LIMITS.windowBytes / 4 && !(channel.remoteEnded && channel.consumed === channel.received)) return []
  if (!state.linked.has(channel.peer)) return []
  channel.creditSent = channel.consumed
  return [send(channel, { t: 'c', o: channel.consumed }), ...maybeDone(state, channel)]
}

function onLink(state: ChannelState, peer: PeerId, up: boolean): ChannelEffect[] {
  if (!up) {
    state.linked.delete(peer)
    const any = [...state.channels.values()].some((channel) => channel.peer === peer)
    return any ? [{ e: 'timer', tag: peer, inMs: LIMITS.resumeMs }] : []
  }
  state.linked.add(peer)
  return [{ e: 'clear', tag: peer }, ...each(state, peer, (channel) => [send(channel, { t: 'r', o: channel.received })])]
}

function onFrame(state: ChannelState, from: PeerId, msg: ChannelFrame): ChannelEffect[] {
  const side = msg.s === 1 ? 0 : 1
  if (msg.t === 'o') return onOpen(state, from, msg.c, msg.k, msg.m)
  const channel = state.channels.get(channelKey(from, side, msg.c))
  // Credit or an end for a channel that is done here is no error; data or a resume is.
  if (channel === undefined) return msg.t === 'd' || msg.t === 'r' ? [unknown(from, side, msg.c)] : []
  switch (msg.t) {
    case 'd':
      return onData(state, channel, msg.o, msg.b)
    case 'e':
      if (msg.o !== channel.received || channel.remoteEnded) return []
      channel.remoteEnded = true
      return [{ e: 'remoteEnd', key: channel.key }, ...consumed(state, channel, 0)]
    case 'c':
      return onCredit(state, channel, msg.o)
    case 'r':
      if (msg.o < channel.outStart || msg.o > channel.outEnd) return refuse(state, channel, 'offsets do not match')
      channel.sent = msg.o
      channel.endSent = false
      channel.creditSent = channel.consumed
      return [send(channel, { t: 'c', o: channel.consumed }), ...pump(state, channel)]
    case 'x':
      return close(state, channel, channel.endSent && channel.remoteEnded ? undefined : msg.w)
  }
}

function onOpen(state: ChannelState, from: PeerId, id: number, kind: string, meta: Record<string, unknown>): ChannelEffect[] {
  const channel = create(from, 0, id, kind, meta)
  if (state.channels.has(channel.key)) return []
  let open = 0
  for (const other of state.channels.values()) if (other.peer === from && other.side === 0) open++
  if (open >= LIMITS.openMax) return [send(channel, { t: 'x', w: `at most ${LIMITS.openMax} channels from one peer` })]
  state.channels.set(channel.key, channel)
  return [{ e: 'opened', channel }]
}

function onData(state: ChannelState, channel: Channel, offset: number, bytes: Uint8Array): ChannelEffect[] {
  const skip = channel.received - offset
  if (skip < 0) return [] // a gap after a lost link: the resume that follows fills it
  if (skip >= bytes.length || channel.remoteEnded) return []
  const fresh = skip === 0 ? bytes : bytes.subarray(skip)
  if (channel.received + fresh.length - channel.consumed > LIMITS.windowBytes) {
    return refuse(state, channel, `more than the window of ${LIMITS.windowBytes} bytes was sent`)
  }
  channel.received += fresh.length
  return [{ e: 'data', key: channel.key, bytes: fresh }]
}

function onCredit(state: ChannelState, channel: Channel, offset: number): ChannelEffect[] {
  if (offset <= channel.outStart) return maybeDone(state, channel)
  if (offset > channel.outEnd) return refuse(state, channel, 'credit for bytes that were never sent')
  const wasFull = !isWritable(channel)
  while (channel.out.length > 0 && channel.outStart + channel.out[0]!.length <= offset) {
    channel.outStart += channel.out.shift()!.length
  }
  if (channel.out.length > 0 && offset > channel.outStart) {
    channel.out[0] = channel.out[0]!.subarray(offset - channel.outStart)
    channel.outStart = offset
  }
  channel.sent = Math.max(channel.sent, channel.outStart)
  const effects = pump(state, channel)
  if (wasFull && isWritable(channel)) effects.push({ e: 'writable', key: channel.key })
  return [...effects, ...maybeDone(state, channel)]
}

/** Both ends said, everything consumed on both sides as far as this side can know: forget the channel. */
function maybeDone(state: ChannelState, channel: Channel): ChannelEffect[] {
  const outDone = channel.endSent && channel.outStart === channel.outEnd
  const inDone = channel.remoteEnded && channel.consumed === channel.received
  return outDone && inDone ? close(state, channel, undefined) : []
}

function refuse(state: ChannelState, channel: Channel, why: string): ChannelEffect[] {
  return [send(channel, { t: 'x', w: why }), ...close(state, channel, why)]
}

function close(state: ChannelState, channel: Channel, why: string | undefined): ChannelEffect[] {
  if (!state.channels.delete(channel.key)) return []
  return [{ e: 'closed', key: channel.key, why }]
}

function send(channel: Channel, body: { t: string; [key: string]: unknown }, refused: () => void = () => {}): ChannelEffect {
  return { e: 'frame', to: channel.peer, msg: { ...body, c: channel.id, s: channel.side }, refused }
}

function unknown(peer: PeerId, side: 0 | 1, id: number): ChannelEffect {
  const msg = { t: 'x', c: id, s: side, w: 'no such channel here' }
  return { e: 'frame', to: peer, msg, refused: () => {} }
}
