import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { decodeSize } from '../../../node/terminal-size.ts'
import { eventually, isGone, isStill, sessionId, startRig } from './rig.ts'
import type { Rig } from './rig.ts'

const terminal = { columns: 90, rows: 30, required: true }

/** All that the terminal wrote so far, its sizes as `<columns x rows>`. */
function watch(rig: Rig, session: string): { text: () => string } {
  let text = ''
  void (async () => {
    for await (const { stream, bytes } of rig.host.output(session, 1, 0, { follow: true })) {
      const size = stream === 3 ? decodeSize(bytes) : undefined
      text += size === undefined ? Buffer.from(bytes).toString() : `<${size.columns}x${size.rows}>`
    }
  })()
  return { text: () => text }
}

test('a program finds a terminal of the size asked for, and the kind the person has', async () => {
  const rig = await startRig()
  const script = 'test -t 0 && test -t 1 && test -t 2 && tty && stty size && echo "$TERM ${COLUMNS-none}"'
  const order = { launcher: 'shell' as const, argv: [script], terminal, env: { TERM: 'vt100', COLUMNS: '7' } }
  const { session } = await rig.start(order)
  const seen = watch(rig, session)
  expect(await rig.exitOf(session)).toMatchObject({ code: 0, signal: null })
  await eventually(() => seen.text().includes('none'))
  expect(seen.text()).toMatch(/^<90x30>\/dev\/\S+\r\n30 90\r\nvt100 none\r\n$/)
})

test('a kind of terminal that this PC has no description of becomes one that it has', async () => {
  const rig = await startRig()
  const { session } = await rig.start({
    launcher: 'shell',
    argv: ['echo $TERM'],
    terminal,
    env: { TERM: 'no-such-term' }
  })
  const seen = watch(rig, session)
  await eventually(() => seen.text().includes('xterm-256color'))
})

test('exit code and signal are told as from pipes', async () => {
  const rig = await startRig()
  const seven = await rig.start({ launcher: 'shell', argv: ['exit 7'], terminal })
  expect(await rig.exitOf(seven.session)).toMatchObject({ code: 7, signal: null })
  const killed = await rig.start({ launcher: 'shell', argv: ['kill -USR1 $$'], terminal })
  expect(await rig.exitOf(killed.session)).toMatchObject({ code: null, signal: 'USR1' })
})

test('the keys of the terminal are signals, and the end of input ends who reads it', async () => {
  const rig = await startRig()
  const { session } = await rig.start({ launcher: 'shell', argv: ['echo ready; exec sleep 600'], terminal })
  const seen = watch(rig, session)
  await eventually(() => seen.text().includes('ready'))
  await rig.host.input(session, 1, Uint8Array.of(3))
  expect(await rig.exitOf(session)).toMatchObject({ code: null, signal: 'INT' })
  const cat = await rig.start({ argv: ['cat'], terminal })
  await rig.host.input(cat.session, 1, Buffer.from('without a newline'))
  rig.host.endInput(cat.session, 1)
  expect(await rig.exitOf(cat.session)).toMatchObject({ code: 0 })
})

test('a stop ends a shell at a terminal, which is deaf to TERM, and its jobs', async () => {
  const rig = await startRig()
  const { session } = await rig.start({ argv: ['bash', '--norc', '-i'], terminal })
  const seen = watch(rig, session)
  await rig.host.input(session, 1, Buffer.from('sleep 600 &\necho job $!.\n'))
  await eventually(() => /job (\d+)\./.test(seen.text()))
  const job = Number(/job (\d+)\./.exec(seen.text())![1])
  rig.host.signal(session, 1, 'TERM')
  await rig.exitOf(session)
  expect(isGone(job)).toBe(true)
})

test('the terminal is as large as all who watch can show, and the program is told', async () => {
  const rig = await startRig()
  const script = `trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done`
  const { session } = await rig.start({ launcher: 'shell', argv: [script], terminal })
  const seen = watch(rig, session)
  await eventually(() => seen.text().includes('ready'))
  const [wide, high] = [rig.host.viewer(session, 1), rig.host.viewer(session, 1)]
  wide.resize({ columns: 120, rows: 20 })
  await eventually(() => seen.text().includes('20 120'))
  high.resize({ columns: 60, rows: 50 })
  await eventually(() => seen.text().includes('20 60'))
  wide.close()
  await eventually(() => seen.text().includes('50 60'))
  high.close()
  expect(seen.text()).toContain('<60x50>')
})

