import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CHANNEL_LIMITS, isWritable, step } from '../../../protocols/channel/index.ts'
import type { ChannelFrame } from '../../../protocols/channel/index.ts'
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
    { numRuns: 150 }
  )
})

// ---- single rules ----

const bytes = (length: number, value = 1): Uint8Array<ArrayBuffer> => new Uint8Array(length).fill(value)

/** Two ends with an open channel and nothing under way. */
function opened(capacity?: number): Pipe {
  const pipe = new Pipe(capacity)
  pipe.open('io', { id: 'x' })
  pipe.settle()
  return pipe
}

test('the other end is told the kind and what was said at the opening, once', () => {
  const pipe = opened()
  const channel = pipe.right.state.channels.get(pipe.right.key)
  expect(channel).toMatchObject({ kind: 'io', meta: { id: 'x' }, side: 0, peer: 'left' })
  pipe.cut()
  pipe.connect()
  pipe.settle()
  expect(pipe.right.opened).toHaveLength(1)
})

test('an end closes one direction; the other goes on until it ends too', () => {
  const pipe = opened()
  pipe.step(pipe.left, { k: 'write', key: pipe.left.key, bytes: bytes(10) })
  pipe.step(pipe.left, { k: 'end', key: pipe.left.key })
  pipe.step(pipe.left, { k: 'write', key: pipe.left.key, bytes: bytes(10) })
  pipe.settle()
  expect([pipe.right.received.length, pipe.right.sawEnd]).toEqual([10, 1])
  expect([pipe.left.closed, pipe.right.closed]).toEqual([[], []])
  pipe.step(pipe.right, { k: 'write', key: pipe.right.key, bytes: bytes(20) })
  pipe.settle()
  expect(pipe.left.received.length).toBe(20)
  pipe.step(pipe.right, { k: 'end', key: pipe.right.key })
  pipe.settle()
  expect([pipe.left.closed, pipe.right.closed]).toEqual([[undefined], [undefined]])
})

test('no more than one window is under way or unread, and the writer hears when it may go on', () => {
  const pipe = opened()
  let writable = 0
  for (let i = 0; i < 20; i++) pipe.step(pipe.left, { k: 'write', key: pipe.left.key, bytes: bytes(WINDOW / 8) })
  expect(isWritable(pipe.left.state.channels.get(pipe.left.key)!)).toBe(false)
  while (pipe.deliver(pipe.left));
  expect(pipe.right.received.length).toBe(WINDOW)
  const far = pipe.right
  while (far.unread > 0 || pipe.right.queue.length > 0 || pipe.left.queue.length > 0) {
    if (far.unread > 0) pipe.read(far, WINDOW / 8)
    while (pipe.right.queue.length > 0) {
      const frame = pipe.right.queue.shift()!
      writable += step(pipe.left.state, { k: 'msg', from: 'right', msg: frame }).filter((effect) => {
        if (effect.e === 'frame') pipe.send(pipe.left, effect.msg as unknown as ChannelFrame)
        return effect.e === 'writable'
      }).length
    }
    while (pipe.deliver(pipe.left));
  }
  expect(far.received.length).toBe((20 * WINDOW) / 8)
  expect(far.maxUnread).toBeLessThanOrEqual(WINDOW)
  expect(writable).toBe(1)
})

test('an abort is told to the other end in words, and both forget the channel', () => {
  const pipe = opened()
  pipe.step(pipe.right, { k: 'abort', key: pipe.right.key, why: 'w'.repeat(600) })
  pipe.settle()
  expect(pipe.right.closed).toEqual(['w'.repeat(600)])
  expect(pipe.left.closed).toEqual(['w'.repeat(512)])
  expect([pipe.left.state.channels.size, pipe.right.state.channels.size]).toEqual([0, 0])
})

test('an abort that the full link did not take is told when there is room', () => {
  const pipe = opened(40_000)
  pipe.step(pipe.right, { k: 'write', key: pipe.right.key, bytes: bytes(100_000) })
  pipe.capacity = pipe.right.queuedBytes
  pipe.step(pipe.right, { k: 'abort', key: pipe.right.key, why: 'enough' })
  expect(pipe.left.closed).toEqual([])
  pipe.capacity = 40_000
  pipe.settle()
  expect(pipe.left.closed).toEqual(['enough'])
  expect(pipe.right.state.farewells.size).toBe(0)
})

test('a channel whose link does not come back in time is closed with that reason; one whose link did is not', () => {
  const pipe = opened()
  pipe.cut()
  for (const end of pipe.ends) pipe.step(end, { k: 'timer', tag: end.far })
  expect(pipe.left.closed).toEqual(['the link did not come back in time'])
  expect(pipe.right.state.channels.size).toBe(0)
  const other = opened()
  other.cut()
  other.connect()
  for (const end of other.ends) other.step(end, { k: 'timer', tag: end.far })
  expect(other.left.closed).toEqual([])
})

test('without a link nothing is opened', () => {
  const pipe = new Pipe()
  pipe.cut()
  pipe.open()
  expect(pipe.left.closed).toEqual(['no link to that peer'])
  expect(pipe.left.state.channels.size).toBe(0)
})

