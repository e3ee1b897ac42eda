/**
 * Two ends of the channel kernel over a link that keeps the order of frames, has a small queue that refuses what does not
 * fit, and may break at any moment with all that is under way lost: what a TCP connection between two peers does.
 */
import { createChannels, step } from '../../../protocols/channel/index.ts'
import type { ChannelEvent, ChannelFrame, ChannelState } from '../../../protocols/channel/index.ts'

const NAMES = ['left', 'right'] as const

export class End {
  readonly name: string
  readonly far: string
  readonly state: ChannelState = createChannels()
  readonly received: number[] = []
  /** Delivered and not yet consumed. */
  unread = 0
  maxUnread = 0
  opened: string[] = []
  sawEnd = 0
  closed: (string | undefined)[] = []
  key = ''
  /** Frames under way to the other end. */
  queue: ChannelFrame[] = []
  queuedBytes = 0
  refusedOnce = false

  constructor(side: 0 | 1) {
    this.name = NAMES[side]
    this.far = NAMES[side === 0 ? 1 : 0]
  }
}

export class Pipe {
  readonly left = new End(0)
  readonly right = new End(1)
  readonly ends = [this.left, this.right] as const
  up = false
  /** Bytes that may wait in one direction. */
  capacity: number

  constructor(capacity = 512 * 1024) {
    this.capacity = capacity
    this.connect()
  }

  connect(): void {
    if (this.up) return
    this.up = true
    for (const end of this.ends) this.step(end, { k: 'link', peer: end.far, up: true })
  }

  /** What is under way is lost; the ends learn of it one after the other. */
  cut(): void {
    if (!this.up) return
    this.up = false
    for (const end of this.ends) {
      end.queue = []
      end.queuedBytes = 0
      end.refusedOnce = false
    }
    for (const end of this.ends) this.step(end, { k: 'link', peer: end.far, up: false })
  }

  open(kind = 'test', meta: Record<string, unknown> = {}, id = 1): void {
    this.left.key = `right/1/${id}`
    this.step(this.left, { k: 'open', peer: 'right', id, kind, meta })
  }

  step(end: End, event: ChannelEvent): void {
    for (const effect of step(end.state, event)) {
      switch (effect.e) {
        case 'frame':
          if (effect.held() || !this.send(end, effect.msg as unknown as ChannelFrame)) effect.refused()
          break
        case 'opened':
          end.key = effect.channel.key
          end.opened.push(effect.channel.key)
          break
        case 'data':
          end.received.push(...effect.bytes)
          end.unread += effect.bytes.length
          end.maxUnread = Math.max(end.maxUnread, end.unread)
          break
        case 'remoteEnd':
          end.sawEnd++
          break
        case 'closed':
          end.closed.push(effect.why)
          break
        default:
      }
    }
  }

  send(end: End, frame: ChannelFrame): boolean {
    const bytes = sizeOf(frame)
    if (!this.up || end.queuedBytes + bytes > this.capacity) {
      if (this.up) end.refusedOnce = true
      return false
    }
    end.queue.push(frame)
    end.queuedBytes += bytes
    return true
  }

  /** The next frame of one direction arrives; the queue that was full and is half empty now says so. */
  deliver(from: End): boolean {
    const frame = from.queue.shift()
    if (frame === undefined) return false
    from.queuedBytes -= sizeOf(frame)
    const to = from === this.left ? this.right : this.left
    this.step(to, { k: 'msg', from: from.name, msg: frame })
    if (from.refusedOnce && from.queuedBytes < this.capacity / 2) {
      from.refusedOnce = false
      this.step(from, { k: 'drain', peer: to.name })
    }
    return true
  }

  read(end: End, bytes: number): void {
    const taken = Math.min(bytes, end.unread)
    end.unread -= taken
    this.step(end, { k: 'consumed', key: end.key, bytes: taken })
  }

  /** Until nothing moves any more: everything delivered is read. */
  settle(): void {
    for (let rounds = 0; rounds < 20_000; rounds++) {
      let moved = false
      for (const end of this.ends) {
        while (this.deliver(end)) moved = true
        if (end.unread > 0) {
          this.read(end, end.unread)
          moved = true
        }
      }
      if (!moved) return
    }
    throw new Error('the two ends never come to rest')
  }
}

function sizeOf(frame: ChannelFrame): number {
  return 24 + (frame.t === 'd' ? frame.b.length : frame.t === 'o' ? 100 : 0)
}
