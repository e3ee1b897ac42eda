/** Frames that wait for a link: in order, bounded, and dropped when the link does not come. */
import { expect, test } from 'vitest'
import { Waiting } from '../../../protocols/peer/waiting.ts'
import type { Clock } from '../../../protocols/ports.ts'

function fresh() {
  const timers = new Set<() => void>()
  const lost: string[] = []
  const clock: Clock = {
    mono: () => 0,
    wall: () => 0,
    setTimeout: (fn) => {
      timers.add(fn)
      return fn
    },
    clearTimeout: (timer) => void timers.delete(timer as () => void),
    onWake: () => {}
  }
  return { waiting: new Waiting(clock, (peer) => lost.push(peer)), timers, lost }
}

const frame = (bytes: number) => new Uint8Array(bytes)

test('what waits is taken once, in order', () => {
  const { waiting, timers } = fresh()
  expect(waiting.hold('a', 'reg', frame(1))).toBe(true)
  expect(waiting.hold('a', 'ctl', frame(2))).toBe(true)
  expect(waiting.take('a').map(({ plane, frame: { length } }) => [plane, length])).toEqual([
    ['reg', 1],
    ['ctl', 2]
  ])
  expect(waiting.take('a')).toEqual([])
  expect(timers.size).toBe(0)
})

test('frames, their bytes and peers are bounded', () => {
  const { waiting } = fresh()
  expect(Array.from({ length: 65 }, () => waiting.hold('a', 'reg', frame(1))).filter((held) => held).length).toBe(64)
  expect(waiting.hold('b', 'reg', frame(200 * 1024))).toBe(true)
  expect(waiting.hold('b', 'reg', frame(100 * 1024))).toBe(false)
  for (let i = 0; i < 300; i++) waiting.hold(`peer ${i}`, 'reg', frame(1))
  expect(waiting.hold('one more', 'reg', frame(1))).toBe(false)
  waiting.drop('a')
  expect(waiting.hold('one more', 'reg', frame(1))).toBe(true)
})

test('all together is bounded, and what was taken makes room', () => {
  const { waiting } = fresh()
  const held = Array.from({ length: 60 }, (_, i) => waiting.hold(`peer ${i}`, 'reg', frame(200 * 1024)))
  expect(held.filter((one) => one).length).toBe(40)
  waiting.take('peer 0')
  expect(waiting.hold('peer 59', 'reg', frame(200 * 1024))).toBe(true)
})

test('who waited is told when the link does not come', () => {
  const { waiting, timers, lost } = fresh()
  waiting.hold('a', 'reg', frame(1))
  for (const fire of timers) fire()
  expect(lost).toEqual(['a'])
  waiting.drop('a')
  expect(lost).toEqual(['a'])
})
