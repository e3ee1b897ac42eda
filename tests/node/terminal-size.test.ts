import { expect, test } from 'vitest'
import { decodeSize, encodeSize, smallestOf } from '../../node/terminal-size.ts'

test('a size comes back as it was written, and whether a new screen begins', () => {
  for (const fresh of [false, true]) {
    const size = { columns: 211, rows: 1 }
    expect(decodeSize(encodeSize(size, fresh))).toEqual({ ...size, fresh })
  }
})

test('what is no size of a terminal is none', () => {
  for (const bytes of [[], [0, 80, 0], [0, 0, 0, 24], [0, 80, 0, 0], [3, 233, 0, 24], [255, 255, 255, 255]])
    expect(decodeSize(Uint8Array.from(bytes))).toBeUndefined()
})

test('everybody sees the whole terminal: the fewest columns and the fewest rows', () => {
  expect(smallestOf([])).toBeUndefined()
  expect(
    smallestOf([
      { columns: 80, rows: 50 },
      { columns: 120, rows: 24 }
    ])
  ).toEqual({ columns: 80, rows: 24 })
})
