import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeAs, encodeCbor, encodeFrame } from '../../../protocols/codec.ts'
import {
  compareVersion,
  RECORD_MAX_BYTES,
  RecordWire,
  RegFrame,
  SpecInput,
  SUBMITTED_MAX_BYTES,
  summarize
} from '../../../protocols/session/index.ts'
import { FRAME_MAX } from '../../../protocols/ports.ts'
import { A, B, C, D, record } from './records.ts'

const version = fc.record({ epoch: fc.nat(5), seq: fc.nat(5), owner: fc.constantFrom(A, B, C, D) })

test('versions are in one order: epoch, then sequence, then owner', () => {
  expect(compareVersion({ epoch: 2, seq: 0, owner: A }, { epoch: 1, seq: 9, owner: D })).toBeGreaterThan(0)
  expect(compareVersion({ epoch: 1, seq: 2, owner: A }, { epoch: 1, seq: 1, owner: D })).toBeGreaterThan(0)
  expect(compareVersion({ epoch: 1, seq: 1, owner: B }, { epoch: 1, seq: 1, owner: A })).toBeGreaterThan(0)
  fc.assert(
    fc.property(version, version, version, (a, b, c) => {
      expect(Math.sign(compareVersion(a, b))).toBe(-Math.sign(compareVersion(b, a)) + 0)
      expect(compareVersion(a, b) === 0).toBe(a.epoch === b.epoch && a.seq === b.seq && a.owner === b.owner)
      if (compareVersion(a, b) > 0 && compareVersion(b, c) > 0) expect(compareVersion(a, c)).toBeGreaterThan(0)
    })
  )
})

test('a record comes back from the wire as it went, with fields of a newer minor version', () => {
  const full = record({
    exit: { code: 0, signal: null },
    output: { hash: 'a'.repeat(64), bytes: 1, files: 1 },
    reason: 'x',
    logBytes: 3,
    endedAt: 5
  })
  expect(decodeAs(RecordWire, encodeCbor(full), 'a record')).toEqual(full)
  const newer = { ...full, later: { field: [1, 2] } }
  expect(decodeAs(RecordWire, encodeCbor(newer), 'a record')).toEqual(newer)
})

test.each([
  ['an id that is none', { id: 'xyz' }],
  ['a state that does not exist', { state: 'sleeping' }],
  ['a negative epoch', { epoch: -1 }],
  ['half a sequence', { seq: 0.5 }],
  ['nine keepers', { keepers: Array.from({ length: 9 }, () => A) }],
  ['a wish that is none', { desired: 'walk' }],
  [
    'seventeen steps of history',
    { history: Array.from({ length: 17 }, () => ({ at: 1, state: 'running', by: A, cause: '' })) }
  ],
  ['a reason longer than a page', { reason: 'x'.repeat(601) }],
  ['no owner', { owner: undefined }],
  ['a spec without a command', { spec: { ...record().spec, appUri: undefined } }]
])('a record with %s is refused', (_what, fields) => {
  expect(() => decodeAs(RecordWire, encodeCbor({ ...record(), ...fields }), 'a record')).toThrow(/^a record: /)
})

test('frames of the plane take hostile bytes without any error but WIRE_INVALID', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc.object().map((o) => encodeCbor({ t: 'put', n: 1, ...o }))
      ),
      (bytes) => {
        try {
          decodeAs(RegFrame, bytes, 'reg frame')
        } catch (error) {
          expect(error).toMatchObject({ code: 'WIRE_INVALID' })
        }
      }
    )
  )
})

test('the largest record and the longest list of what a peer has each fit one frame', () => {
  const filler = 'x'.repeat(RECORD_MAX_BYTES - encodeCbor(record()).length - 10)
  const largest = record({ spec: { ...record().spec, cwd: filler } })
  expect(encodeCbor(largest).length).toBeLessThanOrEqual(RECORD_MAX_BYTES)
  expect(encodeFrame({ t: 'put', n: 0xffffffff, record: largest }).length).toBeLessThanOrEqual(FRAME_MAX)
  const list = Array.from({ length: 400 }, () => ['f'.repeat(32), 2 ** 40, 2 ** 40, A])
  expect(encodeFrame({ t: 'have', list }).length).toBeLessThanOrEqual(FRAME_MAX)
  expect(SUBMITTED_MAX_BYTES).toBeLessThan(RECORD_MAX_BYTES)
})

