import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeAs, encodeFrame } from '../../../protocols/codec.ts'
import { MeshError } from '../../../protocols/errors.ts'
import { decodeSlot, encodeSlot, RegisterFrame } from '../../../protocols/register/index.ts'
import type { Slot } from '../../../protocols/register/index.ts'
import { ID } from './table.ts'

const b = { n: 3, peer: 'A', boot: '0123456789abcdef' }
const own = { peer: 'A', epoch: 1, seq: 2, attempt: 'x.1', over: false }
const value = { ver: 4, attempt: 'x.1', cfg: { ver: 2, voters: ['A', 'B'], joint: ['B', 'C'] }, own }
const slot: Slot = { promised: b, accepted: b, value }

test('every frame comes back from its bytes as it was', () => {
  const frames: RegisterFrame[] = [
    { t: 'prepare', id: ID, b, cv: 1 },
    { t: 'promise', id: ID, b, a: b, v: value },
    { t: 'promise', id: ID, b, a: { n: 0, peer: '', boot: '' }, v: null },
    { t: 'accept', id: ID, b, v: value },
    { t: 'accepted', id: ID, b },
    { t: 'refuse', id: ID, b, p: b, cfg: value.cfg },
    { t: 'unknown', id: ID, b },
    { t: 'join', id: ID },
    { t: 'joined', id: ID, ok: true }
  ]
  for (const frame of frames) expect(decodeAs(RegisterFrame, encodeFrame(frame), 'frame')).toEqual(frame)
})

test('a frame with more voters than there may be, or an id that is none, is refused', () => {
  const many = { ...value, cfg: { ver: 1, voters: Array.from({ length: 9 }, (_, i) => `p${i}`) } }
  const refused = (frame: unknown): void =>
    expect(() => decodeAs(RegisterFrame, encodeFrame(frame), 'frame')).toThrow(MeshError)
  refused({ t: 'accept', id: ID, b, v: many })
  refused({ t: 'accept', id: 'r/../x', b, v: value })
  refused({ t: 'prepare', id: ID, b: { ...b, n: -1 }, cv: 1 })
})

test('no bytes but the ones written are read as a slot', () => {
  const bytes = encodeSlot(slot)
  expect(decodeSlot(bytes)).toEqual(slot)
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(7), fc.nat(bytes.length - 1), (at, bit, length) => {
      const flipped = bytes.slice()
      flipped[at]! ^= 1 << bit
      expect(() => decodeSlot(flipped)).toThrow(MeshError)
      expect(() => decodeSlot(bytes.subarray(0, length))).toThrow(MeshError)
    })
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (any) => {
      expect(() => decodeSlot(any)).toThrow(MeshError)
    })
  )
})
