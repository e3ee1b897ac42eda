import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeCbor } from '../../../protocols/codec.ts'
import { MeshError } from '../../../protocols/errors.ts'
import type { Env } from '../../../protocols/kernel.ts'
import {
  createHello,
  DAY_MS,
  decodeHello,
  encodeHello,
  HELLO_TIMEOUT_MS,
  isAdmitted,
  isVerified,
  stepHello
} from '../../../protocols/joining/index.ts'
import type { HelloEffect, HelloMessage, HelloState } from '../../../protocols/joining/index.ts'
import { device, fill, testMesh, WALL } from './fixtures.ts'
import type { TestDevice } from './fixtures.ts'

const mesh = testMesh()
const a = device(21)
const b = device(22)

function side(of: TestDevice, from = mesh): HelloState {
  const certificate = from.issue(of)
  return createHello({
    genesis: from.genesis,
    crypto: of.crypto,
    certificate: () => certificate,
    record: () => of.key,
    features: ['x'],
    isKnown: () => false
  })
}
function env(self: string, wall = WALL): Env {
  return { self, now: 0, wall, random: { u32: () => 0, float: () => 0, bytes: (n) => fill(n, 0) } }
}
const up = (state: HelloState, self: string, peer: string, wall = WALL) =>
  stepHello(state, { k: 'link', peer, up: true }, env(self, wall))
const sent = (effects: readonly HelloEffect[]): HelloMessage[] =>
  effects.flatMap((e) => (e.e === 'send' ? [decodeHello(encodeHello(e.msg as HelloMessage))] : []))
const kinds = (effects: readonly HelloEffect[]): string[] => effects.map((e) => e.e)
const hear = (
  state: HelloState,
  self: string,
  from: string,
  msgs: readonly HelloMessage[],
  wall = WALL
): HelloEffect[] => msgs.flatMap((msg) => stepHello(state, { k: 'msg', from, msg }, env(self, wall)))

test('two members admit each other after hello and welcome both ways', () => {
  const [sa, sb] = [side(a), side(b)]
  const fromA = sent(up(sa, a.peer, b.peer))
  const fromB = sent(up(sb, b.peer, a.peer))
  const atB = hear(sb, b.peer, a.peer, fromA)
  expect(kinds(atB)).toEqual(['verified', 'send'])
  expect(isVerified(sb, a.peer)).toBe(true)
  expect(isAdmitted(sb, a.peer)).toBe(false)
  const atA = [...hear(sa, a.peer, b.peer, fromB), ...hear(sa, a.peer, b.peer, sent(atB))]
  expect(kinds(atA)).toEqual(['verified', 'send', 'timer', 'admitted'])
  const done = hear(sb, b.peer, a.peer, sent(atA))
  expect(kinds(done)).toEqual(['timer', 'admitted'])
  expect(done[1]).toMatchObject({ peer: a.peer, record: a.key, features: ['x'], skewMs: 0 })
  expect(isAdmitted(sa, b.peer) && isAdmitted(sb, a.peer)).toBe(true)
})

test('who stays is heard for no longer than its certificate lives, whatever else happens on the link', () => {
  const [sa, sb] = [side(a), side(b)]
  const fromA = sent(up(sa, a.peer, b.peer))
  const fromB = sent(up(sb, b.peer, a.peer))
  const atB = hear(sb, b.peer, a.peer, fromA)
  const admitted = hear(sa, a.peer, b.peer, [...fromB, ...sent(atB)])
  const hour = { e: 'timer', tag: `hello:${b.peer}`, inMs: 3_600_000 }
  expect(admitted[2]).toEqual(hour)
  const look = (wall: number) => stepHello(sa, { k: 'timer', tag: `hello:${b.peer}` }, env(a.peer, wall))
  const endsAt = WALL + 30 * DAY_MS + 600_000
  expect(look(WALL + DAY_MS)).toEqual([hour])
  expect(look(endsAt - 5000)).toEqual([{ ...hour, inMs: 5001 }])
  expect([look(endsAt), isAdmitted(sa, b.peer)]).toEqual([[{ ...hour, inMs: 1000 }], true])
  expect(look(endsAt + 1)).toEqual([{ e: 'close', peer: b.peer, why: expect.stringContaining('has run out') }])
  expect(isVerified(sa, b.peer) || isAdmitted(sa, b.peer)).toBe(false)
  // What it still says on its way out counts for nothing.
  expect(kinds(hear(sa, a.peer, b.peer, sent(up(side(b), b.peer, a.peer))))).toEqual(['count'])
})

test('a welcome that overtakes the hello admits nobody before the certificate is seen', () => {
  const sa = side(a)
  up(sa, a.peer, b.peer)
  expect(hear(sa, a.peer, b.peer, [{ t: 'welcome' }])).toEqual([])
  expect(isVerified(sa, b.peer) || isAdmitted(sa, b.peer)).toBe(false)
  const sb = side(b)
  expect(kinds(hear(sa, a.peer, b.peer, sent(up(sb, b.peer, a.peer))))).toEqual([
    'verified',
    'send',
    'timer',
    'admitted'
  ])
})

test('the difference of the clocks is measured, and five minutes harm nothing', () => {
  const sa = side(a)
  up(sa, a.peer, b.peer)
  const late = sent(up(side(b), b.peer, a.peer, WALL + 300_000))
  const effects = hear(sa, a.peer, b.peer, [...late, { t: 'welcome' }])
  expect(effects.at(-1)).toMatchObject({ e: 'admitted', skewMs: 300_000 })
})

