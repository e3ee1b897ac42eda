import { expect, test } from 'vitest'
import { createDoorQueue, DOOR_LIMITS } from '../../../protocols/joining/index.ts'
import { beginKnock, endKnock } from '../../../protocols/joining/door.ts'

test('three may stand at a door, the fourth is told to come back', () => {
  const queue = createDoorQueue()
  for (const address of ['a', 'b', 'c']) beginKnock(queue, address, 0)
  expect(() => beginKnock(queue, 'd', 0)).toThrow(/3 PCs stand at this door/)
  endKnock(queue, 'a', false)
  beginKnock(queue, 'd', 0)
  expect(queue.pending).toBe(3)
})

test('an address knocks once a minute, unless the one before joined', () => {
  const queue = createDoorQueue()
  beginKnock(queue, 'a', 1000)
  endKnock(queue, 'a', false)
  expect(() => beginKnock(queue, 'a', 31_000)).toThrow(/try again in 30 s/)
  beginKnock(queue, 'a', 61_000)
  endKnock(queue, 'a', true)
  beginKnock(queue, 'a', 61_001)
})

test('a flood of addresses is remembered within a bound and forgotten after a minute', () => {
  const queue = createDoorQueue()
  let refused = 0
  for (let i = 0; i < 10_000; i++) {
    try {
      beginKnock(queue, `10.0.${i >> 8}.${i & 255}`, i)
      endKnock(queue, `10.0.${i >> 8}.${i & 255}`, false)
    } catch {
      refused += 1
    }
  }
  expect(queue.last.size).toBe(DOOR_LIMITS.addresses)
  expect(refused).toBe(10_000 - DOOR_LIMITS.addresses)
  beginKnock(queue, 'late', 10_000 + DOOR_LIMITS.perAddressMs)
  expect(queue.last.size).toBe(1)
})