test('an end that forgot the channel says so to data and to a resume, and nothing else', () => {
  const pipe = opened()
  pipe.right.state.channels.clear()
  const answer = (msg: ChannelFrame) =>
    step(pipe.right.state, { k: 'msg', from: 'left', msg }).map((effect) =>
      effect.e === 'frame' ? effect.msg.t : effect.e
    )
  expect(answer({ t: 'd', c: 1, s: 1, o: 0, b: bytes(1) })).toEqual(['x'])
  expect(answer({ t: 'r', c: 1, s: 1, o: 0 })).toEqual(['x'])
  for (const t of ['c', 'e'] as const) expect(answer({ t, c: 1, s: 1, o: 0 })).toEqual([])
  expect(answer({ t: 'x', c: 1, s: 1, w: '' })).toEqual([])
})

test.each<[string, ChannelFrame, RegExp]>([
  ['more than the window', { t: 'd', c: 1, s: 1, o: 0, b: bytes(WINDOW + 1) }, /more than the window/],
  ['credit for what was never sent', { t: 'c', c: 1, s: 1, o: 1 }, /never sent/],
  ['an end seen that was never sent', { t: 'c', c: 1, s: 1, o: 1 }, /never sent/],
  ['a resume beyond what was written', { t: 'r', c: 1, s: 1, o: 1 }, /offsets do not match/]
])('a peer that sends %s loses that channel and no other', (_what, msg, why) => {
  const pipe = opened()
  pipe.open('other', {}, 2)
  pipe.settle()
  pipe.right.key = 'left/0/1'
  pipe.step(pipe.right, { k: 'msg', from: 'left', msg })
  expect(pipe.right.closed).toEqual([expect.stringMatching(why)])
  expect([...pipe.right.state.channels.keys()]).toEqual(['left/0/2'])
})

test('data at a gap, before the resume, and after the end is no data', () => {
  const pipe = opened()
  const hear = (msg: ChannelFrame) => pipe.step(pipe.right, { k: 'msg', from: 'left', msg })
  hear({ t: 'd', c: 1, s: 1, o: 5, b: bytes(5) })
  hear({ t: 'e', c: 1, s: 1, o: 7 })
  expect([pipe.right.received.length, pipe.right.sawEnd]).toEqual([0, 0])
  hear({ t: 'd', c: 1, s: 1, o: 0, b: bytes(6) })
  hear({ t: 'd', c: 1, s: 1, o: 2, b: bytes(6) })
  hear({ t: 'd', c: 1, s: 1, o: 0, b: bytes(3) })
  expect(pipe.right.received.length).toBe(8)
  hear({ t: 'e', c: 1, s: 1, o: 8 })
  hear({ t: 'd', c: 1, s: 1, o: 8, b: bytes(6) })
  expect([pipe.right.received.length, pipe.right.sawEnd]).toEqual([8, 1])
})

test('one peer may open 256 channels; the next is refused in words, and its own are not counted', () => {
  const pipe = new Pipe()
  for (let id = 0; id < 257; id++)
    pipe.step(pipe.right, { k: 'msg', from: 'left', msg: { t: 'o', c: id, s: 1, k: 'x', m: {} } })
  expect(pipe.right.state.channels.size).toBe(256)
  expect(pipe.right.queue.at(-1)).toMatchObject({ t: 'x', c: 256, w: expect.stringContaining('256') })
  pipe.step(pipe.right, { k: 'open', peer: 'left', id: 1, kind: 'y', meta: {} })
  expect(pipe.right.state.channels.size).toBe(257)
})

test('no frame of a hostile peer throws, holds more than a window, or opens more than the bound', () => {
  const offset = fc.oneof(fc.nat(20), fc.nat(2 * WINDOW), fc.maxSafeInteger().map(Math.abs))
  const common = { c: fc.nat(3), s: fc.constantFrom(0 as const, 1 as const) }
  const hostile: fc.Arbitrary<ChannelFrame> = fc.oneof(
    fc.record({ t: fc.constant('o' as const), ...common, k: fc.string({ maxLength: 8 }), m: fc.constant({}) }),
    fc.record({ t: fc.constant('d' as const), ...common, o: offset, b: fc.nat(64 * 1024).map((n) => bytes(n)) }),
    fc.record({ t: fc.constantFrom('e' as const, 'c' as const, 'r' as const), ...common, o: offset }),
    fc.record({ t: fc.constant('x' as const), ...common, w: fc.string({ maxLength: 20 }) })
  )
  fc.assert(
    fc.property(fc.array(hostile, { maxLength: 80 }), (frames) => {
      const pipe = opened()
      pipe.step(pipe.left, { k: 'write', key: pipe.left.key, bytes: bytes(100) })
      for (const msg of frames) {
        for (const end of pipe.ends) {
          pipe.step(end, { k: 'msg', from: end.far, msg })
          for (const channel of end.state.channels.values()) {
            expect(channel.received - channel.consumed).toBeLessThanOrEqual(WINDOW)
            expect(channel.sent).toBeLessThanOrEqual(channel.outEnd)
            expect(channel.outStart).toBeLessThanOrEqual(channel.sent)
          }
        }
      }
      expect(pipe.right.state.channels.size).toBeLessThanOrEqual(8)
    })
  )
})

test('a program that writes byte by byte costs no more than the bytes: a full window of them is sent in one go', () => {
  const pipe = opened(64 * 1024 * 1024)
  const started = process.cpuUsage().user
  for (let i = 0; i < 50_000; i++) pipe.step(pipe.left, { k: 'write', key: pipe.left.key, bytes: bytes(1) })
  pipe.cut()
  pipe.connect()
  pipe.settle()
  expect(pipe.right.received.length).toBe(50_000)
  // quadratic work would take minutes
  expect(process.cpuUsage().user - started).toBeLessThan(10_000_000)
})