test('a clock that is a year off is told to both sides as CLOCK_SKEW', () => {
  const sa = side(a)
  up(sa, a.peer, b.peer, WALL + 365 * DAY_MS)
  const effects = hear(sa, a.peer, b.peer, sent(up(side(b), b.peer, a.peer)), WALL + 365 * DAY_MS)
  expect(kinds(effects)).toEqual(['clear', 'send', 'refused', 'close'])
  expect(sent(effects)[0]).toMatchObject({ t: 'bye', code: 'CLOCK_SKEW' })
  expect(effects[2]).toMatchObject({ by: 'us', code: 'CLOCK_SKEW' })
})

test('a stranger is refused with a reason and its later frames do nothing', () => {
  const strangerMesh = testMesh(2)
  const sa = side(a)
  up(sa, a.peer, b.peer)
  const hello = sent(up(side(b, strangerMesh), b.peer, a.peer))
  expect(hear(sa, a.peer, b.peer, hello)[2]).toMatchObject({ e: 'refused', code: 'NOT_MEMBER' })
  const forged = hello.map((h) => ({ ...h, mesh: mesh.genesis.idBytes }))
  expect(kinds(hear(sa, a.peer, b.peer, [...forged, { t: 'welcome' }]))).toEqual(['count', 'count'])
  expect(isVerified(sa, b.peer)).toBe(false)
  up(sa, a.peer, b.peer)
  expect(hear(sa, a.peer, b.peer, forged)[2]).toMatchObject({ e: 'refused', code: 'CERT_INVALID' })
})

test('a certificate that was recorded from another member admits nobody', () => {
  const sa = side(a)
  const thief = device(23)
  up(sa, a.peer, thief.peer)
  const recorded = sent(up(side(b), b.peer, a.peer))
  expect(hear(sa, a.peer, thief.peer, recorded)[2]).toMatchObject({ e: 'refused', code: 'CERT_INVALID' })
})

test('silence for two seconds ends the link, an admitted link stays', () => {
  const [sa, sb] = [side(a), side(b)]
  const fromA = up(sa, a.peer, b.peer)
  const timer = fromA.find((e) => e.e === 'timer')!
  expect(timer).toMatchObject({ inMs: HELLO_TIMEOUT_MS })
  const tag = (timer as { tag: string }).tag
  const other = side(a)
  up(other, a.peer, b.peer)
  expect(stepHello(other, { k: 'timer', tag }, env(a.peer))[2]).toMatchObject({ e: 'refused', code: 'DEADLINE' })
  hear(sa, a.peer, b.peer, [...sent(up(sb, b.peer, a.peer)), { t: 'welcome' }])
  expect(kinds(stepHello(sa, { k: 'timer', tag }, env(a.peer)))).toEqual(['timer'])
})

test('a bye is passed on in words and closes the link', () => {
  const sa = side(a)
  up(sa, a.peer, b.peer)
  const effects = hear(sa, a.peer, b.peer, [{ t: 'bye', code: 'CERT_INVALID', text: 'expired' }])
  expect(effects[1]).toEqual({ e: 'refused', peer: b.peer, by: 'them', code: 'CERT_INVALID', text: 'expired' })
  expect(effects[2]).toMatchObject({ e: 'close' })
})

test('a link that comes back starts from nothing', () => {
  const [sa, sb] = [side(a), side(b)]
  up(sa, a.peer, b.peer)
  hear(sa, a.peer, b.peer, [...sent(up(sb, b.peer, a.peer)), { t: 'welcome' }])
  stepHello(sa, { k: 'link', peer: b.peer, up: false }, env(a.peer))
  expect(isAdmitted(sa, b.peer)).toBe(false)
  expect(sa.links.size).toBe(0)
  expect(sent(up(sa, a.peer, b.peer))[0]).toMatchObject({ t: 'hello' })
})

test('another major version is refused in words, whatever else its hello says', () => {
  const newer = encodeCbor({ t: 'hello', v: [2, 3], certificates: 'of a future kind' })
  let error: unknown
  try {
    decodeHello(newer)
  } catch (thrown) {
    error = thrown
  }
  expect(error).toMatchObject({ code: 'WIRE_VERSION', message: expect.stringMatching(/update Omega/) })
  const sa = side(a)
  up(sa, a.peer, b.peer)
  const effects = stepHello(sa, { k: 'garbage', from: b.peer, error: error as MeshError }, env(a.peer))
  expect(sent(effects)[0]).toMatchObject({ t: 'bye', code: 'WIRE_VERSION' })
  expect(kinds(effects)).toEqual(['clear', 'send', 'refused', 'close'])
  const wide = { ...sent(up(side(b), b.peer, a.peer))[0], v: [0, 9] }
  expect(decodeHello(encodeCbor(wide)).t).toBe('hello')
})

test('a hello tolerates fields of a newer minor version and is at most 8 KiB', () => {
  const [hello] = sent(up(side(b), b.peer, a.peer))
  expect(decodeHello(encodeCbor({ ...hello, later: 1 }))).toMatchObject({ later: 1 })
  expect(() => decodeHello(encodeCbor({ ...hello, later: 'x'.repeat(8200) }))).toThrow(/at most 8192/)
  expect(() => encodeHello({ ...hello, later: 'x'.repeat(8200) } as HelloMessage)).toThrow(/at most 8192/)
})

test('no bytes make the decoder throw anything but a named error', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 400 }),
        fc.object().map((o) => encodeCbor({ t: 'hello', ...o }))
      ),
      (bytes) => {
        try {
          decodeHello(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(MeshError)
        }
      }
    )
  )
})
