/** The reckoned size of a message is what the codec makes of it, and handing messages over instead of bytes changes nothing. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeCbor, peerIdOf } from '../../protocols/codec.ts'
import { startMesh } from '../../sim/mesh.ts'
import { sizeOf } from '../../sim/size.ts'

const leaf = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.float(),
  fc.constantFrom(
    0,
    -0,
    0.5,
    65_504,
    2 ** -14,
    2 ** -20,
    2 ** -24,
    1.5,
    Infinity,
    -Infinity,
    Number.NaN,
    2 ** 32,
    2 ** 53
  ),
  fc.boolean(),
  fc.constant(null),
  fc.uint8Array({ maxLength: 300 }),
  fc.uint8Array({ minLength: 32, maxLength: 32 }).map(peerIdOf)
)
const value = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.array(tie('value'), { maxLength: 30 }),
    fc.dictionary(fc.string(), fc.option(tie('value'), { nil: undefined }), { maxKeys: 30, noNullPrototype: true })
  )
})).value

test('a value takes as many bytes as was reckoned', () => {
  fc.assert(
    fc.property(value, (v) => {
      expect(sizeOf(v)).toBe(encodeCbor(v).length)
      // the sizes of large maps are remembered
      expect(sizeOf(v)).toBe(encodeCbor(v).length)
    }),
    { numRuns: 2000 }
  )
})

test('a run in which every message is encoded and decoded is the same run', () => {
  const story = (wire: boolean): string => {
    const mesh = startMesh({ seed: 11, peers: 5, wire })
    mesh.until(() => mesh.running.length === 5 && mesh.agree(), { withinMs: 30_000, what: 'all are here' })
    for (let i = 0; i < 12; i++) {
      mesh.submit(i % 5, i % 3 === 0 ? 'sleep infinity' : `sleep ${1 + i}`, { restart: 'on-node-loss' })
      mesh.run(500)
    }
    mesh.kill(4)
    mesh.run(15_000)
    mesh.restart(4)
    mesh.killPeerProcess(1)
    mesh.run(15_000)
    mesh.restart(1)
    mesh.run(30_000)
    for (const { peer } of mesh.running)
      for (const [name, times] of peer!.counters) if (name.startsWith('bad_')) throw new Error(`${name}: ${times}`)
    return mesh.traceHash()
  }
  expect(story(true)).toBe(story(false))
})
