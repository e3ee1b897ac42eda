import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DETACH_KEYS, DetachKeys, detachKeysInWords, parseDetachKeys } from '../../../node/cli/detach-keys.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function typing(keys = DETACH_KEYS) {
  let passed = ''
  let left = 0
  const filter = new DetachKeys(
    parseDetachKeys(keys),
    (bytes) => (passed += Buffer.from(bytes).toString('latin1')),
    () => left++
  )
  return { type: (text: string) => filter.typed(Buffer.from(text, 'latin1')), passed: () => passed, left: () => left }
}

test('the keys leave, in one piece or one by one, and do not reach the program', () => {
  for (const pieces of [['ab\x10\x11cd'], ['ab', '\x10', '\x11', 'cd'].slice(0, 3)]) {
    const at = typing()
    for (const piece of pieces) at.type(piece)
    expect([at.passed(), at.left()]).toEqual(['ab', 1])
  }
})

test('the first key alone reaches the program with the next one, or after a moment', () => {
  const at = typing()
  at.type('\x10')
  expect(at.passed()).toBe('')
  at.type('x')
  expect(at.passed()).toBe('\x10x')
  at.type('\x10')
  vi.advanceTimersByTime(499)
  expect(at.passed()).toBe('\x10x')
  vi.advanceTimersByTime(1)
  expect([at.passed(), at.left()]).toEqual(['\x10x\x10', 0])
})

test('a first key that comes twice is passed once, and the second still counts', () => {
  const at = typing()
  at.type('\x10\x10\x11')
  expect([at.passed(), at.left()]).toEqual(['\x10', 1])
})

test('other keys may be chosen, and what is no key is refused in words', () => {
  const at = typing('ctrl-],q')
  at.type('\x10\x11\x1dq')
  expect([at.passed(), at.left()]).toEqual(['\x10\x11', 1])
  for (const wrong of ['', 'ctrl-', 'ctrl-1', 'ab', 'a,,b', 'a,b,c,d,e,f,g,h,i'])
    expect(() => parseDetachKeys(wrong)).toThrow(/^--detach-keys .*give up to 8 keys/)
  expect(detachKeysInWords(DETACH_KEYS)).toBe('Ctrl-P Ctrl-Q')
})
