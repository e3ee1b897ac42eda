/** A set of ranges is a set of numbers, whatever is added and taken out, and in whatever order. */
import { expect, test } from 'vitest'
import fc from 'fast-check'
import { TaskSet } from '../../../protocols/session/index.ts'

const TOTAL = 40
const step = fc.record({ add: fc.boolean(), from: fc.nat(TOTAL), length: fc.nat(9) })

test('after any steps it holds what a plain set holds, in ascending ranges that do not touch', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const [set, plain] = [new TaskSet(), new Set<number>()]
      for (const { add, from, length } of steps) {
        if (add) set.add(from, from + length)
        else set.remove(from, from + length)
        for (let task = from; task < from + length; task++)
          if (add) plain.add(task)
          else plain.delete(task)
      }
      expect(set.size).toBe(plain.size)
      for (let task = 0; task < TOTAL + 10; task++) expect(set.has(task)).toBe(plain.has(task))
      expect(set.pairs.every((bound, i) => i === 0 || bound > set.pairs[i - 1]!)).toBe(true)
      expect(TaskSet.of([...set.pairs], 1000).pairs).toEqual(set.pairs)
    })
  )
})

test('tasks are taken from the front, as many as wanted and in no more pieces than allowed', () => {
  const set = TaskSet.of([0, 3, 10, 12, 20, 100], 100)
  expect(set.take(4, 16)).toEqual([0, 3, 10, 11])
  expect(set.take(50, 1)).toEqual([11, 12])
  expect(set.take(1000, 16)).toEqual([20, 100])
  expect(set.take(1, 1)).toEqual([])
})

test('what a record has room for are the longest ranges, in order', () => {
  const set = TaskSet.of([0, 1, 5, 9, 20, 22, 30, 31], 100)
  expect(set.longest(2).pairs).toEqual([5, 9, 20, 22])
  expect(set.longest(2).size).toBe(6)
  expect(set.longest(4)).toBe(set)
})

test('pairs that are no ranges of this array are left out', () => {
  expect(TaskSet.of([7, 3, -5, 2, 90, 4000, 6], 100).pairs).toEqual([0, 2, 90, 100])
})

test('numbers that two sets share are counted', () => {
  expect(TaskSet.of([0, 10, 20, 30], 100).within(TaskSet.of([5, 25, 29, 50], 100))).toBe(11)
  expect(new TaskSet().within(TaskSet.of([0, 5], 5))).toBe(0)
})
