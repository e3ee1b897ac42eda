/** Whatever a peer sends: no step throws, and nothing grows beyond its bound. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeAs, decodeCbor, encodeCbor } from '../../../protocols/codec.ts'
import { MeshError } from '../../../protocols/errors.ts'
import { createGossip, entries, entry, GOSSIP, GossipFrame, step, TOPICS } from '../../../protocols/gossip/index.ts'
import type { GossipMessage, GossipState } from '../../../protocols/gossip/index.ts'
import { fakeCrypto, idOf, keyOf, seededRandom } from '../membership/mesh.ts'

function fresh(): { state: GossipState; receive: (bytes: Uint8Array) => void; now: number } {
  const state = createGossip({
    self: idOf('a'),
    crypto: fakeCrypto(keyOf('a')),
    isMember: (peer) => peer === idOf('a') || peer === idOf('b')
  })
  const random = seededRandom(1)
  const env = (): Parameters<typeof step>[2] => ({ self: idOf('a'), now: peer.now, wall: peer.now, random })
  const peer = {
    state,
    now: 0,
    receive: (bytes: Uint8Array) => {
      peer.now += 10
      let msg: GossipMessage
      try {
        msg = decodeAs(GossipFrame, bytes, 'gossip frame')
      } catch (error) {
        expect(error).toBeInstanceOf(MeshError)
        return
      }
      step(state, { k: 'msg', from: idOf('b'), msg }, env())
    }
  }
  step(state, { k: 'link', peer: idOf('b'), up: true }, env())
  return peer
}

const genuine = (() => {
  const author = createGossip({ self: idOf('b'), crypto: fakeCrypto(keyOf('b')), isMember: () => true })
  step(
    author,
    { k: 'put', key: 'sess/1', epoch: 1, seq: 1, body: new Uint8Array(100) },
    { self: idOf('b'), now: 0, wall: 0, random: seededRandom(2) }
  )
  return entry(author, 'sess/1')!.bytes
})()

const anyId = fc.oneof(fc.constantFrom(idOf('a'), idOf('b'), idOf('c')), fc.string({ maxLength: 60 }))
const anyNumber = fc.oneof(fc.nat(), fc.double(), fc.constantFrom(-1, 2 ** 48, 2 ** 53, NaN))
const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.constant(genuine),
  fc.nat(genuine.length - 1).map((n) => genuine.slice(0, n))
)
const anyFrame = fc.oneof(
  fc.record({ t: fc.constant('push'), g: fc.array(anyBytes, { maxLength: 8 }) }),
  fc.record({
    t: fc.constant('sum'),
    a: fc.boolean(),
    r: fc.array(
      fc.tuple(fc.oneof(fc.nat(7), anyNumber), anyNumber, fc.uint8Array({ minLength: 128, maxLength: 128 })),
      { maxLength: 4 }
    )
  }),
  fc.record({
    t: fc.constant('have'),
    a: fc.boolean(),
    q: fc.array(fc.tuple(fc.oneof(fc.nat(7), anyNumber), anyNumber), { maxLength: 8 }),
    v: fc.array(
      fc.tuple(
        fc.oneof(fc.constantFrom('sess/1', 'ad.d', 'ledger/x', 'nope/x'), fc.string()),
        anyNumber,
        anyNumber,
        anyId
      ),
      { maxLength: 8 }
    ),
    m: fc.boolean()
  }),
  fc.record({ t: fc.constantFrom('ids', 'pull'), i: fc.uint8Array({ maxLength: 60 }) }),
  fc.record({ t: fc.constant('want'), k: fc.array(fc.oneof(fc.constant('sess/1'), fc.string()), { maxLength: 8 }) }),
  fc.jsonValue()
)

/** Nothing in the state has more than it may. */
function expectBounded(state: GossipState): void {
  expect(state.parked.size).toBeLessThanOrEqual(GOSSIP.parkMax)
  expect(state.parkedBytes).toBeLessThanOrEqual(GOSSIP.parkBytes)
  expect(state.ghosts.size).toBeLessThanOrEqual(GOSSIP.ghostsMax)
  expect(state.wanted.size).toBeLessThanOrEqual(GOSSIP.ghostsMax)
  expect(state.links.size).toBe(1)
  for (const [topic, held] of state.topics) expect(held.size).toBeLessThanOrEqual(TOPICS[topic].max)
  for (const keys of state.backlog.values()) expect(keys.size).toBeLessThanOrEqual(entries(state, 'sess/').length)
}

test('frames of any shape change nothing beyond the bounds', () => {
  const peer = fresh()
  fc.assert(
    fc.property(anyFrame, (frame) => {
      peer.receive(encodeCbor(frame))
    }),
    { numRuns: 3000, seed: 2 }
  )
  expectBounded(peer.state)
})

test('random and truncated bytes are refused with a named error', () => {
  const peer = fresh()
  const good = encodeCbor({ t: 'push', g: [genuine] })
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 500 }),
        fc.nat(good.length - 1).map((n) => good.slice(0, n))
      ),
      (bytes) => {
        peer.receive(bytes)
      }
    ),
    { numRuns: 2000, seed: 3 }
  )
  expect(entries(peer.state, 'sess/')).toEqual([])
  peer.receive(good)
  expect(entries(peer.state, 'sess/').length).toBe(1)
})

test('entries, keys and lists above their size are refused at the edge', () => {
  for (const frame of [
    { t: 'push', g: [new Uint8Array(GOSSIP.entryBytes + 1)] },
    { t: 'push', g: Array.from({ length: GOSSIP.itemsMax + 1 }, () => new Uint8Array(1)) },
    { t: 'want', k: ['x'.repeat(GOSSIP.keyChars + 1)] },
    { t: 'sum', a: true, r: [[0, 0, new Uint8Array(127)]] },
    { t: 'ids', i: new Uint8Array(7) },
    { t: 'pull', i: new Uint8Array(6 * (GOSSIP.numbersMax + 1)) }
  ]) {
    expect(GossipFrame.safeParse(decodeCbor(encodeCbor(frame))).success, frame.t).toBe(false)
  }
})

test('a flood of entries of strangers is parked up to its bound and then gone', () => {
  const peer = fresh()
  for (let i = 0; i < 2 * GOSSIP.parkMax; i++) {
    const author = createGossip({ self: idOf(`s${i}`), crypto: fakeCrypto(keyOf(`s${i}`)), isMember: () => true })
    step(
      author,
      { k: 'put', key: `sess/${i}`, epoch: 1, seq: 1, body: new Uint8Array(10) },
      { self: idOf(`s${i}`), now: 0, wall: 0, random: seededRandom(i) }
    )
    peer.receive(encodeCbor({ t: 'push', g: [entry(author, `sess/${i}`)!.bytes] }))
  }
  expect(peer.state.parked.size).toBe(GOSSIP.parkMax)
  step(
    peer.state,
    { k: 'timer', tag: 'parked' },
    { self: idOf('a'), now: peer.now + GOSSIP.parkMs, wall: 0, random: seededRandom(1) }
  )
  expect(peer.state.parked.size).toBe(0)
  expect(entries(peer.state, 'sess/')).toEqual([])
})
