import { encode } from 'cborg'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import {
  decodeAs,
  decodeCbor,
  encodeCbor,
  encodeFrame,
  fromHex,
  peerIdOf,
  peerKey,
  toHex,
  tryPeerKey
} from '../../protocols/codec.ts'
import { MeshError } from '../../protocols/errors.ts'
import { FRAME_MAX } from '../../protocols/ports.ts'

const key = fc.uint8Array({ minLength: 32, maxLength: 32 })
const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
    fc.string({ unit: 'grapheme', maxLength: 20 }),
    fc.uint8Array({ maxLength: 20 }),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(
      fc.string({ unit: 'grapheme', maxLength: 8 }).filter((k) => k !== '__proto__'),
      tie('value'),
      { maxKeys: 5, noNullPrototype: true }
    )
  )
})).value
const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))
function thrown(fn: () => unknown): unknown {
  try {
    fn()
  } catch (error) {
    return error
  }
  return undefined
}

test('a peer id is its key: text to bytes and back, for every key', () => {
  fc.assert(
    fc.property(key, (bytes) => {
      const id = peerIdOf(bytes)
      expect(id).toMatch(/^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/)
      expect(peerKey(id)).toEqual(bytes)
    })
  )
})

test('the peer id of the all-zero key is the one that libp2p prints', () => {
  expect(peerIdOf(new Uint8Array(32))).toBe('12D3KooW9pNAk8aiBuGVQtWRdbkLmo5qVL3e2h5UxbN2Nz9ttwiw')
})

test('text that is not exactly a peer id is none', () => {
  const id = peerIdOf(Uint8Array.from({ length: 32 }, (_, i) => i))
  for (const text of [
    '',
    id.slice(1),
    `${id}x`,
    `x${id.slice(1)}`,
    `${id.slice(0, 51)}0`,
    id.toLowerCase(),
    'z'.repeat(52),
    `12D3KooW${'z'.repeat(44)}`
  ]) {
    expect(tryPeerKey(text), text).toBeUndefined()
    expect(thrown(() => peerKey(text))).toMatchObject({ code: 'WIRE_INVALID' })
  }
  expect(thrown(() => peerIdOf(new Uint8Array(31)))).toMatchObject({ code: 'WIRE_INVALID' })
})

test('one changed character makes another peer id or none, never the same', () => {
  fc.assert(
    fc.property(
      key,
      fc.nat(43),
      fc.constantFrom(...'123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'),
      (bytes, at, char) => {
        const id = peerIdOf(bytes)
        const other = id.slice(0, 8 + at) + char + id.slice(9 + at)
        const read = tryPeerKey(other)
        if (other === id) expect(read).toEqual(bytes)
        else if (read !== undefined) expect(peerIdOf(read)).toBe(other)
      }
    )
  )
})

test('a peer id travels as its 32 key bytes under tag 1330, 37 bytes in all, wherever it stands', () => {
  const bytes = Uint8Array.from({ length: 32 }, (_, i) => 255 - i)
  const id = peerIdOf(bytes)
  const wire = encodeCbor(id)
  expect(toHex(wire)).toBe(`d905325820${toHex(bytes)}`)
  expect(decodeCbor(wire)).toBe(id)
  const nested = { list: [id, { deep: id }], other: 'x'.repeat(52) }
  expect(decodeCbor(encodeCbor(nested))).toEqual(nested)
})

test('tag 1330 over anything but 32 bytes is refused', () => {
  for (const hex of ['d9053241ff', 'd90532581f' + '00'.repeat(31), 'd9053260', 'd9053201', 'd90532f6']) {
    expect(
      thrown(() => decodeCbor(bytesOf(hex))),
      hex
    ).toMatchObject({ code: 'WIRE_INVALID' })
  }
})

test('plain data comes back as it went', () => {
  fc.assert(
    fc.property(plain, (value) => {
      expect(decodeCbor(encodeCbor(value))).toEqual(value)
    })
  )
})

test('the same data is the same bytes, in whatever order its keys were set', () => {
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.string({ maxLength: 6 }).filter((k) => k !== '__proto__'),
        fc.integer(),
        { maxKeys: 8, noNullPrototype: true }
      ),
      (value) => {
        const turned = Object.fromEntries(Object.entries(value).reverse())
        expect(toHex(encodeCbor(turned))).toBe(toHex(encodeCbor(value)))
      }
    )
  )
})

