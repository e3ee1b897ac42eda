import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TerminalModes } from '../../../node/cli/terminal-modes.ts'

const undoOf = (...pieces: string[]): string => {
  const modes = new TerminalModes()
  for (const piece of pieces) modes.take(Buffer.from(piece, 'latin1'))
  return modes.undo()
}

/** What full-screen editors and monitors send when they start, and when they end. */
const START = '\x1b[?1049h\x1b[?1h\x1b=\x1b[?2004h\x1b[1;24r\x1b[?25l\x1b[>1u\x1b[2 q\x1b[?1000;1006h'
const END = '\x1b[?1000;1006l\x1b[0 q\x1b[<u\x1b[?25h\x1b[r\x1b[?2004l\x1b[?1l\x1b>\x1b[?1049l'

test('a program that only wrote text leaves nothing to undo', () => {
  expect(undoOf('plain \x1b[31mred\x1b[0m \x1b]2;title\x07 \x1b[2J\x1b[H')).toBe('')
})

test('what a full-screen program set is undone, and nothing more once it has undone it itself', () => {
  const undo = undoOf(START)
  for (const part of ['\x1b[?1049l', '\x1b[?1l', '\x1b>', '\x1b[?2004l', '\x1b[r', '\x1b[?25h', '\x1b[<1u', '\x1b[0 q'])
    expect(undo).toContain(part)
  expect(undo).toContain('\x1b[?1006l')
  expect(undoOf(START, END)).toBe('')
})

test('undoing is done once', () => {
  const modes = new TerminalModes()
  modes.take(Buffer.from(START))
  expect(modes.undo()).not.toBe('')
  expect(modes.undo()).toBe('')
})

test('a reset of the terminal leaves nothing', () => {
  expect(undoOf(START, '\x1bc')).toBe('')
})

test('it does not matter where the output is cut', () => {
  const text = `text ${START} more ü \x1b[31m ${START}`
  const whole = undoOf(text)
  fc.assert(
    fc.property(fc.array(fc.nat(text.length), { maxLength: 8 }), (cuts) => {
      const places = [0, ...cuts.sort((a, b) => a - b), text.length]
      expect(undoOf(...places.slice(1).map((to, i) => text.slice(places[i], to)))).toBe(whole)
    })
  )
})

test('an escape that never ends holds nothing back for long', () => {
  const modes = new TerminalModes()
  modes.take(Buffer.from(`\x1b[?${'1;'.repeat(1_000_000)}`))
  modes.take(Buffer.from('\x1b[?1049h'))
  expect(modes.undo()).toContain('\x1b[?1049l')
})
