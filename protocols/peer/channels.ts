/** Hosts the channel kernel: handles for those who read and write, frames for the link. */
import { CHANNEL_LIMITS, createChannels, isWritable, channelKey, step } from '../channel/index.ts'
import type { Channel, ChannelEvent, ChannelFrame } from '../channel/index.ts'
import type { PeerId } from '../ports.ts'
import type { PeerContext } from './context.ts'

/** One end of a channel. Callbacks are set once, before the next event; bytes count as read when `consumed` says so. */
export interface ChannelHandle {
  readonly peer: PeerId
  readonly kind: string
  readonly meta: Readonly<Record<string, unknown>>
  /** False: enough is waiting; go on at `onWritable`. The bytes were taken all the same. */
  write(bytes: Uint8Array): boolean
  /** No more from this side; the other may go on. */
  end(): void
  abort(why: string): void
  consumed(bytes: number): void
  onData(fn: (bytes: Uint8Array) => void): void
  onWritable(fn: () => void): void
  onEnd(fn: () => void): void
  /** Once: `why` is undefined when both sides had ended. */
  onClose(fn: (why: string | undefined) => void): void
}

interface Callbacks {
  data: ((bytes: Uint8Array) => void) | undefined
  writable: (() => void) | undefined
  end: (() => void) | undefined
  close: ((why: string | undefined) => void) | undefined
  /** What came before anyone listened; bounded by the window. */
  early: Uint8Array[]
  ended: boolean
  closed: { why: string | undefined } | undefined
}

export type Serve = (channel: ChannelHandle, from: PeerId) => void

export class Channels {
  readonly #ctx: PeerContext
  readonly #state = createChannels()
  readonly #callbacks = new Map<string, Callbacks>()
  readonly #served = new Map<string, Serve>()
  readonly #timers = new Map<string, unknown>()

  constructor(ctx: PeerContext) {
    this.#ctx = ctx
  }

  serve(kind: string, serve: Serve): void {
    this.#served.set(kind, serve)
  }

  open(peer: PeerId, kind: string, meta: Record<string, unknown>): ChannelHandle {
    const id = this.#ctx.ports.random.u32()
    const handle = this.#handle(channelKey(peer, 1, id), peer, kind, meta)
    if (this.#ctx.reachable(peer)) this.#ctx.link(peer)
    this.#step({ k: 'open', peer, id, kind, meta, later: this.#ctx.reachable(peer) })
    return handle
  }

  has(peer: PeerId): boolean {
    for (const channel of this.#state.channels.values()) if (channel.peer === peer) return true
    return false
  }

  linkUp(peer: PeerId): void {
    this.#step({ k: 'link', peer, up: true })
  }

  linkDown(peer: PeerId): void {
    this.#step({ k: 'link', peer, up: false })
  }

  drain(peer: PeerId): void {
    this.#step({ k: 'drain', peer })
  }

  frame(from: PeerId, msg: ChannelFrame): void {
    this.#step({ k: 'msg', from, msg })
  }

  #step(event: ChannelEvent): void {
    for (const effect of step(this.#state, event)) {
      switch (effect.e) {
        case 'frame':
          if (effect.held() || !this.#ctx.send(effect.to, 'chan', effect.msg)) effect.refused()
          break
        case 'opened':
          this.#opened(effect.channel)
          break
        case 'data':
          this.#withCallbacks(effect.key, (callbacks) => {
            if (callbacks.data === undefined) callbacks.early.push(effect.bytes)
            else callbacks.data(effect.bytes)
          })
          break
        case 'writable':
          this.#callbacks.get(effect.key)?.writable?.()
          break
        case 'remoteEnd':
          this.#withCallbacks(effect.key, (callbacks) => {
            callbacks.ended = true
            callbacks.end?.()
          })
          break
        case 'closed':
          this.#withCallbacks(effect.key, (callbacks) => {
            callbacks.closed = { why: effect.why }
            this.#callbacks.delete(effect.key)
            callbacks.close?.(effect.why)
          })
          break
        case 'timer': {
          const { tag, inMs } = effect
          this.#ctx.ports.clock.clearTimeout(this.#timers.get(tag))
          this.#timers.set(
            tag,
            this.#ctx.ports.clock.setTimeout(() => this.#step({ k: 'timer', tag }), inMs)
          )
          break
        }
        case 'clear':
          this.#ctx.ports.clock.clearTimeout(this.#timers.get(effect.tag))
          this.#timers.delete(effect.tag)
          break
        default:
          break
      }
    }
  }

  #opened(channel: Channel): void {
    const serve = this.#served.get(channel.kind)
    const handle = this.#handle(channel.key, channel.peer, channel.kind, channel.meta)
    if (serve === undefined) return handle.abort(`this peer has no channel of kind "${channel.kind}"`)
    serve(handle, channel.peer)
  }

  #withCallbacks(key: string, fn: (callbacks: Callbacks) => void): void {
    const callbacks = this.#callbacks.get(key)
    if (callbacks !== undefined) fn(callbacks)
  }

  #handle(key: string, peer: PeerId, kind: string, meta: Readonly<Record<string, unknown>>): ChannelHandle {
    const callbacks: Callbacks = {
      data: undefined,
      writable: undefined,
      end: undefined,
      close: undefined,
      early: [],
      ended: false,
      closed: undefined
    }
    this.#callbacks.set(key, callbacks)
    return {
      peer,
      kind,
      meta,
      write: (bytes) => {
        for (let at = 0; at < bytes.length; at += CHANNEL_LIMITS.chunkBytes) {
          this.#step({ k: 'write', key, bytes: bytes.subarray(at, at + CHANNEL_LIMITS.chunkBytes) })
        }
        const channel = this.#state.channels.get(key)
        return channel !== undefined && isWritable(channel)
      },
      end: () => this.#step({ k: 'end', key }),
      abort: (why) => this.#step({ k: 'abort', key, why }),
      consumed: (bytes) => this.#step({ k: 'consumed', key, bytes }),
      onData: (fn) => {
        callbacks.data = fn
        for (const bytes of callbacks.early.splice(0)) fn(bytes)
      },
      onWritable: (fn) => {
        callbacks.writable = fn
      },
      onEnd: (fn) => {
        callbacks.end = fn
        if (callbacks.ended) fn()
      },
      onClose: (fn) => {
        callbacks.close = fn
        if (callbacks.closed !== undefined) fn(callbacks.closed.why)
      }
    }
  }
}