const words = (n: number): string => '\u{1f4bb}'.repeat(Math.floor(n / 2))
/** Everything as long as the wire takes it, in characters of four bytes. */
const huge = record({
  spec: {
    appUri: words(4096),
    args: Array.from({ length: 40 }, () => words(16_384)),
    env: Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`K${i}`, words(16_384)])),
    cwd: words(4096),
    user: words(64),
    cpuMilli: 2 ** 32,
    memoryBytes: 2 ** 50,
    labels: Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`label${i}`, words(256)])),
    on: words(128),
    notOn: words(128),
    restart: 'on-node-loss',
    stdin: true,
    input: { hash: 'f'.repeat(64), bytes: 2 ** 28 }
  },
  keepers: Array.from({ length: 8 }, () => A),
  reason: words(600),
  why: {
    sentence: words(2000),
    candidates: Array.from({ length: 64 }, () => ({ peer: A, name: words(128), score: 0.123, reason: words(300) }))
  },
  tried: Array.from({ length: 16 }, () => ({ peer: B, why: words(300) })),
  restarts: Array.from({ length: 16 }, () => 1e12),
  output: { hash: 'f'.repeat(64), bytes: 2 ** 28, files: 9999 },
  outputError: words(600),
  history: Array.from({ length: 16 }, () => ({ at: 1e12, state: 'running' as const, by: C, cause: words(300) }))
})

test('what everyone is told of a session fits gossip whatever its record holds, and stays a valid record', () => {
  const summary = summarize(huge)
  const bytes = encodeCbor(summary)
  expect(bytes.length).toBeLessThan(12 * 1024)
  const told = decodeAs(RecordWire, bytes, 'a summary')
  expect(told).toMatchObject({
    id: huge.id,
    state: 'running',
    epoch: huge.epoch,
    seq: huge.seq,
    owner: huge.owner,
    runner: huge.runner
  })
  expect(told.spec.env).toEqual({})
})

test('the summary of an ordinary session is under 2 KiB, and says where, why and how it ended', () => {
  const ordinary = record({
    spec: { ...record().spec, args: ['-j2', 'CFLAGS=-O2 -Wall'], env: { PATH: 'x'.repeat(400), LANG: 'C' } },
    why: {
      sentence: 'den: best of 3; 4 of 4 offered cores free',
      candidates: [{ peer: A, name: 'den', score: 0.9, reason: 'r' }]
    },
    exit: { code: 2, signal: null },
    history: Array.from({ length: 16 }, () => ({ at: 1, state: 'running' as const, by: A, cause: 'started again' }))
  })
  const summary = summarize(ordinary)
  expect(encodeCbor(summary).length).toBeLessThan(2048)
  expect(summary).toMatchObject({
    exit: { code: 2 },
    runner: D,
    why: { sentence: ordinary.why!.sentence },
    spec: { args: ordinary.spec.args }
  })
})

test('a request is filled with defaults, and what is out of bounds is refused', () => {
  expect(SpecInput.parse({ app_uri: 'exec:make' })).toMatchObject({
    args: [],
    cpu_cores: 1,
    ram_bytes: 256 * 2 ** 20,
    restart: 'no',
    constraints: { labels: {} },
    stdin: false
  })
  for (const wrong of [
    {},
    { app_uri: '' },
    { app_uri: 'x', cpu_cores: 0 },
    { app_uri: 'x', ram_bytes: -1 },
    { app_uri: 'x', restart: 'sometimes' },
    { app_uri: 'x', nonce: 'zz' },
    { app_uri: 'x', kind: 'desktop' },
    { app_uri: 'x', mode: 'lenient' }
  ]) {
    expect(SpecInput.safeParse(wrong).success, JSON.stringify(wrong)).toBe(false)
  }
})