test('what it shows is drawn for who comes later', async () => {
  const rig = await startRig()
  const script = `printf 'before\\n\\033[?1049h\\033[3;5Hin the middle'; read end`
  const { session } = await rig.start({ launcher: 'shell', argv: [script], terminal })
  const seen = watch(rig, session)
  await eventually(() => seen.text().includes('middle'))
  const screen = await rig.host.screen(session, 1)
  expect(screen).toMatchObject({ columns: 90, rows: 30 })
  expect(Buffer.from(screen.bytes).toString()).toMatch(/before[^]*\x1b\[\?1049h[^]*in the middle/)
  await rig.host.input(session, 1, Buffer.from('\n'))
  const { logBytes } = await rig.exitOf(session)
  expect((await rig.host.screen(session, 1)).offset, 'also after its end').toBe(logBytes)
  await expect(rig.host.screen(sessionId(), 1)).rejects.toMatchObject({ code: 'HOST_FAILED' })
})

test('a program that does not read holds nothing up and costs a bounded sum', async () => {
  const rig = await startRig()
  const { session } = await rig.start({ launcher: 'shell', argv: ['stty raw -echo; echo ready; sleep 600'], terminal })
  const seen = watch(rig, session)
  await eventually(() => seen.text().includes('ready'))
  let taken = 0
  for (let i = 0; i < 64; i++)
    rig.host.input(session, 1, new Uint8Array(64 << 10).fill(120)).then(
      () => taken++,
      () => {}
    )
  const other = await rig.start({ argv: ['true'] })
  expect(await rig.exitOf(other.session)).toMatchObject({ code: 0 })
  expect(taken).toBe(0)
  rig.host.signal(session, 1, 'KILL')
  expect(await rig.exitOf(session)).toMatchObject({ signal: 'KILL' })
})

test('all that a flood wrote is kept, also what nobody had taken when it ended', async () => {
  const rig = await startRig({ logLagBytes: 64 << 10 })
  const { session } = await rig.start({ launcher: 'shell', argv: ['read go; seq 1 100000'], terminal })
  const frames = rig.host.output(session, 1, 0, { follow: true })[Symbol.asyncIterator]()
  await frames.next()
  await rig.host.input(session, 1, Buffer.from('\n'))
  let text = ''
  // Behind by more than the program may run ahead: it waits, and ends while its last output stands in the terminal.
  for (let next = await frames.next(); next.done !== true; next = await frames.next())
    text += Buffer.from(next.value.bytes).toString()
  const lines = text.trimEnd().split('\r\n')
  expect(lines.slice(-100_000).findIndex((line, i) => line !== String(i + 1))).toBe(-1)
})

test('a frozen shell goes on with its foreground job, which does not count as stopped', async () => {
  const rig = await startRig()
  const { session, pid } = await rig.start({ argv: ['bash', '--norc', '-i'], terminal })
  const seen = watch(rig, session)
  await rig.host.input(session, 1, Buffer.from('cat\n'))
  await rig.host.input(session, 1, Buffer.from('echoed\n'))
  await eventually(() => seen.text().split('echoed').length > 2)
  for (let i = 0; i < 3; i++) {
    rig.host.freeze(session, 1)
    await eventually(() => isStill(pid))
    rig.host.thaw(session, 1)
    await eventually(() => !isStill(pid))
  }
  await rig.host.input(session, 1, Buffer.from('still here\n'))
  await eventually(() => seen.text().split('still here').length > 2)
  expect(seen.text()).not.toContain('Stopped')
})

test('a job that a person had stopped stands on when its shell goes on after a freeze', async () => {
  const rig = await startRig()
  const { session, pid } = await rig.start({ argv: ['bash', '--norc', '-i'], terminal })
  const seen = watch(rig, session)
  await rig.host.input(session, 1, Buffer.from('sleep 600\n'))
  await eventually(() => childOf(pid) !== undefined)
  const job = childOf(pid)!
  // Until it is the program itself, the keyboard may still be its shell's, which is deaf to that key.
  await eventually(() => readFileSync(`/proc/${job}/comm`, 'utf8').trim() === 'sleep')
  await rig.host.input(session, 1, Uint8Array.of(26))
  await eventually(() => seen.text().includes('Stopped'))
  rig.host.freeze(session, 1)
  await eventually(() => isStill(pid))
  rig.host.thaw(session, 1)
  await eventually(() => !isStill(pid))
  await rig.host.input(session, 1, Buffer.from('echo shell $((6 * 7))\n'))
  await eventually(() => seen.text().includes('shell 42'))
  expect(isStill(job)).toBe(true)
})

function childOf(pid: number): number | undefined {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]) || undefined
}
