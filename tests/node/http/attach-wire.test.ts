import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  decodeClientFrame,
  decodeServerFrame,
  encodeClientFrame,
  encodeServerFrame,
  SIGNALS
} from '../../../node/http/attach-wire.ts'
import type { ClientFrame, ServerFrame } from '../../../node/http/attach-wire.ts'
import { MeshError } from '../../../protocols/errors.ts'
import { sessionOf } from './memory-peer.ts'

const bytes = fc.uint8Array({ maxLength: 2000 })
const extent = fc.integer({ min: 1, max: 1000 })
const u32 = fc.nat({ max: 2 ** 32 - 1 })
const clientFrames: fc.Arbitrary<ClientFrame> = fc.oneof(
  fc.record({ kind: fc.constant('stdin' as const), bytes }),
  fc.record({ kind: fc.constant('endStdin' as const) }),
  fc.record({ kind: fc.constant('signal' as const), name: fc.constantFrom(...SIGNALS) }),
  fc.record({ kind: fc.constant('ack' as const), bytes: u32 }),
  fc.record({ kind: fc.constant('size' as const), columns: extent, rows: extent })
)
const serverFrames: fc.Arbitrary<ServerFrame> = fc.oneof(
  fc.record({
    kind: fc.constant('output' as const),
    stream: fc.constantFrom(1 as const, 2 as const),
    offset: fc.maxSafeNat(),
    bytes
  }),
  fc.record({ kind: fc.constant('progress' as const), text: fc.string({ unit: 'grapheme' }) }),
  fc.record({ kind: fc.constant('final' as const), session: fc.constant(sessionOf('a'.repeat(32), 'ada')) }),
  fc.record({ kind: fc.constant('error' as const), error: fc.record({ code: fc.string(), message: fc.string() }) }),
  fc.record({ kind: fc.constant('credit' as const), bytes: u32 }),
  fc.record({
    kind: fc.constant('size' as const),
    offset: fc.maxSafeNat(),
    columns: extent,
    rows: extent,
    fresh: fc.boolean()
  })
)

test('every frame of a client is read as it was written', () => {
  fc.assert(
    fc.property(clientFrames, (frame) => void expect(decodeClientFrame(encodeClientFrame(frame))).toEqual(frame))
  )
})

test('every frame of the server is read as it was written', () => {
  fc.assert(
    fc.property(serverFrames, (frame) => void expect(decodeServerFrame(encodeServerFrame(frame))).toEqual(frame))
  )
})

test('any other bytes are refused by name, never by a crash', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (message) => {
      for (const decode of [decodeClientFrame, decodeServerFrame]) {
        try {
          decode(message)
        } catch (error) {
          expect(error).toBeInstanceOf(MeshError)
        }
      }
    })
  )
})

test('a truncated frame with numbers is refused', () => {
  for (const message of [
    encodeServerFrame({ kind: 'output', stream: 1, offset: 7, bytes: new Uint8Array() }),
    encodeServerFrame({ kind: 'credit', bytes: 7 })
  ])
    for (let length = 0; length < message.length; length++)
      expect(() => decodeServerFrame(message.slice(0, length))).toThrow(MeshError)
})
