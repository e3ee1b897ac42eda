/** The names of an array's parts, and how much of its progress a record holds. */
import { expect, test } from 'vitest'
import { encodeCbor } from '../../../protocols/codec.ts'
import { chunkId, isTaskRun, progressOf, SpecInput, taskRun, TaskSet } from '../../../protocols/session/index.ts'
import { KeyRing } from '../../../sim/crypto.ts'

const ring = new KeyRing(1)
const crypto = ring.cryptoOf(ring.key('den'))
const ARRAY = 'ab'.repeat(16)

test('a task has one name wherever it runs, and each of its runs a higher epoch than any session', () => {
  const [first, again, other] = [
    taskRun(ARRAY, 7, 2, 1, crypto),
    taskRun(ARRAY, 7, 2, 9, crypto),
    taskRun(ARRAY, 8, 2, 1, crypto)
  ]
  expect(first.session).toMatch(/^[0-9a-f]{32}$/)
  expect(again.session).toBe(first.session)
  expect(other.session).not.toBe(first.session)
  expect(again.epoch).toBeGreaterThan(first.epoch)
  expect(taskRun(ARRAY, 7, 3, 0, crypto).epoch).toBeGreaterThan(again.epoch)
  expect(isTaskRun(first.epoch)).toBe(true)
  // A person's word raises the epoch of a session by a million.
  expect(isTaskRun(99_000_000)).toBe(false)
  expect(String(taskRun(ARRAY, 7, 8_000_000, 6_000_000, crypto).epoch)).toMatch(/^\d{15}$/)
  expect(chunkId(ARRAY, 1, 2, crypto)).not.toBe(chunkId(ARRAY, 2, 1, crypto))
})

test('progress stays small however the tasks end: what has no room is not said to be over', () => {
  const [over, failed] = [new TaskSet(), new TaskSet()]
  for (let task = 0; task < 1_000_000; task += 7) over.add(task)
  over.add(500_000, 600_000)
  for (let task = 0; task < 1_000_000; task += 70) failed.add(task)
  const progress = progressOf(over, failed, 0, 12)
  expect(encodeCbor(progress).length).toBeLessThan(4096)
  const kept = TaskSet.of(progress.over, 1_000_000)
  expect(progress.done + progress.failed).toBe(kept.size)
  expect(progress.failed).toBe(failed.within(kept))
  expect(kept.has(550_000)).toBe(true)
})

test('what is over and what failed is said whole where it fits', () => {
  const progress = progressOf(TaskSet.of([0, 60], 100), TaskSet.of([7, 9], 100), 3, 4)
  expect(progress).toEqual({ done: 55, failed: 5, running: 4, over: [0, 60], failing: [7, 9] })
})

test('a million tasks are accepted, one more is refused in words', () => {
  expect(SpecInput.parse({ app_uri: 'exec:true', array: 1_000_000 }).array).toBe(1_000_000)
  const refused = SpecInput.safeParse({ app_uri: 'exec:true', array: 1_000_001 })
  expect(refused.error?.issues[0]?.message).toContain('at most 1000000 tasks')
})
