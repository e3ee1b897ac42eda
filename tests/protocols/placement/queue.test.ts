import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createAdmission, enter, grant, granted, leave, next, release } from '../../../protocols/placement/index.ts'
import type { WaitingQueue } from '../../../protocols/placement/index.ts'
import { CLASS_UP_MS, PASS_OVER_MS, WAITING_MAX, WAITING_MS } from '../../../protocols/placement/queue.ts'

const OFFER = { cpuMilli: 4000, memoryBytes: 1000 }
const ask = (session: string, cpuMilli: number, rank = 2) => ({
  session,
  by: 'owner',
  class: rank,
  cpuMilli,
  memoryBytes: 0
})
function full(): ReturnType<typeof createAdmission> {
  const admission = createAdmission(OFFER)
  for (let i = 0; i < 4; i++) grant(admission, `r${i}`, { cpuMilli: 1000, memoryBytes: 0 }, 'p', 0)
  return admission
}
function drawn(queue: WaitingQueue, admission: ReturnType<typeof createAdmission>, now: number): string[] {
  const order: string[] = []
  for (let one = next(queue, admission, now); one !== undefined; one = next(queue, admission, now))
    order.push(one.session)
  return order
}

test('room that comes goes by class, then by age, and is held for who gets it', () => {
  const admission = full()
  const queue: WaitingQueue = []
  expect(enter(queue, ask('old', 1000), 1)).toBe(1)
  expect(enter(queue, ask('young', 1000), 2)).toBe(2)
  expect(enter(queue, ask('urgent', 1000, 0), 3)).toBe(1)
  expect(drawn(queue, admission, 4)).toEqual([])
  release(admission, 'r0')
  expect(drawn(queue, admission, 5)).toEqual(['urgent'])
  expect(admission.claims.has('urgent')).toBe(true)
  release(admission, 'r1')
  expect(drawn(queue, admission, 6)).toEqual(['old'])
})

test('who waits goes up by a class each ten minutes, never among the most urgent, and keeps its place for those of its class', () => {
  const order = (now: number): string[] => {
    const queue: WaitingQueue = []
    enter(queue, ask('last', 1000, 4), 0)
    enter(queue, ask('usual', 1000, 2), 1000)
    // Asked again each half a minute, as an owner does.
    for (let at = 30_000; at <= now; at += 30_000)
      for (const { session } of [...queue]) enter(queue, ask(session, 0), at)
    enter(queue, ask('fresh', 1000, 1), now)
    enter(queue, ask('urgent', 1000, 0), now)
    return drawn(queue, createAdmission({ cpuMilli: 99_000, memoryBytes: 0 }), now)
  }
  expect(order(60_000)).toEqual(['urgent', 'fresh', 'usual', 'last'])
  expect(order(CLASS_UP_MS + 30_000)).toEqual(['urgent', 'usual', 'fresh', 'last'])
  expect(order(10 * CLASS_UP_MS)).toEqual(['urgent', 'last', 'usual', 'fresh'])
})

test('who asks again keeps the place; who does not is dropped in the end', () => {
  const queue: WaitingQueue = []
  enter(queue, ask('first', 1000), 0)
  enter(queue, ask('second', 1000), 0)
  expect(enter(queue, ask('first', 1000), 30_000)).toBe(1)
  const admission = full()
  expect(drawn(queue, admission, WAITING_MS)).toEqual([])
  expect(queue.map((one) => one.session)).toEqual(['first'])
  leave(queue, 'first', 'another')
  expect(queue).toHaveLength(1)
  leave(queue, 'first', 'owner')
  expect(queue).toEqual([])
})

test('small asks pass a large one for a while; then the room that comes is kept together for it', () => {
  const admission = full()
  const queue: WaitingQueue = []
  enter(queue, ask('large', 3000), 0)
  enter(queue, ask('small', 1000), 1)
  enter(queue, ask('smaller', 500), 2)
  release(admission, 'r0')
  expect(drawn(queue, admission, PASS_OVER_MS - 1)).toEqual(['small'])
  release(admission, 'r1')
  expect(drawn(queue, admission, PASS_OVER_MS)).toEqual([])
  release(admission, 'r2')
  release(admission, 'r3')
  expect(drawn(queue, admission, PASS_OVER_MS)).toEqual(['large'])
})

test('a full queue takes no more', () => {
  const queue: WaitingQueue = []
  for (let i = 0; i < WAITING_MAX; i++) expect(enter(queue, ask(`s${i}`, 1000), i)).toBe(i + 1)
  expect(enter(queue, ask('one more', 1000), 1000)).toBeUndefined()
  expect(enter(queue, ask('s7', 1000), 1000)).toBe(8)
})

test('whatever waits, leaves and ends, no more is held than is offered', () => {
  const session = fc.nat(9).map((n) => `s${n}`)
  const move = fc.oneof(
    fc.record({ k: fc.constant('enter' as const), session, cpu: fc.nat(5000), rank: fc.nat(4) }),
    fc.record({ k: fc.constant('leave' as const), session }),
    fc.record({ k: fc.constant('end' as const), session }),
    fc.record({ k: fc.constant('wait' as const), ms: fc.nat(20_000) })
  )
  fc.assert(
    fc.property(fc.array(move, { maxLength: 60 }), (moves) => {
      const admission = createAdmission(OFFER)
      const queue: WaitingQueue = []
      let now = 0
      for (const one of moves) {
        if (one.k === 'wait') now += one.ms
        else if (one.k === 'enter') enter(queue, ask(one.session, one.cpu, one.rank), now)
        else if (one.k === 'leave') leave(queue, one.session, 'owner')
        else release(admission, one.session)
        const pulled = next(queue, admission, now)
        if (pulled !== undefined) expect(queue.some((other) => other.session === pulled.session)).toBe(false)
        expect(granted(admission, now).cpuMilli).toBeLessThanOrEqual(OFFER.cpuMilli)
        const order = queue.map(({ class: rank, since }) => rank * 1e9 + since)
        expect(order).toEqual(order.toSorted((a, b) => a - b))
      }
    }),
    { numRuns: 300 }
  )
})
