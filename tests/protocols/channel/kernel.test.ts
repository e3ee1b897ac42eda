import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CHANNEL_LIMITS } from '../../../protocols/channel/index.ts'
import { Pipe } from './pipe.ts'
import type { End } from './pipe.ts'

const WINDOW = CHANNEL_LIMITS.windowBytes
/** The n-th byte of a direction, so that a byte that came twice or in the wrong place shows. */
const byteAt = (end: End, at: number): number => (at * 31 + (at >> 8) * 7 + (end.name === 'left' ? 0 : 128)) & 255

class Talk {
  readonly pipe: Pipe
  readonly written = { left: 0, right: 0 }
  readonly ended = { left: false, right: false }

  constructor(capacity?: number) {
    this.pipe = new Pipe(capacity)
    this.pipe.open()
  }
  write(end: End, length: number): void {
    const name = end.name as 'left' | 'right'
    if (end.key === '' || this.ended[name] || end.closed.length > 0) return
    const from = this.written[name]
    this.written[name] += length
    this.pipe.step(end, {
      k: 'write',
      key: end.key,
      bytes: Uint8Array.from({ length }, (_, i) => byteAt(end, from + i))
    })
  }
  end(end: End): void {
    if (end.key === '') return
    this.ended[end.name as 'left' | 'right'] = true
    this.pipe.step(end, { k: 'end', key: end.key })
  }
  /** What `end` has read is what the other wrote, byte by byte. */
  check(end: End, whole: boolean): void {
    const far = end === this.pipe.left ? this.pipe.right : this.pipe.left
    const wrote = this.written[far.name as 'left' | 'right']
    if (whole) expect(end.received.length).toBe(wrote)
    expect(end.received.length).toBeLessThanOrEqual(wrote)
    const wrong = end.received.findIndex((byte, i) => byte !== byteAt(far, i))
    expect(wrong).toBe(-1)
  }
}

const command = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      k: fc.constant('write' as const),
      side: fc.nat(1),
      length: fc.oneof(fc.nat(300), fc.nat(90_000), fc.nat(400_000))
    })
  },
  { weight: 6, arbitrary: fc.record({ k: fc.constant('deliver' as const), side: fc.nat(1), frames: fc.nat(12) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      k: fc.constant('read' as const),
      side: fc.nat(1),
      bytes: fc.oneof(fc.nat(500), fc.nat(300_000))
    })
  },
  { weight: 1, arbitrary: fc.record({ k: fc.constant('end' as const), side: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ k: fc.constant('cut' as const) }) },
  { weight: 2, arbitrary: fc.record({ k: fc.constant('connect' as const) }) }
)

test('whatever is written arrives once and in order, whatever breaks in between, and both ends forget the channel', () => {
  fc.assert(
    fc.property(
      fc.array(command, { maxLength: 60 }),
      fc.constantFrom(40_000, 70_000, 150_000, 512 * 1024),
      (commands, capacity) => {
        const talk = new Talk(capacity)
        const { pipe } = talk
        for (const c of commands) {
          const end = 'side' in c ? pipe.ends[c.side]! : pipe.left
          if (c.k === 'write') talk.write(end, c.length)
          else if (c.k === 'deliver') for (let i = 0; i < c.frames; i++) pipe.deliver(end)
          else if (c.k === 'read') pipe.read(end, c.bytes)
          else if (c.k === 'end') talk.end(end)
          else if (c.k === 'cut') pipe.cut()
          else pipe.connect()
        }
        pipe.connect()
        pipe.settle()
        for (const end of pipe.ends) talk.check(end, true)
        for (const end of pipe.ends) talk.end(end)
        pipe.settle()
        for (const end of pipe.ends) {
          expect(end.sawEnd, `${end.name} saw the end`).toBe(1)
          expect(end.maxUnread).toBeLessThanOrEqual(WINDOW)
          expect(end.state.channels.size, `${end.name} forgot it`).toBe(0)
          expect(end.closed, `${end.name} was told once, without a reason`).toEqual([undefined])
        }
        expect(pipe.right.opened).toHaveLength(1)
      }
    ),
    { numRuns: 400 }
  )
})
