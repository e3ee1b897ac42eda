/** Output of a program as the page keeps it. */
import { expect, test } from 'vitest'
import { parseLogLine } from '../../ui/lib/log-stream.ts'
import { LINES_KEPT, LogText } from '../../ui/lib/log-text.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
function written(...pieces: [1 | 2, string][]): LogText {
  const log = new LogText()
  for (const [stream, text] of pieces) log.take(stream, bytes(text))
  return log
}
const shape = (log: LogText) => log.blocks.map((block) => [block.stream, ...block.lines])

test('stdout and stderr stay apart and in the order they came', () => {
  const log = written([1, 'one\ntwo\n'], [2, 'oops\n'], [1, 'three\n'])
  expect(shape(log)).toEqual([
    [1, 'one', 'two'],
    [2, 'oops'],
    [1, 'three']
  ])
  expect(log.lines).toBe(4)
})

test('a line that comes in pieces is one line', () => {
  expect(shape(written([1, 'ab'], [1, 'cd'], [1, '\nef\n']))).toEqual([[1, 'abcd', 'ef']])
})

test('a letter cut between two pieces is whole', () => {
  const log = new LogText()
  const all = bytes('grün\n')
  log.take(1, all.slice(0, 3))
  log.take(1, all.slice(3))
  expect(log.text()).toBe('grün')
})

test('terminal colours and titles leave no trace, also when they are cut', () => {
  expect(written([1, '\x1b[1;32mok\x1b[0m\n']).text()).toBe('ok')
  expect(written([1, '\x1b]0;title\x07ok\n']).text()).toBe('ok')
  expect(written([1, 'a\x1b[3'], [1, '1mb\n']).text()).toBe('ab')
  expect(written([1, 'a\x00\x07b\n']).text()).toBe('ab')
})

test('a carriage return overwrites, and at the end of a line it is only an end', () => {
  expect(written([1, '10 %\r20 %\r30 %\n']).text()).toBe('30 %')
  expect(written([1, 'longer\rab\n']).text()).toBe('abnger')
  expect(written([1, 'dos\r'], [1, '\nline\r\n']).text()).toBe('dos\nline')
})

test('only the last lines are kept and the others are counted', () => {
  const log = new LogText()
  for (let i = 0; i < LINES_KEPT + 1_234; i++) log.take(i % 3 === 0 ? 2 : 1, bytes(`line ${i}\n`))
  expect(log.lines).toBe(LINES_KEPT)
  expect(log.dropped).toBe(1_234)
  expect(log.text().split('\n')[0]).toBe('line 1234')
  expect(log.blocks.reduce((sum, block) => sum + block.lines.length, 0)).toBe(LINES_KEPT)
})

test('a line without an end cannot grow the page', () => {
  const log = new LogText()
  for (let i = 0; i < 100; i++) log.take(1, bytes('x'.repeat(65_536)))
  expect(log.text().length).toBeGreaterThan(1_900_000)
  expect(log.text().length).toBeLessThan(2_010_000)
  expect(log.dropped).toBeGreaterThan(1_000)
})

test('lines of the peer are output, an end or an error', () => {
  expect(parseLogLine('{"stream":2,"offset":7,"data":"b29wcw=="}')).toEqual({
    kind: 'output',
    stream: 2,
    offset: 7,
    bytes: bytes('oops')
  })
  expect(parseLogLine('{"session":{"id":"a"}}')).toMatchObject({ kind: 'end', session: { id: 'a' } })
  expect(parseLogLine('{"error":{"code":"PEER_UNREACHABLE","message":"atlas is away"}}')).toMatchObject({
    kind: 'error'
  })
})
