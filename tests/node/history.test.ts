import { expect, test } from 'vitest'
import { FRESH_MS, MinuteHistory, STEP_MS } from '../../node/history.ts'

const reading = (cpu: number | undefined, memory: number | undefined, ageMs = 0) => ({ cpu, memory, ageMs })

test('the last minute is kept, oldest first, a value each two seconds', () => {
  const history = new MinuteHistory()
  for (let i = 0; i < 40; i++) history.step(new Map([['a', reading(i, i / 100)]]))
  const { cpu, memory } = history.of('a')
  expect(cpu).toEqual(Array.from({ length: 30 }, (_, i) => i + 10))
  expect(memory[0]).toBe(0.1)
  expect(cpu.length * STEP_MS).toBe(60_000)
})

test('what was not read, or is old, is a gap and never a zero', () => {
  const history = new MinuteHistory()
  history.step(new Map([['a', reading(0, 0)]]))
  history.step(new Map([['a', reading(undefined, 0.5)]]))
  history.step(new Map([['a', reading(0.5, 0.5, FRESH_MS)]]))
  history.step(new Map([['a', reading(0.5, 0.5, FRESH_MS + 1)]]))
  history.step(new Map([['a', reading(0.5, 0.5, Infinity)]]))
  expect(history.of('a')).toEqual({ cpu: [0, null, 0.5, null, null], memory: [0, 0.5, 0.5, null, null] })
})

test('a PC that is no member any more is forgotten, and comes back with nothing', () => {
  const history = new MinuteHistory()
  history.step(
    new Map([
      ['a', reading(1, 1)],
      ['b', reading(1, 1)]
    ])
  )
  history.step(new Map([['b', reading(1, 1)]]))
  expect(history.of('a')).toEqual({ cpu: [], memory: [] })
  expect(history.of('b').cpu).toHaveLength(2)
})

test('what is handed out does not change afterwards', () => {
  const history = new MinuteHistory()
  history.step(new Map([['a', reading(1, 1)]]))
  const before = history.of('a')
  history.step(new Map([['a', reading(2, 2)]]))
  expect(before.cpu).toEqual([1])
})
