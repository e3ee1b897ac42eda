/**
 * The hello kernel over connections that do not come and go at both ends alike: each end counts its own links, and two
 * connections may be one link here and two there. Whatever the order, both ends admit each other in the end.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createHello, decodeHello, encodeHello, isAdmitted, stepHello } from '../../../protocols/joining/index.ts'
import type { HelloEffect, HelloMessage, HelloState } from '../../../protocols/joining/index.ts'
import { device, fill, testMesh, WALL } from './fixtures.ts'

const mesh = testMesh()
const [a, b] = [device(31), device(32)]
const env = (self: string) => ({
  self,
  now: 0,
  wall: WALL,
  random: { u32: () => 0, float: () => 0, bytes: (n: number) => fill(n, 0) }
})
const certificates = new Map([a, b].map((of) => [of, mesh.issue(of)]))

class Side {
  readonly of: typeof a
  readonly far: typeof a
  readonly state: HelloState
  outbox: HelloMessage[] = []
  admitted = 0
  refused: string[] = []
  up = false

  constructor(of: typeof a, far: typeof a) {
    this.of = of
    this.far = far
    const certificate = certificates.get(of)!
    this.state = createHello({
      genesis: mesh.genesis,
      crypto: of.crypto,
      certificate: () => certificate,
      record: () => of.key,
      features: [],
      isKnown: () => true
    })
  }
  link(up: boolean): void {
    if (this.up === up) return
    this.up = up
    this.take(stepHello(this.state, { k: 'link', peer: this.far.peer, up }, env(this.of.peer)))
  }
  hear(msg: HelloMessage): void {
    this.take(stepHello(this.state, { k: 'msg', from: this.far.peer, msg }, env(this.of.peer)))
  }
  take(effects: readonly HelloEffect[]): void {
    for (const effect of effects) {
      if (effect.e === 'send') this.outbox.push(decodeHello(encodeHello(effect.msg as HelloMessage)))
      if (effect.e === 'admitted') this.admitted++
      if (effect.e === 'refused') this.refused.push(effect.code)
    }
  }
  get admits(): boolean {
    return isAdmitted(this.state, this.far.peer)
  }
}

class Wire {
  readonly left = new Side(a, b)
  readonly right = new Side(b, a)
  readonly sides = [this.left, this.right] as const

  deliver(from: Side): boolean {
    const msg = from.outbox.shift()
    if (msg === undefined) return false
    const to = from === this.left ? this.right : this.left
    if (to.up) to.hear(msg)
    return true
  }
  settle(): void {
    for (let i = 0; i < 1000; i++) if (![this.deliver(this.left), this.deliver(this.right)].some(Boolean)) return
    throw new Error('the two never stop talking')
  }
}

test('an end that saw its link end and come back is admitted again by one that saw neither', () => {
  const wire = new Wire()
  for (const side of wire.sides) side.link(true)
  wire.settle()
  expect([wire.left.admits, wire.right.admits]).toEqual([true, true])
  wire.left.link(false)
  wire.left.link(true)
  expect(wire.left.admits).toBe(false)
  wire.settle()
  expect([wire.left.admits, wire.right.admits]).toEqual([true, true])
  expect([wire.left.refused, wire.right.refused]).toEqual([[], []])
})

test('one link here and two there: the hello of the second is answered in full, and nobody waits for a welcome', () => {
  const wire = new Wire()
  wire.left.link(true)
  wire.right.link(true)
  // the first connection dies at the right side with what it was to hear, the second begins there
  wire.right.link(false)
  wire.left.outbox.length = 0
  wire.right.link(true)
  wire.settle()
  expect([wire.left.admits, wire.right.admits]).toEqual([true, true])
})

test('a hello with the same number is a repeat and is answered by nothing', () => {
  const wire = new Wire()
  for (const side of wire.sides) side.link(true)
  const [hello] = wire.left.outbox
  wire.settle()
  wire.right.hear(hello!)
  expect(wire.right.outbox).toEqual([])
  expect([wire.right.admits, wire.right.admitted]).toEqual([true, 1])
})

test('whatever links and frames come and are lost, once both links stand both ends admit each other', () => {
  const move = fc.oneof(
    { weight: 4, arbitrary: fc.record({ k: fc.constant('deliver' as const), side: fc.nat(1) }) },
    { weight: 1, arbitrary: fc.record({ k: fc.constant('lose' as const), side: fc.nat(1) }) },
    { weight: 2, arbitrary: fc.record({ k: fc.constant('flap' as const), side: fc.nat(1) }) },
    { weight: 1, arbitrary: fc.record({ k: fc.constant('both' as const) }) }
  )
  fc.assert(
    fc.property(fc.array(move, { maxLength: 40 }), fc.nat(1), (moves, last) => {
      const wire = new Wire()
      for (const side of wire.sides) side.link(true)
      for (const one of moves) {
        const side = 'side' in one ? wire.sides[one.side]! : wire.left
        if (one.k === 'deliver') wire.deliver(side)
        // frames are lost only with the connection that carried them
        else if (one.k === 'lose') wire.sides.forEach((each) => (each.link(false), (each.outbox = []), each.link(true)))
        else if (one.k === 'flap') {
          side.link(false)
          side.link(true)
        } else wire.sides.forEach((each) => (each.link(false), each.link(true)))
      }
      // one more connection, which at one end ends the one before it
      const side = wire.sides[last]!
      side.link(false)
      side.link(true)
      wire.settle()
      expect([wire.left.admits, wire.right.admits]).toEqual([true, true])
      expect([...wire.left.refused, ...wire.right.refused]).toEqual([])
    }),
    { numRuns: 60 }
  )
})
