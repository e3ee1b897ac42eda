/**
 * A terminal on another PC is a terminal: full-screen programs and prompts are driven through `omega run -t` inside tmux,
 * and outlive the command, both peer processes and a cut cable.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SessionView } from '../../node/http/views.ts'
import { Screen, startMesh } from './harness/index.ts'
import type { Mesh, Peer } from './harness/index.ts'

const LONG = { timeout: 240_000 }
/** What a cable of this test stays unplugged for. */
const CUT_MS = 10_000
/** Of the shell here: what is typed before it goes to the program there. */
const PROMPT = /ready>\s*$/

let mesh: Mesh
let atlas: Peer
let den: Peer

beforeAll(async () => {
  mesh = await startMesh({ peers: ['atlas', 'den'] })
  ;[atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
}, 240_000)
afterAll(async () => await mesh?.stop())

const there = 'omega run --no-files --on den --'

test('vim draws, takes keys, follows the size, writes its file there and gives the screen back', LONG, async () => {
  using screen = new Screen(atlas, 'vim')
  const file = join(den.workDir, 'written.txt')
  screen.line(`${there} vim -u NONE ${file}`)
  await screen.shows('[New File]')
  screen.keys('i')
  screen.keys('-l', 'first line')
  screen.keys('Enter')
  screen.keys('-l', 'second line')
  screen.keys('Escape')
  await screen.shows(/^first line\nsecond line\n~/)
  screen.resize(60, 15)
  await vimSays(screen, screen, /columns=60[^]*lines=15/)
  screen.line(':wq')
  await screen.shows(PROMPT)
  expect(screen.text()).not.toContain('first line')
  expect(readFileSync(file, 'utf8')).toBe('first line\nsecond line\n')
})

test('top, htop and a python prompt are as at that PC', LONG, async () => {
  using screen = new Screen(atlas, 'monitors', { columns: 100, rows: 30 })
  screen.line(`${there} top`)
  await screen.shows(/^top - .*load average[^]*PID +USER/)
  screen.keys('q')
  await screen.shows(PROMPT)
  screen.line(`${there} htop`)
  await screen.shows(/Load average[^]*F1Help +F2Setup/)
  screen.keys('q')
  await screen.shows(PROMPT)
  screen.line(`${there} python3 -q`)
  await screen.shows('>>>')
  screen.line('import os; os.get_terminal_size().columns * 7, os.environ["OMEGA_PEER_NAME"]')
  await screen.shows("(700, 'den')")
  screen.keys('C-c')
  await screen.shows('KeyboardInterrupt')
  screen.line('raise SystemExit(5)')
  await screen.shows(PROMPT)
  screen.line('echo "code $?"')
  await screen.shows('code 5')
})

test('Ctrl-C, Ctrl-Z, fg and Ctrl-\\ are the keys of a shell there, and its exit code comes here', LONG, async () => {
  using screen = new Screen(atlas, 'shell')
  screen.line(`${there} bash --norc`)
  screen.line('PS1="$OMEGA_PEER_NAME: "')
  await screen.shows(/^den:$/m)
  screen.line('sleep 600')
  await mesh.until(() => den.processes().some(({ command }) => command === 'sleep 600'), { what: 'sleep on den' })
  screen.keys('C-z')
  await screen.shows('Stopped')
  screen.line('fg')
  screen.keys('C-c')
  screen.line('echo "ended by $?"')
  await screen.shows('ended by 130')
  screen.line('cat')
  screen.line('to cat')
  await screen.shows(/to cat\nto cat/)
  screen.keys('C-\\')
  await screen.shows('Quit')
  screen.line('exit 3')
  await screen.shows(PROMPT)
  screen.line('echo "code $?"')
  await screen.shows('code 3')
  expect(den.processes().filter(({ command }) => /^(sleep|cat)/.test(command))).toEqual([])
})

test('who detaches leaves it running; it is found as it was from anywhere, by several at once', LONG, async () => {
  using first = new Screen(atlas, 'first', { columns: 90, rows: 25 })
  first.line(`${there} bash --norc`)
  first.line('for i in 1 2 3 4 5; do echo "before $i"; done; vim -u NONE')
  await first.shows('~')
  first.keys('-l', 'i')
  first.keys('-l', 'kept')
  await first.shows(/^kept/)
  first.keys('C-p', 'C-q')
  await first.shows('omega attach')
  expect(first.text()).not.toContain('kept')
  first.line('stty -a | grep -o " echo " && echo "as before"')
  await first.shows('as before')

  const { id } = (await atlas.json<SessionView[]>(['ps']))[0]!
  using second = new Screen(den, 'second', { columns: 70, rows: 30 })
  second.line(`omega attach ${id.slice(0, 8)}`)
  await second.shows(/^kept/)
  first.line(`omega attach ${id.slice(0, 8)}`)
  await first.shows(/^kept/)
  first.keys('-l', ' and more')
  await second.shows(/^kept and more/)
  await vimSays(first, second, /columns=70[^]*lines=25/)
  second.keys('C-p', 'C-q')
  await second.shows('detached')
  await vimSays(first, first, /columns=90[^]*lines=25/)
  first.line(':q!')
  await first.shows(/before 5/)
  first.line('exit 7')
  await first.shows(PROMPT)
  first.line('echo "code $?"')
  await first.shows('code 7')
})

test('a terminal outlives the peer process there, and the one here that shows it', LONG, async () => {
  using screen = new Screen(atlas, 'outlives')
  screen.line(`${there} vim -u NONE`)
  await screen.shows('~')
  screen.keys('-l', 'i')
  screen.keys('-l', 'one ')
  await screen.shows(/^one/)
  await den.killPeerProcess('SIGKILL')
  await den.up()
  screen.keys('-l', 'two ')
  await screen.shows(/^one two/)
  await atlas.killPeerProcess('SIGKILL')
  await atlas.up()
  await mesh.allSeeAll()
  const typed = async (note: (seen: unknown) => void) => {
    screen.keys('-l', '.')
    await sleep(500)
    note(screen.text())
    return /^one two \.+\n/.test(screen.text())
  }
  await mesh.until(typed, { what: 'keys after the restart here' })
  screen.keys('Escape')
  screen.line(':q!')
  await screen.shows(PROMPT)
})

test('a cable that is out for ten seconds costs no line', LONG, async () => {
  expect(mesh.lan.kind, 'cables can only be pulled between namespaces').toBe('namespaces')
  const script = 'i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo "line $i"; sleep 0.05; done'
  const running = atlas.spawn(['run', '--no-files', '-t', '--on', 'den', '--', 'sh', '-c', script])
  await running.prints('line 20')
  den.cut()
  await sleep(CUT_MS)
  den.heal()
  const { code, stdout } = await running.end(120_000)
  expect(code).toBe(0)
  expect(stdout.trimEnd().split('\r\n')).toEqual(Array.from({ length: 400 }, (_, i) => `line ${i + 1}`))
})

test('a flood is interrupted at once, and grows no memory', LONG, async () => {
  using screen = new Screen(atlas, 'flood')
  screen.line(
    `${there} sh -c 'trap "echo caught; exit 9" INT; echo go; read go; while :; do cat /dev/urandom | base64 -w 0; done'`
  )
  await screen.shows('go')
  const before = residentOf(atlas) + residentOf(den)
  screen.keys('Enter')
  await sleep(5_000)
  const grown = residentOf(atlas) + residentOf(den) - before
  screen.keys('C-c')
  await screen.shows('caught')
  await screen.shows(PROMPT)
  screen.line('echo "code $?"')
  await screen.shows('code 9')
  expect(grown).toBeLessThan(150 << 20)
})

/** Asked until it says so: a size is on its way for a moment. */
async function vimSays(typed: Screen, read: Screen, what: RegExp): Promise<void> {
  const says = async (note: (seen: unknown) => void) => {
    typed.keys('Escape')
    typed.line(':set columns? lines?')
    await sleep(700)
    const text = read.text()
    note(text)
    return what.test(text)
  }
  await mesh.until(says, { what: `${what} by vim` })
  typed.keys('Enter')
  typed.line(':redraw!')
}

/** Bytes that Omega's own processes hold at this PC. */
function residentOf(peer: Peer): number {
  return peer
    .processes()
    .filter(({ command }) => /main\.ts|omega\.js|sessiond/.test(command))
    .map(({ pid }) => Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024)
    .reduce((sum, bytes) => sum + bytes, 0)
}
