/** Numbers with units, as the page shows them. */
import { expect, test } from 'vitest'
import {
  ago,
  coresOf,
  countdown,
  digits,
  memory,
  memoryOf,
  numberWord,
  percent,
  rate,
  sentence,
  span,
  storage,
  storageOf
} from '../../ui/lib/units.ts'

const GIB = 2 ** 30

test('memory counts in 1024s, disks and networks in 1000s', () => {
  expect(memory(16 * GIB)).toBe('16 GiB')
  expect(memory(1.5 * GIB)).toBe('1.5 GiB')
  expect(storage(1.2e12)).toBe('1.2 TB')
  expect(rate(3_140_000)).toBe('3.1 MB/s')
  expect(rate(0)).toBe('0 B/s')
})

test('a number that rounds up to the next unit is written in that unit', () => {
  expect(storage(999_600)).toBe('1 MB')
  expect(memory(1024 ** 3 - 1)).toBe('1 GiB')
})

test('a part is written in the unit of its whole, so that the two compare', () => {
  expect(memoryOf([0.5 * GIB, 128 * GIB])).toBe('0.5 of 128 GiB')
  expect(storageOf([40e9, 1e12])).toBe('0.04 of 1 TB')
})

test('digits keep what can be acted on', () => {
  expect([0.034, 0.42, 4.25, 9.96, 42.4, 420.7, 1000, -3].map(digits)).toEqual([
    '0.03',
    '0.42',
    '4.3',
    '10',
    '42',
    '421',
    '1000',
    '-3'
  ])
})

test('a busy sliver is not written as idle', () => {
  expect(percent(0)).toBe('0%')
  expect(percent(0.004)).toBe('<1%')
  expect(percent(0.156)).toBe('16%')
  expect(percent(1)).toBe('100%')
})

test('spans have at most two units', () => {
  const MIN = 60_000
  expect([0, 4_999, 61_000, 90 * MIN, 120 * MIN, 26 * 60 * MIN, 14 * 1440 * MIN].map(span)).toEqual([
    '0 s',
    '4 s',
    '1 min',
    '1 h 30 min',
    '2 h',
    '1 d 2 h',
    '14 d'
  ])
  expect(span(-5)).toBe('0 s')
  expect(ago(400)).toBe('just now')
  expect(ago(2_400)).toBe('2 s ago')
})

test('a countdown ends at zero and not before', () => {
  expect(countdown(600_000)).toBe('10:00')
  expect(countdown(1)).toBe('0:01')
  expect(countdown(-1)).toBe('0:00')
})

test('one is singular, small numbers are words, messages end with a point', () => {
  expect(coresOf(1)).toBe('1 core')
  expect(coresOf(0.5)).toBe('0.5 cores')
  expect([0, 3, 12, 13].map(numberWord)).toEqual(['no', 'three', 'twelve', '13'])
  expect(sentence('sign in first')).toBe('sign in first.')
  expect(sentence('Really?')).toBe('Really?')
})
