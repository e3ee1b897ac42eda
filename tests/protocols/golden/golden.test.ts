/** What this program says and stores is, byte for byte, what its release has written down; and it reads all releases before. */
import { expect, test } from 'vitest'
import { PLANES } from '../../../protocols/ports.ts'
import { bytesOf, hexOf, KINDS, RECORD_FIELDS, sampleRecord, SAMPLES } from './samples.ts'
import { readVectors, VERSION } from './vectors.ts'

const AGAIN = 'node tests/protocols/golden/make.ts'

test('every plane, and joining, has golden vectors', () => {
  expect(Object.keys(SAMPLES).sort()).toEqual([...PLANES, 'join'].sort())
})

test.each(Object.keys(SAMPLES))('plane %s says the bytes of its release, all of them and no other', (plane) => {
  const made = Object.fromEntries(Object.entries(SAMPLES[plane]!).map(([name, { bytes }]) => [name, hexOf(bytes)]))
  expect(
    made,
    `the wire has changed: if ${VERSION} was released, raise the version in package.json, so that its vectors stand beside the older ones; then ${AGAIN}`
  ).toEqual(readVectors(plane)[VERSION])
})

test.each(Object.keys(SAMPLES))('plane %s reads what it says', (plane) => {
  for (const { bytes, says, read } of Object.values(SAMPLES[plane]!)) expect(read(bytes)).toEqual(says)
})

test.each(Object.keys(SAMPLES))('plane %s reads what every release has said', (plane) => {
  for (const [release, vectors] of Object.entries(readVectors(plane)))
    for (const [name, hex] of Object.entries(vectors)) {
      const sample = SAMPLES[plane]![name]
      expect(sample, `${release} said "${name}", and nothing reads that any more`).toBeDefined()
      expect(() => sample!.read(bytesOf(hex)), `${release}: ${name}`).not.toThrow()
    }
})

test.each(Object.keys(KINDS))(
  'plane %s: each kind of message has a vector, and each field it may have is in one',
  (plane) => {
    const fields = new Map<string, Set<string>>()
    for (const { says } of Object.values(SAMPLES[plane]!)) {
      const message = says as Record<string, unknown>
      const known = fields.get(String(message.t)) ?? new Set()
      for (const key of Object.keys(message)) known.add(key)
      fields.set(String(message.t), known)
    }
    for (const [kind, keys] of KINDS[plane]!)
      expect([...(fields.get(kind) ?? [])].sort(), kind).toEqual([...keys].sort())
  }
)

test('the sample of a session record has every field that a record may have', () => {
  expect(Object.keys(sampleRecord).sort()).toEqual([...RECORD_FIELDS].sort())
})

test('the vectors are not all the same: a byte changed in one is refused or read as something else', () => {
  const { bytes, read } = SAMPLES.mem!['a member']!
  const changed = bytes.slice()
  changed[10]! ^= 1
  expect(() => read(changed)).toThrow()
})
