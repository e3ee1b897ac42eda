/** The advertisement on the wire, and when it is sent. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeCbor } from '../../../protocols/codec.ts'
import { MeshError } from '../../../protocols/errors.ts'
import {
  decodeAdDynamic,
  decodeAdStatic,
  encodeAdDynamic,
  encodeAdStatic,
  shouldAdvertise
} from '../../../protocols/gossip/index.ts'
import type { AdDynamic, AdStatic } from '../../../protocols/gossip/index.ts'

const GIB = 2 ** 30

const fixed: AdStatic = {
  os: 'Debian GNU/Linux 13',
  arch: 'x64',
  cpuModel: 'Some CPU',
  cores: 8,
  memoryBytes: 16 * GIB,
  gpus: [],
  labels: { room: 'office' },
  name: 'desk',
  version: '0.1.0',
  urls: ['https://192.0.2.7:8443'],
  offer: { cpuMilli: 8000, memoryBytes: 8 * GIB },
  tlsFingerprint: 'ab'.repeat(32),
  missing: { temperatureC: 'no sensor found' }
}

const moving: AdDynamic = {
  cpu: 0.25,
  perCore: Uint8Array.of(10, 200, 30, 40, 50, 60, 70, 80),
  load1: 1.5,
  memoryUsedBytes: 4 * GIB,
  diskBytes: 500 * GIB,
  diskFreeBytes: 200 * GIB,
  rxBytesPerS: 12_345,
  txBytesPerS: 6789,
  bootedAt: 1_700_000_000_000,
  granted: { cpuMilli: 0, memoryBytes: 0 },
  paused: false,
  draining: false,
  sessions: 0
}

test('both halves survive the wire, and a dynamic one with eight cores fits in 160 bytes', () => {
  expect(decodeAdStatic(encodeAdStatic(fixed))).toEqual(fixed)
  expect(decodeAdDynamic(encodeAdDynamic(moving))).toEqual(moving)
  expect(encodeAdDynamic(moving).length).toBeLessThanOrEqual(160)
  expect(encodeAdStatic(fixed).length).toBeLessThanOrEqual(1024)
})

test('a value that cannot be read is absent, not zero', () => {
  const { cpu: _cpu, perCore: _perCore, ...rest } = moving
  const back = decodeAdDynamic(encodeAdDynamic(rest))
  expect(Object.keys(back)).not.toContain('cpu')
  expect(Object.keys(back)).not.toContain('perCore')
})

test('fields out of bounds are refused with the field in the message', () => {
  expect(() => encodeAdDynamic({ ...moving, cpu: 1.5 })).toThrow(/cpu/)
  expect(() => encodeAdDynamic({ ...moving, perCore: new Uint8Array(513) })).toThrow(/perCore/)
  expect(() => encodeAdStatic({ ...fixed, cores: 0 })).toThrow(/cores/)
})

test('any bytes decode to an advertisement or to a named error', () => {
  const decodes = (decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): void => {
    try {
      decode(bytes)
    } catch (error) {
      expect(error).toBeInstanceOf(MeshError)
    }
  }
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.jsonValue().map(encodeCbor)), (bytes) => {
      decodes(decodeAdStatic, bytes)
      decodes(decodeAdDynamic, bytes)
    }),
    { seed: 1 }
  )
})

test('the first one is sent; an unchanged one only as a heartbeat, each two seconds in a small mesh', () => {
  expect(shouldAdvertise(undefined, moving, Infinity, 3)).toBe(true)
  expect(shouldAdvertise(moving, moving, 1000, 3)).toBe(false)
  expect(shouldAdvertise(moving, moving, 1990, 3)).toBe(true)
  expect(shouldAdvertise(moving, moving, 2000, 100)).toBe(false)
  expect(shouldAdvertise(moving, moving, 6000, 100)).toBe(true)
})

test('what moved by a tenth is sent after a pause that grows with the mesh', () => {
  const busy = { ...moving, cpu: 0.36 }
  expect(shouldAdvertise(moving, { ...moving, cpu: 0.3 }, 1500, 3)).toBe(false)
  expect(shouldAdvertise(moving, busy, 500, 3)).toBe(false)
  expect(shouldAdvertise(moving, busy, 1000, 3)).toBe(true)
  expect(shouldAdvertise(moving, busy, 1000, 1000)).toBe(false)
  expect(shouldAdvertise(moving, busy, 5000, 1000)).toBe(true)
  expect(shouldAdvertise(moving, busy, 49_000, 100_000)).toBe(false)
  expect(shouldAdvertise(moving, busy, 60_000, 100_000)).toBe(true)
})

test('a grant counts by its share of the offer, and when the offer is used up or free again', () => {
  const offer = { cpuMilli: 16_000, memoryBytes: 64 * GIB }
  const holding = (cpuMilli: number): AdDynamic => ({ ...moving, granted: { cpuMilli, memoryBytes: 0 } })
  const isSent = (from: number, to: number) => shouldAdvertise(holding(from), holding(to), 1000, 100, offer)
  expect(isSent(1000, 2000)).toBe(false)
  expect(isSent(1000, 2600)).toBe(true)
  expect(isSent(15_000, 16_000)).toBe(true)
  expect(isSent(16_000, 15_000)).toBe(true)
})

test.each<[string, Partial<AdDynamic>]>([
  ['paused', { paused: true }],
  ['draining', { draining: true }],
  ['a session more', { sessions: 1 }],
  ['memory', { memoryUsedBytes: 5 * GIB }],
  ['a grant', { granted: { cpuMilli: 500, memoryBytes: GIB } }],
  ['who uses it', { usedBy: 'ada from laptop' }]
])('%s counts as a move', (_what, change) => {
  expect(shouldAdvertise(moving, { ...moving, ...change }, 1000, 3)).toBe(true)
})
