import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeInput, encodeOutput, inputCutter, outputCutter } from '../../node/io-wire.ts'
import type { InputFrame, OutputFrame } from '../../node/io-wire.ts'

const payload = fc.uint8Array({ maxLength: 300 })
const outputFrame: fc.Arbitrary<OutputFrame> = fc.record({
  stream: fc.constantFrom(1 as const, 2 as const, 3 as const, 4 as const),
  offset: fc.maxSafeInteger().map(Math.abs),
  bytes: payload
})
const inputFrame: fc.Arbitrary<InputFrame> = fc.oneof(
  payload.map((bytes): InputFrame => ({ k: 'input', bytes })),
  fc.constant<InputFrame>({ k: 'end' }),
  fc.constantFrom('INT', 'TERM', 'USR1').map((name): InputFrame => ({ k: 'signal', name })),
  fc
    .tuple(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 1000 }))
    .map(([columns, rows]): InputFrame => ({ k: 'size', columns, rows }))
)

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}
/** Cut at the given places, given to the cutter one after the other. */
function pushed<T>(cutter: { push(chunk: Uint8Array): T[] }, whole: Uint8Array, cuts: readonly number[]): T[] {
  const places = [0, ...cuts.map((cut) => cut % (whole.length + 1)).sort((a, b) => a - b), whole.length]
  return places.slice(1).flatMap((to, i) => cutter.push(whole.subarray(places[i], to)).map(copied))
}
/** What a cutter gives is good until its next chunk. */
function copied<T>(frame: T): T {
  return {
    ...frame,
    ...('bytes' in (frame as object) ? { bytes: (frame as { bytes: Uint8Array }).bytes.slice() } : {})
  }
}

test('output frames come out as they went in, wherever the stream is cut', () => {
  fc.assert(
    fc.property(fc.array(outputFrame, { maxLength: 12 }), fc.array(fc.nat(5000), { maxLength: 30 }), (frames, cuts) => {
      expect(pushed(outputCutter(), joined(frames.map(encodeOutput)), cuts)).toEqual(frames)
    })
  )
})

test('input, its end, signals and sizes come out as they went in, wherever the stream is cut', () => {
  fc.assert(
    fc.property(fc.array(inputFrame, { maxLength: 12 }), fc.array(fc.nat(5000), { maxLength: 30 }), (frames, cuts) => {
      expect(pushed(inputCutter(), joined(frames.map(encodeInput)), cuts)).toEqual(frames)
    })
  )
})

test('byte by byte is enough', () => {
  const frame: OutputFrame = { stream: 2, offset: 2 ** 40, bytes: new TextEncoder().encode('grüße') }
  const cutter = outputCutter()
  const got = [...encodeOutput(frame)].flatMap((byte) => cutter.push(Uint8Array.of(byte)))
  expect(got).toEqual([frame])
})

test('a part of a frame is kept, not shared with the buffer it came in', () => {
  const whole = encodeOutput({ stream: 1, offset: 3, bytes: Uint8Array.of(1, 2, 3) })
  const buffer = whole.slice(0, 14)
  const cutter = outputCutter()
  expect(cutter.push(buffer)).toEqual([])
  buffer.fill(255)
  expect(cutter.push(whole.subarray(14))).toEqual([{ stream: 1, offset: 3, bytes: Uint8Array.of(1, 2, 3) }])
})

test.each([
  ['a stream that does not exist', () => outputCutter(), Uint8Array.of(5, ...new Array<number>(12).fill(0))],
  [
    'a claim of more than 128 KiB of output',
    () => outputCutter(),
    Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1)
  ],
  ['a kind of input that does not exist', () => inputCutter(), Uint8Array.of(4, 0, 0, 0, 0)],
  ['a terminal without columns', () => inputCutter(), Uint8Array.of(3, 0, 0, 0, 4, 0, 0, 0, 24)],
  ['a claim of 4 GiB of input', () => inputCutter(), Uint8Array.of(0, 255, 255, 255, 255)]
])('%s is refused before it is waited for', (_what, make, bytes) => {
  expect(() => make().push(bytes)).toThrow(expect.objectContaining({ code: 'WIRE_INVALID' }))
})

test('no bytes throw anything but WIRE_INVALID, and no more than one frame is kept', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 10 }), (chunks) => {
      for (const cutter of [inputCutter(), outputCutter()]) {
        try {
          for (const chunk of chunks) cutter.push(chunk)
        } catch (error) {
          expect(error).toMatchObject({ code: 'WIRE_INVALID' })
        }
      }
    })
  )
})
