import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FrameQueue, FrameReader } from '../../../node/adapters/frames.ts'
import { FRAME_MAX } from '../../../protocols/ports.ts'

const wireOf = (frames: readonly Uint8Array[]): Uint8Array => {
  const queue = new FrameQueue(Infinity)
  for (const frame of frames) queue.push(frame)
  return queue.isEmpty ? new Uint8Array(0) : queue.take(Infinity)
}

test('frames are read as they were written, however the stream is cut', () => {
  const frames = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 })
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 50 })), (written, cuts) => {
      const wire = wireOf(written)
      const reader = new FrameReader()
      const read: Uint8Array[] = []
      let at = 0
      for (let i = 0; at < wire.length; i++) {
        const next = at + (cuts[i % Math.max(cuts.length, 1)] ?? wire.length)
        expect(reader.push(wire.subarray(at, next), (frame) => read.push(frame) > 0)).toBe(true)
        at = next
      }
      expect(read).toEqual(written.map((frame) => new Uint8Array(frame)))
    })
  )
})

test('a length beyond the bound is garbage, the bound itself is not', () => {
  const header = (length: number): Uint8Array => Uint8Array.of(length >>> 24, length >>> 16, length >>> 8, length)
  expect(new FrameReader().push(header(FRAME_MAX + 1), () => true)).toBe(false)
  expect(new FrameReader().push(header(0xffffffff), () => true)).toBe(false)
  expect(new FrameReader().push(header(FRAME_MAX), () => true)).toBe(true)
})

test('random bytes never throw, and no frame is longer than the bound', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
      new FrameReader().push(bytes, (frame) => frame.length <= FRAME_MAX)
    })
  )
})

test('the reader stops where its owner says so', () => {
  const wire = wireOf([Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)])
  const read: number[] = []
  new FrameReader().push(wire, (frame) => read.push(frame[0]!) < 2)
  expect(read).toEqual([1, 2])
})

test('the queue refuses beyond its bound, takes a single large frame, and tells once when half is free', () => {
  const queue = new FrameQueue(1000)
  expect(queue.push(new Uint8Array(5000))).toBe(true)
  expect(queue.push(new Uint8Array(1))).toBe(false)
  expect(queue.takeDrain()).toBe(false)
  expect(queue.take(100)).toHaveLength(5004)
  expect(queue.takeDrain()).toBe(true)
  expect(queue.takeDrain()).toBe(false)
  for (let i = 0; i < 9; i++) expect(queue.push(new Uint8Array(96))).toBe(true)
  expect(queue.push(new Uint8Array(200))).toBe(false)
  queue.take(300)
  expect(queue.takeDrain()).toBe(false)
  queue.take(300)
  expect(queue.takeDrain()).toBe(true)
})

test('a batch holds whole frames only, within its bound', () => {
  const queue = new FrameQueue(10_000)
  for (let i = 0; i < 10; i++) queue.push(new Uint8Array(96))
  const sizes: number[] = []
  while (!queue.isEmpty) sizes.push(queue.take(350).length)
  expect(sizes).toEqual([300, 300, 300, 100])
})
