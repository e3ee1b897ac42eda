import { expect, test } from 'vitest'
import { decodeClientFrame, encodeServerFrame } from '../../node/http/attach-wire.ts'
import type { ServerFrame } from '../../node/http/attach-wire.ts'
import { TerminalLine } from '../../ui/lib/terminal-line.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

/** A line whose far end, clock and screen are the test's. */
function line() {
  const sent: ReturnType<typeof decodeClientFrame>[] = []
  const paths: string[] = []
  const told: unknown[] = []
  const drawn: (() => void)[] = []
  const timers = new Map<number, () => void>()
  let events: { open(): void; message(message: Uint8Array): void; closed(): void } | undefined
  let next = 1
  const at = new TerminalLine(
    {
      connect(path, its) {
        paths.push(path)
        events = its
        return { send: (message) => void sent.push(decodeClientFrame(message)), close() {} }
      },
      setTimeout: (run) => (timers.set(next, run), next++),
      clearTimeout: (timer) => void timers.delete(timer)
    },
    'abc',
    {
      size: (columns, rows, fresh) => told.push(['size', columns, rows, fresh]),
      output: (part, done) => (told.push(new TextDecoder().decode(part)), drawn.push(done)),
      progress: (text) => told.push(['progress', text]),
      ended: (session) => told.push(['ended', session.state]),
      trouble: (reason) => told.push(['trouble', reason])
    }
  )
  at.start()
  return {
    at,
    sent,
    paths,
    told,
    drawn,
    open: () => events!.open(),
    get: (frame: ServerFrame) => events!.message(encodeServerFrame(frame)),
    lose: () => events!.closed(),
    wait: () => [...timers].forEach(([timer, run]) => (timers.delete(timer), run()))
  }
}

test('it asks for the screen, says its size, draws what comes and acknowledges what is drawn', () => {
  const { at, open, get, sent, paths, told, drawn } = line()
  at.resize(100, 30)
  open()
  expect(paths).toEqual(['/api/v1/sessions/abc/attach?from=0&stdin=1&screen=1'])
  expect(sent).toEqual([{ kind: 'size', columns: 100, rows: 30 }])
  get({ kind: 'size', offset: 0, columns: 300, rows: 24, fresh: true })
  get({ kind: 'output', stream: 1, offset: 12, bytes: bytes('hello') })
  expect(told).toEqual([['size', 300, 24, true], 'hello'])
  expect(sent).toHaveLength(1)
  drawn[0]!()
  expect(sent[1]).toEqual({ kind: 'ack', bytes: 5 })
  at.resize(100, 30)
  expect(sent, 'the same size is said once').toHaveLength(2)
})

test('what is typed waits for credit, and for a line', () => {
  const { at, open, get, sent } = line()
  at.type(bytes('early'))
  open()
  expect(sent).toEqual([])
  get({ kind: 'credit', bytes: 3 })
  expect(sent).toEqual([{ kind: 'stdin', bytes: bytes('ear') }])
  get({ kind: 'credit', bytes: 100 })
  expect(sent[1]).toEqual({ kind: 'stdin', bytes: bytes('ly') })
})

test('a lost line is made again and goes on from what was last seen, and says so meanwhile', () => {
  const { at, open, get, lose, wait, paths, sent, told, drawn } = line()
  at.resize(80, 24)
  open()
  get({ kind: 'credit', bytes: 100 })
  get({ kind: 'output', stream: 1, offset: 77, bytes: bytes('x') })
  lose()
  expect(told.at(-1)).toEqual(['trouble', 'The line to the terminal is broken. Connecting again…'])
  at.type(bytes('kept'))
  drawn[0]!()
  wait()
  expect(paths[1]).toContain('from=77')
  open()
  get({ kind: 'credit', bytes: 100 })
  expect(sent.slice(-2)).toEqual([
    { kind: 'size', columns: 80, rows: 24 },
    { kind: 'stdin', bytes: bytes('kept') }
  ])
  expect(told.at(-1)).toEqual(['trouble', null])
})

test('a page that comes back to itself asks for the screen anew', () => {
  const { at, open, get, paths } = line()
  open()
  get({ kind: 'output', stream: 1, offset: 77, bytes: bytes('x') })
  at.stop()
  at.startAnew()
  expect(paths[1]).toContain('from=0')
})

test('the last word ends it: the record, or why there is none', () => {
  const ended = line()
  ended.open()
  ended.get({ kind: 'final', session: { state: 'finished' } as never })
  expect(ended.told).toEqual([['ended', 'finished']])
  ended.wait()
  expect(ended.paths).toHaveLength(1)
  const failed = line()
  failed.open()
  failed.get({ kind: 'error', error: { code: 'UNKNOWN_SESSION', message: 'no such session' } })
  expect(failed.told).toEqual([['trouble', 'no such session']])
  failed.wait()
  expect(failed.paths).toHaveLength(1)
})

test('where its PC is away that is said, and it is asked again', () => {
  const { open, get, wait, told, paths } = line()
  open()
  get({ kind: 'error', error: { code: 'PEER_UNREACHABLE', message: 'den is away' } })
  expect(told).toEqual([['trouble', 'den is away']])
  wait()
  expect(paths).toHaveLength(2)
})

test('what is typed while the line is away is bounded', () => {
  const { at, open, get, sent } = line()
  for (let i = 0; i < 100; i++) at.type(new Uint8Array(1000))
  open()
  get({ kind: 'credit', bytes: 1 << 20 })
  const typed = sent.reduce((sum, frame) => sum + (frame.kind === 'stdin' ? frame.bytes.length : 0), 0)
  expect(typed).toBe(16_000)
})
