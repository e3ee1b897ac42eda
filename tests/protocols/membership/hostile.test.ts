/** Whatever a peer sends: no step throws, nothing grows beyond its bound, nobody is moved by a forged word. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeAs, decodeCbor, encodeCbor } from '../../../protocols/codec.ts'
import { MeshError } from '../../../protocols/errors.ts'
import {
  createMembership,
  member,
  MEMBERSHIP,
  MemFrame,
  selfRecord,
  step
} from '../../../protocols/membership/index.ts'
import type {
  MembershipEffect,
  MembershipEvent,
  MembershipState,
  MemMessage
} from '../../../protocols/membership/index.ts'
import { FRAME_MAX } from '../../../protocols/ports.ts'
import { fakeCrypto, idOf, keyOf, seededRandom } from './mesh.ts'

interface Lone {
  state: MembershipState
  now: number
  step: (event: MembershipEvent) => MembershipEffect[]
  receive: (from: string, bytes: Uint8Array) => MembershipEffect[]
}

function lone(name: string): Lone {
  const state = createMembership(
    { peer: idOf(name), name, addresses: [`/dns4/${name}`], version: '1' },
    fakeCrypto(keyOf(name))
  )
  const random = seededRandom(1)
  const one: Lone = {
    state,
    now: 0,
    step: (event) => step(state, event, { self: idOf(name), now: one.now, wall: one.now, random }),
    receive: (from, bytes) => {
      one.now += 10
      let msg: MemMessage
      try {
        msg = decodeAs(MemFrame, bytes, 'mem frame')
      } catch (error) {
        expect(error).toBeInstanceOf(MeshError)
        return []
      }
      return one.step({ k: 'msg', from: idOf(from), msg })
    }
  }
  one.step({ k: 'start' })
  return one
}

function recordOf(name: string): Uint8Array {
  return selfRecord(lone(name).state)
}

function meets(one: Lone, name: string): void {
  one.step({ k: 'hello', from: idOf(name), record: recordOf(name) })
  one.step({ k: 'link', peer: idOf(name), up: true })
}

const genuine = recordOf('b')
const anyId = fc.oneof(fc.constantFrom(idOf('a'), idOf('b'), idOf('c'), idOf('unknown')), fc.string({ maxLength: 70 }))
const anyNumber = fc.oneof(fc.nat(20), fc.nat(), fc.double(), fc.constantFrom(-1, 2 ** 32 - 1, 2 ** 32, 2 ** 60))
const anyRecord = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.constant(genuine),
  fc.nat(genuine.length - 1).map((n) => genuine.slice(0, n))
)
const anyVerdict = {
  s: fc.constantFrom('suspect', 'dead', 'alive'),
  b: fc.array(anyId, { maxLength: 5 }),
  w: fc.constantFrom('timeout', 'refused', 'nonsense')
}
const anyItem = fc.oneof(
  fc.record(
    { k: fc.constant('a'), r: anyRecord, v: fc.record(anyVerdict), o: anyNumber },
    { requiredKeys: ['k', 'r'] }
  ),
  fc.record(
    { k: fc.constant('v'), p: anyId, i: anyNumber, o: anyNumber, ...anyVerdict },
    { requiredKeys: ['k', 'p', 'i', 's', 'b', 'w'] }
  )
)
const g = fc.array(anyItem, { maxLength: 6 })
const anyFrame = fc.oneof(
  fc.record({ t: fc.constantFrom('ping', 'ack'), n: anyNumber, g }),
  fc.record({ t: fc.constant('preq'), n: anyNumber, p: anyId, w: anyNumber, g }),
  fc.record({ t: fc.constantFrom('iack', 'nack'), n: anyNumber }),
  fc.record({ t: fc.constant('news'), g }),
  fc.record({
    t: fc.constant('sync'),
    r: fc.array(
      fc.tuple(fc.oneof(fc.nat(7), anyNumber), anyNumber, fc.uint8Array({ minLength: 128, maxLength: 128 })),
      { maxLength: 4 }
    )
  }),
  fc.record({
    t: fc.constant('list'),
    q: fc.array(fc.tuple(fc.oneof(fc.nat(7), anyNumber), anyNumber), { maxLength: 4 }),
    g
  }),
  fc.jsonValue()
)

test('frames of any shape change nothing beyond the bounds', () => {
  const one = lone('a')
  meets(one, 'b')
  meets(one, 'c')
  fc.assert(
    fc.property(fc.constantFrom('b', 'c'), anyFrame, (from, frame) => {
      for (const effect of one.receive(from, encodeCbor(frame))) {
        if (effect.e === 'send') expect(encodeCbor(effect.msg).length).toBeLessThanOrEqual(FRAME_MAX)
      }
    }),
    { numRuns: 3000, seed: 4 }
  )
  expect([...one.state.rows.keys()].sort()).toEqual([idOf('a'), idOf('b'), idOf('c')].sort())
  expect(one.state.news.size).toBeLessThanOrEqual(3)
  expect(one.state.asked.size).toBeLessThanOrEqual(MEMBERSHIP.relaysMax + 10)
  expect(one.state.contacts.size).toBeLessThanOrEqual(3)
  expect(one.state.health).toBeLessThanOrEqual(MEMBERSHIP.healthMax)
})

test('random and truncated bytes are refused with a named error', () => {
  const one = lone('a')
  meets(one, 'b')
  const good = encodeCbor({ t: 'news', g: [{ k: 'a', r: recordOf('d') }] })
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 500 }),
        fc.nat(good.length - 1).map((n) => good.slice(0, n))
      ),
      (bytes) => {
        one.receive('b', bytes)
      }
    ),
    { numRuns: 2000, seed: 5 }
  )
  expect(one.state.rows.size).toBe(2)
  one.receive('b', good)
  expect(member(one.state, idOf('d'))?.state).toBe('alive')
})

test('what is above its size is refused at the edge', () => {
  for (const frame of [
    { t: 'news', g: [{ k: 'a', r: new Uint8Array(4097) }] },
    { t: 'news', g: Array.from({ length: 1025 }, () => ({ k: 'a', r: new Uint8Array(1) })) },
    { t: 'list', q: [[8, 0]], g: [] },
    { t: 'sync', r: [[0, 0, new Uint8Array(127)]] },
    { t: 'sync', r: Array.from({ length: 65 }, () => [0, 0, new Uint8Array(128)]) },
    { t: 'preq', n: 1, p: idOf('b'), w: 3_600_000, g: [] }
  ]) {
    expect(MemFrame.safeParse(decodeCbor(encodeCbor(frame))).success).toBe(false)
  }
})

test('relays for others, strangers that discovery shows and members are bounded', () => {
  const one = lone('a')
  meets(one, 'b')
  meets(one, 'c')
  for (let n = 0; n < 2 * MEMBERSHIP.relaysMax; n++)
    one.step({ k: 'msg', from: idOf('b'), msg: { t: 'preq', n, p: idOf('c'), w: 400, g: [] } })
  expect(one.state.relays).toBe(MEMBERSHIP.relaysMax)
  for (let n = 1; n <= 4 * MEMBERSHIP.relaysMax; n++) one.step({ k: 'timer', tag: `wait:${n}` })
  expect(one.state.relays).toBe(0)
  for (let i = 0; i < 2 * MEMBERSHIP.strangersMax; i++)
    one.step({ k: 'seen', peer: idOf(`s${i}`), addresses: Array.from({ length: 40 }, (_, n) => `/dns4/s${i}/${n}`) })
  expect(one.state.contacts.size).toBeLessThanOrEqual(MEMBERSHIP.strangersMax + 2)
  for (const contact of one.state.contacts.values())
    expect(contact.seen.length).toBeLessThanOrEqual(MEMBERSHIP.addressesMax)
  one.now = MEMBERSHIP.strangerKeepMs + 1
  one.step({ k: 'timer', tag: 'upkeep' })
  expect(one.state.contacts.size).toBeLessThanOrEqual(2)
  for (let i = 0; i < MEMBERSHIP.membersMax + 10; i++)
    one.step({ k: 'msg', from: idOf('b'), msg: { t: 'news', g: [{ k: 'a', r: recordOf(`m${i}`) }] } })
  expect(one.state.rows.size).toBe(MEMBERSHIP.membersMax)
})

test('the list of a thousand members goes out in frames that fit, and all of it arrives', () => {
  const one = lone('a')
  const other = lone('z')
  meets(one, 'z')
  meets(other, 'a')
  for (let i = 0; i < 1000; i++)
    one.step({ k: 'msg', from: idOf('z'), msg: { t: 'news', g: [{ k: 'a', r: recordOf(`m${i}`) }] } })
  const ends = { a: one, z: other }
  let turn: ['a' | 'z', MembershipEffect[]] = ['z', other.step({ k: 'timer', tag: 'sync' })]
  let turns = 0
  for (; ; turns++) {
    const [from, effects] = turn
    const frames = effects.flatMap((effect) =>
      effect.e === 'send' && (effect.msg.t === 'sync' || effect.msg.t === 'list') ? [encodeCbor(effect.msg)] : []
    )
    if (frames.length === 0) break
    for (const bytes of frames) expect(bytes.length).toBeLessThanOrEqual(FRAME_MAX)
    const to = from === 'a' ? 'z' : 'a'
    turn = [to, frames.flatMap((bytes) => ends[to].receive(from, bytes))]
  }
  expect(other.state.rows.size).toBe(one.state.rows.size)
  expect(Math.ceil(turns / 2)).toBeLessThanOrEqual(Math.ceil(Math.log2(1002) / 4) + 1)
})

test('a verdict about an incarnation that nobody has moves nothing, a forged record neither', () => {
  const one = lone('a')
  meets(one, 'b')
  meets(one, 'c')
  for (const i of [0, 2, 4_000_000_000]) {
    one.step({
      k: 'msg',
      from: idOf('c'),
      msg: { t: 'news', g: [{ k: 'v', p: idOf('b'), i, s: 'dead', b: [idOf('c')], w: 'timeout' }] }
    })
  }
  const forged = genuine.slice()
  forged[20]! ^= 1
  const effects = one.step({ k: 'msg', from: idOf('c'), msg: { t: 'news', g: [{ k: 'a', r: forged }] } })
  expect(effects).toContainEqual({ e: 'count', name: 'mem.record.invalid' })
  expect(member(one.state, idOf('b'))?.state).toBe('alive')
  one.step({
    k: 'msg',
    from: idOf('c'),
    msg: { t: 'news', g: [{ k: 'v', p: idOf('a'), i: 4_000_000_000, s: 'dead', b: [], w: 'timeout' }] }
  })
  expect(member(one.state, idOf('a'))?.inc).toBe(1)
})

test('a hello with the record of somebody else makes nobody a member', () => {
  const one = lone('a')
  const effects = one.step({ k: 'hello', from: idOf('c'), record: genuine })
  expect(effects).toContainEqual({ e: 'count', name: 'mem.hello.invalid' })
  expect(member(one.state, idOf('c'))).toBeUndefined()
})
