import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  adopt,
  createAdmission,
  grant,
  granted,
  hold,
  HOLD_MS,
  release,
  unhold
} from '../../../protocols/placement/index.ts'
import type { Admission, Offer } from '../../../protocols/placement/index.ts'

const OFFER = { cpuMilli: 4000, memoryBytes: 1000 }
const isLess = (a: Offer, b: Offer) => a.cpuMilli < b.cpuMilli || a.memoryBytes < b.memoryBytes
const ask = (cpuMilli: number, memoryBytes = 0) => ({ cpuMilli, memoryBytes })

test('holds and grants together never exceed the offer, whatever is asked, granted, released and forgotten', () => {
  const id = fc.nat(12).map((n) => `s${n}`)
  const by = fc.nat(2).map((n) => `p${n}`)
  const room = fc.record({ cpuMilli: fc.nat(5000), memoryBytes: fc.nat(1200) })
  const move = fc.oneof(
    fc.record({ k: fc.constant('hold' as const), id, by, room }),
    fc.record({ k: fc.constant('grant' as const), id, by, room }),
    fc.record({ k: fc.constant('release' as const), id }),
    fc.record({ k: fc.constant('wait' as const), ms: fc.nat(2 * HOLD_MS) })
  )
  fc.assert(
    fc.property(fc.array(move, { maxLength: 80 }), (moves) => {
      const admission = createAdmission(OFFER)
      let now = 0
      for (const one of moves) {
        if (one.k === 'wait') now += one.ms
        else if (one.k === 'release') release(admission, one.id)
        else if (one.k === 'hold') hold(admission, one.id, one.room, one.by, now)
        else {
          const before = admission.claims.get(one.id)
          const ok = grant(admission, one.id, one.room, one.by, now)
          const claim = admission.claims.get(one.id)
          if (ok) {
            expect(claim!.until).toBe(Infinity)
            expect(claim!.cpuMilli).toBeGreaterThanOrEqual(one.room.cpuMilli)
            expect(claim!.memoryBytes).toBeGreaterThanOrEqual(one.room.memoryBytes)
          } else expect(before === undefined || before.until <= now || isLess(before, one.room)).toBe(true)
        }
        const used = granted(admission, now)
        expect(used.cpuMilli).toBeLessThanOrEqual(OFFER.cpuMilli)
        expect(used.memoryBytes).toBeLessThanOrEqual(OFFER.memoryBytes)
      }
    }),
    { numRuns: 300 }
  )
})

test('a hold lapses after five seconds, and its room is free at that moment, asked or not', () => {
  const admission = createAdmission(OFFER)
  expect(hold(admission, 'a', ask(4000), 'p', 0)).toBeUndefined()
  expect(granted(admission, HOLD_MS - 1)).toEqual(ask(4000))
  expect(granted(admission, HOLD_MS)).toEqual(ask(0))
  expect(hold(admission, 'b', ask(4000), 'q', HOLD_MS)).toBeUndefined()
})

test('asking again renews a hold and takes no more room', () => {
  const admission = createAdmission(OFFER)
  hold(admission, 'a', ask(3000), 'p', 0)
  expect(hold(admission, 'a', ask(3000), 'p', 4000)).toBeUndefined()
  expect(granted(admission, 4000 + HOLD_MS - 1)).toEqual(ask(3000))
})

test('who holds room for less than it is bound for gets the rest only while there is room', () => {
  const admission = createAdmission(OFFER)
  hold(admission, 'a', ask(1000), 'p', 0)
  hold(admission, 'b', ask(2000), 'p', 0)
  expect(grant(admission, 'a', ask(2500), 'p', 0)).toBe(false)
  expect(granted(admission, 0)).toEqual(ask(3000))
  expect(grant(admission, 'a', ask(2000), 'p', 0)).toBe(true)
  expect(granted(admission, 0)).toEqual(ask(4000))
})

test('a hold is given back by who has it, and a grant is not', () => {
  const admission = createAdmission(OFFER)
  hold(admission, 'a', ask(1000), 'p', 0)
  unhold(admission, 'a', 'q')
  expect(granted(admission, 0)).toEqual(ask(1000))
  unhold(admission, 'a', 'p')
  expect(granted(admission, 0)).toEqual(ask(0))
  grant(admission, 'a', ask(1000), 'p', 0)
  unhold(admission, 'a', 'p')
  expect(granted(admission, 0)).toEqual(ask(1000))
})

test('a grant lasts until it is released; after its hold has lapsed it needs room again', () => {
  const admission = createAdmission(OFFER)
  hold(admission, 'a', ask(3000), 'p', 0)
  expect(grant(admission, 'a', ask(3000), 'p', 1000)).toBe(true)
  expect(granted(admission, 1e9)).toEqual(ask(3000))
  hold(admission, 'b', ask(1000), 'p', 0)
  expect(hold(admission, 'c', ask(1000), 'p', HOLD_MS)).toBeUndefined()
  expect(grant(admission, 'b', ask(1000), 'p', HOLD_MS + 1)).toBe(false)
  expect(release(admission, 'a')).toBe(true)
  expect(release(admission, 'a')).toBe(false)
  expect(grant(admission, 'b', ask(1000), 'p', HOLD_MS + 1)).toBe(true)
})

test.each<[string, (admission: Admission) => void, RegExp]>([
  ['is paused', (a) => (a.paused = true), /^paused by its owner$/],
  ['is going down', (a) => (a.draining = true), /^going down$/],
  ['has too few cores left', (a) => adopt(a, 'x', ask(3500), 'p'), /^only 0\.5 of 4 offered cores free$/],
  [
    'has too little memory left',
    (a) => (a.offer = { cpuMilli: 4000, memoryBytes: 2 ** 20 }),
    /^only 1 of 1 MiB offered memory free$/
  ],
  [
    'holds 4096 sessions',
    (a) => Array.from({ length: 4096 }, (_, i) => adopt(a, `s${i}`, ask(0), 'p')),
    /^holds 4096 sessions already$/
  ]
])('a PC that %s refuses in words', (_what, prepare, words) => {
  const admission = createAdmission({ cpuMilli: 4000, memoryBytes: 2 ** 30 })
  prepare(admission)
  expect(hold(admission, 'new', ask(1000, 2 ** 21), 'p', 0)).toMatch(words)
  expect(admission.claims.has('new')).toBe(false)
})

test('a child that is here already counts whatever the offer says, and nothing more comes until there is room', () => {
  const admission = createAdmission(ask(1000, 100))
  adopt(admission, 'old', ask(3000, 10), 'p')
  expect(granted(admission, 0)).toEqual(ask(3000, 10))
  expect(hold(admission, 'new', ask(1), 'p', 0)).toBe('only 0 of 1 offered cores free')
  release(admission, 'old')
  expect(hold(admission, 'new', ask(1), 'p', 0)).toBeUndefined()
})