test('its bytes are those that the library makes of the same data', () => {
  const any = fc.oneof(plain, fc.double(), fc.float(), fc.string({ unit: 'binary', maxLength: 300 }))
  fc.assert(
    fc.property(any, (value) => {
      expect(toHex(encodeCbor(value))).toBe(toHex(encode(value)))
    })
  )
})

test('keys without a value are left out', () => {
  expect(decodeCbor(encodeCbor({ a: undefined, b: [{ c: undefined, d: 1 }] }))).toEqual({ b: [{ d: 1 }] })
})

test.each([
  ['nothing', ''],
  ['a cut map', 'a16161'],
  ['bytes after the end', 'a0a0'],
  ['a key twice', 'a2616101616102'],
  ['undefined', 'f7'],
  ['a number written longer than it must be', '1801'],
  ['a length written longer than it must be', '780161'],
  ['an unknown tag', 'c101'],
  ['a claim of 4 GiB', '5affffffff']
])('%s is refused as not valid CBOR', (_what, hex) => {
  expect(thrown(() => decodeCbor(bytesOf(hex)))).toMatchObject({ name: 'MeshError', code: 'WIRE_INVALID' })
})

test('no bytes make the decoder throw anything but WIRE_INVALID', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const error = thrown(() => decodeCbor(bytes))
      if (error !== undefined) expect(error).toMatchObject({ name: 'MeshError', code: 'WIRE_INVALID' })
    }),
    { numRuns: 500 }
  )
})

test('data nested thousands deep is refused like any other garbage', () => {
  const deep = new Uint8Array(FRAME_MAX).fill(0x81)
  expect(thrown(() => decodeCbor(deep))).toMatchObject({ code: 'WIRE_INVALID' })
})

test('a cut of any message is refused', () => {
  const wire = encodeCbor({ t: 'put', n: 7, id: peerIdOf(new Uint8Array(32)), list: [1, 2, 'three'] })
  for (let length = 0; length < wire.length; length++)
    expect(thrown(() => decodeCbor(wire.subarray(0, length)))).toBeInstanceOf(MeshError)
})

test('a field named __proto__ travels like any other', () => {
  for (const text of [
    '{"__proto__":0}',
    '{"a":{"b":1,"__proto__":{"admin":true}}}',
    '[{"__proto__":{"__proto__":[]}}]'
  ]) {
    const read = decodeCbor(encodeCbor(JSON.parse(text)))
    expect(JSON.stringify(read)).toBe(text)
    expect((read as { admin?: unknown }).admin).toBeUndefined()
  }
  const thinned = encodeCbor(JSON.parse('{"__proto__":{"b":1}}', (_, v) => (v === 1 ? { c: undefined, d: 2 } : v)))
  expect(JSON.stringify(decodeCbor(thinned))).toBe('{"__proto__":{"b":{"d":2}}}')
})

test('a value that does not fit is refused with the field that is wrong', () => {
  const shape = z.object({ a: z.object({ b: z.int().max(9) }) })
  expect(decodeAs(shape, encodeCbor({ a: { b: 9 } }), 'it')).toEqual({ a: { b: 9 } })
  expect(thrown(() => decodeAs(shape, encodeCbor({ a: { b: 10 } }), 'a frame'))).toMatchObject({
    code: 'WIRE_INVALID',
    message: expect.stringMatching(/^a frame: a\.b /)
  })
})

test('a frame holds 64 KiB and not a byte more', () => {
  const body = FRAME_MAX - 6
  expect(encodeFrame({ b: new Uint8Array(body - 2) }).length).toBeLessThanOrEqual(FRAME_MAX)
  expect(thrown(() => encodeFrame({ b: new Uint8Array(FRAME_MAX) }))).toMatchObject({
    code: 'WIRE_LIMIT',
    message: expect.stringContaining(String(FRAME_MAX))
  })
})

test('hex goes both ways, and what is not hex is refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      expect(fromHex(toHex(bytes))).toEqual(bytes)
    })
  )
  for (const text of ['0', 'zz', '0x', ' 0', '1 2'])
    expect(thrown(() => fromHex(text))).toMatchObject({ code: 'WIRE_INVALID' })
})
