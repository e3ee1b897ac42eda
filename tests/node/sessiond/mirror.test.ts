import { join } from 'node:path'
import headless from '@xterm/headless'
import { expect, test } from 'vitest'
import { LogWriter } from '../../../node/sessiond/log-writer.ts'
import { Mirror } from '../../../node/sessiond/mirror.ts'
import { encodeSize } from '../../../node/terminal-size.ts'
import { freshFolder } from './rig.ts'

const LIMITS = { segmentBytes: 64 << 10, keepBytes: 1 << 20, lagBytes: 1 << 20 }
type Part = string | { columns: number; rows: number }

async function logOf(parts: Part[]): Promise<{ folder: string; end: number }> {
  const folder = freshFolder()
  const log = new LogWriter(folder, LIMITS, { grew() {}, blocked() {}, trouble() {} })
  for (const part of parts)
    if (typeof part === 'string') log.append(1, Buffer.from(part))
    else log.append(3, Buffer.from(encodeSize(part)))
  await log.finish()
  return { folder: join(folder), end: log.end }
}

async function mirrored(parts: Part[]) {
  const { folder, end } = await logOf(parts)
  const mirror = new Mirror(folder)
  await mirror.draw(end)
  const screen = mirror.screen()
  mirror.close()
  expect(screen.offset).toBe(end)
  return screen
}

/** What somebody sees to whom the screen is drawn, and then what comes after. */
async function shown(screen: Awaited<ReturnType<typeof mirrored>>, after = '') {
  const terminal = new headless.Terminal({ cols: screen.columns, rows: screen.rows, allowProposedApi: true })
  const text = Buffer.concat([screen.bytes, Buffer.from(after)])
  await new Promise<void>((resolve) => terminal.write(text, resolve))
  const { active } = terminal.buffer
  const lines = Array.from({ length: terminal.rows }, (_, y) =>
    active.getLine(active.baseY + y)!.translateToString(true)
  )
  return { lines, type: active.type, x: active.cursorX, y: active.cursorY, modes: terminal.modes, terminal }
}

test('the lines, the cursor and the lines above the screen come back', async () => {
  const many = Array.from({ length: 100 }, (_, i) => `line ${i}\r\n`).join('')
  const screen = await mirrored([{ columns: 40, rows: 5 }, many, 'prompt> typed'])
  expect(screen).toMatchObject({ columns: 40, rows: 5 })
  const seen = await shown(screen)
  expect(seen.lines).toEqual(['line 96', 'line 97', 'line 98', 'line 99', 'prompt> typed'])
  expect([seen.x, seen.y]).toEqual([13, 4])
  expect(seen.terminal.buffer.active.getLine(0)!.translateToString(true)).toBe('line 0')
})

test('a full-screen program is found as it was, and leaves to what was there before', async () => {
  const screen = await mirrored([
    { columns: 30, rows: 6 },
    '$ edit\r\n\x1b[?1049h\x1b[?1h\x1b[?25l\x1b[?1006h\x1b[2;5r\x1b[H\x1b[7mtitle\x1b[0m\x1b[6;3Hstatus\x1b[3;4H'
  ])
  const seen = await shown(screen)
  expect(seen.type).toBe('alternate')
  expect(seen.lines).toEqual(['title', '', '', '', '', '  status'])
  expect([seen.x, seen.y]).toEqual([3, 2])
  expect(seen.modes.applicationCursorKeysMode).toBe(true)
  const text = Buffer.from(screen.bytes).toString()
  for (const mode of ['\x1b[?25l', '\x1b[?1006h', '\x1b[2;5r']) expect(text).toContain(mode)
  const scrolled = await shown(screen, '\x1b[5;1Hlast\n\x1b[?1049l')
  expect(scrolled.lines[0]).toBe('$ edit')
})

test('each size counts from where it stands in the log', async () => {
  const seen = await shown(
    await mirrored([{ columns: 10, rows: 3 }, 'abcdefghijKL\r\n', { columns: 20, rows: 3 }, 'abcdefghijKL'])
  )
  expect(seen.lines).toContain('abcdefghijKL')
  expect(seen.terminal.cols).toBe(20)
})

test('it goes on from where it stopped', async () => {
  const { folder, end } = await logOf([{ columns: 20, rows: 3 }, 'one ', 'two'])
  const mirror = new Mirror(folder)
  await mirror.draw(end - 3)
  expect((await shown(mirror.screen())).lines[0]).toBe('one ')
  await mirror.draw(end)
  expect((await shown(mirror.screen())).lines[0]).toBe('one two')
  mirror.close()
})

test('the screen of a flood is bounded', async () => {
  const coloured = Array.from({ length: 300 }, (_, i) => `\x1b[38;2;${i % 256};1;2mx`).join('')
  const screen = await mirrored([{ columns: 300, rows: 50 }, ...Array<string>(120).fill(`${coloured}\r\n`)])
  expect(screen.bytes.length).toBeLessThanOrEqual(2 << 20)
  expect((await shown(screen)).lines[10]).toBe('x'.repeat(300))
})
