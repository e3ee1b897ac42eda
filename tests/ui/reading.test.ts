/** No figure without its source; no zero that nobody measured. */
import { expect, test } from 'vitest'
import { both, show, sourceLine, valueOf } from '../../ui/lib/reading.ts'
import { percent } from '../../ui/lib/units.ts'

const of = { name: 'atlas', ageMs: 2_100 }

test('a reading shows its value and says whose it is and how old', () => {
  expect(show({ value: 0.78 }, percent, of)).toEqual({ text: '78%', title: 'atlas, 2 s ago', missing: false })
})

test('a missing reading shows no number and says why', () => {
  const shown = show({ missing: 'no sensor' }, percent, of)
  expect(shown.missing).toBe(true)
  expect(shown.text).not.toMatch(/\d/)
  expect(shown.title).toBe('not available: no sensor (atlas, 2 s ago)')
})

test('a PC that sent nothing has no age', () => {
  expect(sourceLine({ name: 'den', ageMs: null })).toBe('den, no readings yet')
})

test('two readings are one only when both are there', () => {
  expect(both({ value: 1 }, { value: 2 })).toEqual({ value: [1, 2] })
  expect(both({ missing: 'a' }, { value: 2 })).toEqual({ missing: 'a' })
  expect(both({ value: 1 }, { missing: 'b' })).toEqual({ missing: 'b' })
  expect(valueOf({ missing: 'b' })).toBeNull()
  expect(valueOf({ value: 0 })).toBe(0)
})
