import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createLog } from '../../../node/adapters/log.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'omega-log-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))
const lines = (file: string): Record<string, unknown>[] =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

test('a line is a fixed phrase with its fields, readable by its owner only', () => {
  const file = join(dir, 'deep', 'peer.log')
  const log = createLog({ level: 'info', file })
  log.info('link up', { peer: 'x', rttMs: 3 })
  log.debug('not shown')
  log.error('write failed', {
    error: new Error('no space', { cause: new Error('ENOSPC') }),
    bytes: Uint8Array.of(1, 255)
  })
  log.close()
  const [first, second, ...rest] = lines(file)
  expect(rest).toEqual([])
  expect(first).toMatchObject({ level: 'info', phrase: 'link up', peer: 'x', rttMs: 3 })
  expect(new Date(first!['time'] as string).getTime()).toBeGreaterThan(0)
  expect(second).toMatchObject({
    level: 'error',
    bytes: '01ff',
    error: { message: 'no space', cause: { message: 'ENOSPC' } }
  })
  if (process.platform !== 'win32') expect(statSync(file).mode & 0o077).toBe(0)
})

test('the level changes while the peer runs', () => {
  const file = join(dir, 'peer.log')
  const log = createLog({ level: 'warn', file })
  log.info('one')
  log.setLevel('debug')
  log.debug('two')
  log.setLevel('silent')
  log.error('three')
  log.close()
  expect(log.level).toBe('silent')
  expect(lines(file).map((line) => line['phrase'])).toEqual(['two'])
})

test('secrets do not reach the log, however deep', () => {
  const file = join(dir, 'peer.log')
  const log = createLog({ level: 'info', file })
  log.info('login', {
    token: 'hunter2',
    user: { name: 'ann', passwordHash: 'hunter2' },
    list: [{ inviteText: 'hunter2' }]
  })
  log.close()
  expect(readFileSync(file, 'utf8')).not.toContain('hunter2')
  expect(lines(file)[0]).toMatchObject({ token: '[secret]', user: { name: 'ann', passwordHash: '[secret]' } })
})

test('fields that run in a circle or without bound give a line of bounded length', () => {
  const file = join(dir, 'peer.log')
  const log = createLog({ level: 'info', file })
  const circle: Record<string, unknown> = { text: 'x'.repeat(100_000), big: 10n }
  circle['self'] = circle
  log.info('circle', { circle, many: Array.from({ length: 10_000 }, (_, i) => i) })
  log.close()
  expect(statSync(file).size).toBeLessThan(40_000)
})

test('the files stay within their bound and the newest line is kept', () => {
  const file = join(dir, 'peer.log')
  const log = createLog({ level: 'info', file, fileMaxBytes: 2000, filesMax: 3 })
  for (let i = 0; i < 200; i++) log.info('filling', { i, pad: 'p'.repeat(100) })
  log.close()
  expect(readdirSync(dir).sort()).toEqual(['peer.log', 'peer.log.1', 'peer.log.2'])
  for (const name of readdirSync(dir)) expect(statSync(join(dir, name)).size).toBeLessThanOrEqual(2000)
  expect(lines(file).at(-1)).toMatchObject({ i: 199 })
})

test('a log that cannot be written is counted and does not throw', () => {
  writeFileSync(join(dir, 'file'), 'no folder')
  const log = createLog({ level: 'info', file: join(dir, 'file', 'peer.log') })
  log.info('lost')
  log.info('lost again')
  expect(log.lostLines).toBe(2)
})
